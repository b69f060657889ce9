"""The list of detectors and the folder agree, and every detector keeps the common rules."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import polars as pl
import pytest
from story import judge, life, pings, row, story

import wsdiag.detectors
from wsdiag.config import ConfigError
from wsdiag.detectors import DETECTORS, chosen
from wsdiag.detectors import judge as judge_all
from wsdiag.finding import FINDINGS
from wsdiag.report import Outcome
from wsdiag.targets import Goals

FOLDER = Path(wsdiag.detectors.__file__).parent
MODULES = sorted(file.stem for file in FOLDER.glob("*.py") if file.stem != "__init__")
NAMES = sorted(DETECTORS)


def test_list_and_folder_agree() -> None:
    assert sorted(name.replace("-", "_") for name in DETECTORS) == MODULES


@pytest.mark.parametrize("name", NAMES)
def test_id_is_the_file_name(name: str) -> None:
    module = import_module(f"wsdiag.detectors.{name.replace('-', '_')}")
    assert module is DETECTORS[name]
    assert name == module.ID
    assert module.TITLE


@pytest.mark.parametrize("name", NAMES)
def test_the_docstring_is_a_manual(name: str) -> None:
    manual = DETECTORS[name].__doc__ or ""
    first, _, rest = manual.partition("\n")
    assert first.endswith(".")
    heads = re.findall(
        r"^(What it finds|Why it matters|How it decides|What it cannot see):", rest, re.M
    )
    assert heads == ["What it finds", "Why it matters", "How it decides", "What it cannot see"]


@pytest.mark.parametrize("name", NAMES)
def test_no_evidence_is_not_applicable(name: str) -> None:
    said = judge(name, [])
    assert (said.verdict, said.findings) == ("not-applicable", [])
    assert said.why == DETECTORS[name].NEEDS


@pytest.mark.parametrize("name", NAMES)
def test_evidence_about_no_connection_is_not_applicable(name: str) -> None:
    said = judge(name, [row("server_start", 0, source="server.log"), row("memory", 1, bytes=10)])
    assert (said.verdict, said.findings) == ("not-applicable", [])


@pytest.mark.parametrize("name", NAMES)
def test_findings_have_exactly_the_schema(name: str) -> None:
    told = story([*life("a", 0, 9, code=1011), *pings("a", [3, 6])])
    for it in (story([]), told):
        assert DETECTORS[name].detect(it, Goals()).collect().schema == FINDINGS
        judged = DETECTORS[name].judged(it, Goals()).collect()
        reason = {"lacking": pl.String} if "lacking" in judged.columns else {}
        assert judged.schema == {"judged": pl.Int64, "said": pl.String} | reason
        assert len(judged) == 1


def test_every_detector_gives_one_verdict_in_the_order_of_the_list() -> None:
    _, verdicts = judge_all(story(life("a", 0, 9, code=1000, by="c2s")), Goals(), DETECTORS)
    assert [verdict.detector for verdict in verdicts] == list(DETECTORS)
    assert all(verdict.why for verdict in verdicts)


def test_select_and_ignore() -> None:
    assert list(chosen((), ())) == list(DETECTORS)
    assert list(chosen(("idle-cut", "token-expiry"), ())) == ["token-expiry", "idle-cut"]
    assert "idle-cut" not in chosen((), ("idle-cut",))
    assert chosen(("idle-cut",), ("idle-cut",)) == {}


@pytest.mark.parametrize("words", [(("idle_cut",), ()), ((), ("no-such",))])
def test_an_unknown_id_is_named(words: tuple[tuple[str, ...], tuple[str, ...]]) -> None:
    with pytest.raises(ConfigError, match=r"idle_cut|no-such"):
        chosen(*words)


class Broken:
    """A detector that asks for a column that does not exist."""

    ID, TITLE, NEEDS = "broken", "Broken", "a column"

    def judged(self, told: object, targets: Goals) -> pl.LazyFrame:
        return pl.LazyFrame({"judged": [1], "said": ["fine"]})

    def detect(self, told: object, targets: Goals) -> pl.LazyFrame:
        return pl.LazyFrame({"a": [1]}).select("no_such_column")


def test_one_broken_detector_does_not_silence_the_others() -> None:
    both = {"broken": Broken(), "abnormal-close": DETECTORS["abnormal-close"]}
    found, (broken, healthy) = judge_all(story(life("a", 0, 9, code=1011)), Goals(), both)
    assert broken.verdict == Outcome.ERROR
    assert "no_such_column" in broken.why
    assert healthy.verdict == Outcome.BREACH
    assert found["detector"].to_list() == ["abnormal-close"]
