"""Recorded logs of real systems and labelled excerpts, from the files to the named cause.

Beside most logs lies what the client saw on the raw socket (log_truth.py). A log is held to it as
far as its server can know; where it cannot, docs/formats/measured.toml says why.
"""

from __future__ import annotations

import importlib
import shutil
import tomllib
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import log_truth
import polars as pl
import pytest

from wsdiag import showing
from wsdiag.config import Config
from wsdiag.detectors import DETECTORS
from wsdiag.gather import NoEvidence
from wsdiag.report import Report

pipeline = importlib.import_module("wsdiag.pipeline")  # the package shows the function

SHARED = Path(__file__).parents[2] / "shared"
REAL, CASES, CORPUS = SHARED / "real-logs", SHARED / "cases", SHARED / "corpus"

needs_real_logs = pytest.mark.skipif(
    not REAL.is_dir(), reason="the recorded logs are not beside the checkout"
)
needs_cases = pytest.mark.skipif(
    not CASES.is_dir(), reason="the labelled excerpts are not beside the checkout"
)
needs_corpus = pytest.mark.skipif(
    not CORPUS.is_dir(), reason="the public captures are not beside the checkout"
)


def folders(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else []


def ends_of(log: str) -> dict[str, str]:
    """Sec-WebSocket-Key → time of the end, of every connection that got its 101."""
    ends: dict[str, str] = {}
    for said in log_truth.connections_of(log_truth.client_of(REAL / log)):
        status = next((line["status"] for line in said if line["ev"] == "response"), "")
        if " 101 " in status:
            ends[said[0]["key"]] = next((line["t"] for line in said if line["ev"] == "eof"), "")
    return ends


@cache
def report_of(log: str) -> Report:
    return pipeline.diagnose([str(REAL / log)], Config())


@cache
def events_of(log: str) -> pl.DataFrame:
    return pipeline.read_events([str(REAL / log)], Config())


# -- whole folders --------------------------------------------------------------------------------


@needs_real_logs
@pytest.mark.parametrize("folder", folders(REAL), ids=lambda path: path.name)
def test_every_folder_is_diagnosed(folder: Path) -> None:
    report = report_of(folder.name)
    assert [verdict.detector for verdict in report.verdicts] == list(DETECTORS)
    assert not [v for v in report.verdicts if v.verdict == "error"]
    assert report.causes[0].id != "healthy"
    assert report.facts.connections > 0
    assert report.window.covered.since < report.window.covered.until
    assert len(report.inputs) == sum(path.is_file() for path in folder.iterdir())
    for item in report.inputs:
        if item.bytes:
            assert item.format not in ("unknown", "unreadable"), item.path
        if item.path.endswith(".log") and item.bytes and item.path != "stdout.log":
            assert item.events > 0, item.path
            assert item.vantage, item.path
    assert report.causes[0].investigation.server_logs


@needs_real_logs
@pytest.mark.parametrize("folder", folders(REAL), ids=lambda path: path.name)
def test_every_proof_can_be_shown(folder: Path) -> None:
    report = report_of(folder.name)
    proofs = {report.pointer(p) for finding in report.findings for p in finding.evidence}
    for pointer in sorted(proofs)[:6]:
        ((place, text),) = showing.show(pointer, [str(folder)]).places
        assert place == pointer
        assert text.strip()


# -- against what the client saw ------------------------------------------------------------------

TABLE = log_truth.measured()
SENTENCES = TABLE.pop("sentences")
GOOD = 0.98


@needs_real_logs
def test_the_table_has_every_log_that_a_client_recorded_beside() -> None:
    logs = {
        str(path.relative_to(REAL))
        for path in REAL.glob("*/*.log")
        if log_truth.client_of(path).exists() and path.stat().st_size and path.name != "stdout.log"
    }
    assert logs == TABLE.keys()


@needs_real_logs
@pytest.mark.parametrize("log", TABLE)
def test_the_table_says_what_is_measured(log: str) -> None:
    """Where a log got better or worse: `python tests/log_truth.py`, and look at the sentences."""
    got = log_truth.figures(log)
    assert got == {measure: TABLE[log][measure] for measure in log_truth.MEASURES}


@pytest.mark.parametrize("log", TABLE)
def test_recall_and_precision_are_high_or_explained(log: str) -> None:
    row = TABLE[log]
    low = {
        measure
        for measure in log_truth.MEASURES
        for right, were, said in [row[measure]]
        if right < GOOD * were or right < GOOD * said
    }
    assert low == row.get("why", {}).keys()
    assert set(row.get("why", {}).values()) <= SENTENCES.keys()


@needs_real_logs
def test_what_nginx_did_not_log_are_those_it_held_when_it_was_killed() -> None:
    log = "nginx/access-detailed.log"
    opened, logged = ends_of(log), set(events_of(log)["key"])
    assert logged - {None} & opened.keys()
    ends = sorted(opened[key] for key in opened.keys() - logged)
    assert len(ends) == 3
    assert ends[0][:16] == ends[-1][:16] == max(opened.values())[:16]


@needs_real_logs
@pytest.mark.parametrize("log", ["uvicorn-websockets", "uvicorn-sansio", "uvicorn-wsproto"])
def test_a_restart_of_uvicorn_is_seen_as_one(log: str) -> None:
    kinds = set(events_of(f"uvicorn/{log}-restart.log")["kind"])
    assert {"server_start", "server_stop", "open", "close"} <= kinds


@needs_real_logs
@pytest.mark.parametrize(
    "log",
    [
        "uvicorn-websockets",
        "uvicorn-sansio",
        "uvicorn-wsproto",
    ],
)
def test_a_restart_under_open_connections_is_not_health(log: str) -> None:
    assert report_of(f"uvicorn/{log}-restart.log").causes[0].id != "healthy"


@needs_real_logs
def test_haproxy_says_who_ended_it() -> None:
    """One idle tunnel; four whose client vanished without a Close frame."""
    for name in ("stdout-raw", "syslog-udp-raw"):
        report = report_of(f"haproxy/{name}.log")
        assert report.facts.ends["cD--"] == 1
        assert report.facts.ends["CD--"] == 4
    assert report.causes[0].id == "haproxy-timer"
    assert "cD--" not in report_of("haproxy-restart/syslog-udp-raw.log").facts.ends


@needs_real_logs
def test_nginx_says_what_it_cut() -> None:
    """The idle cut after 5 s and four clients that vanished, of the errors at level info."""
    report = report_of("nginx/error.log")
    assert report.facts.ends == {"rst": 4, "timeout": 1}
    whole = report_of("nginx")
    assert whole.causes[0].id == "proxy-idle-timeout"


# -- public captures and HARs ---------------------------------------------------------------------

PUBLIC = sorted(
    path
    for path in (CORPUS.rglob("*") if CORPUS.is_dir() else ())
    if path.suffix in (".pcap", ".pcapng", ".har", ".json", ".log")
)


@needs_corpus
@pytest.mark.parametrize("path", PUBLIC, ids=lambda path: str(path.relative_to(CORPUS)))
def test_public_evidence_is_diagnosed_or_declined(path: Path) -> None:
    try:
        report = pipeline.diagnose([str(path)], Config())
    except NoEvidence:
        # Traffic of another kind, and what other tools made of a capture.
        assert path.suffix not in (".pcap", ".pcapng")
        return
    (item,) = report.inputs
    assert (item.events > 0, item.unread_lines) == (True, 0)
    assert not [v for v in report.verdicts if v.verdict == "error"]


# -- labelled excerpts ----------------------------------------------------------------------------

FLOOR = 36
"""Right first causes of 46; 38 when this was written."""


class Judged(NamedTuple):
    """A case and what was made of it."""

    name: str
    named: str
    label: dict[str, Any]

    @property
    def right(self) -> bool:
        return self.named in (self.label["cause"], *self.label["also_acceptable"])

    def __str__(self) -> str:
        mark = "right" if self.right else "WRONG"
        return f"{mark}  {self.name}: {self.named}, wanted {self.label['cause']}"


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> list[Judged]:
    """Only the evidence is given, in a folder of no telling name."""
    found = []
    for case in folders(CASES):
        room = tmp_path_factory.mktemp("incident")
        shutil.copy(case / "evidence.log", room)
        label = tomllib.loads((case / "case.toml").read_text())
        try:
            named = pipeline.diagnose([str(room)], Config()).causes[0].id
        except NoEvidence:
            named = "no evidence"
        found.append(Judged(case.name, named, label))
    return found


@needs_cases
def test_no_excerpt_is_badly_judged(judged: list[Judged]) -> None:
    assert len(judged) == 46
    assert [str(one) for one in judged if one.named in one.label["must_not"]] == []
    assert [str(one) for one in judged if one.named in ("no evidence", "healthy")] == []


@needs_cases
def test_the_share_of_right_first_causes(
    judged: list[Judged], record_property: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    right = sum(one.right for one in judged)
    record_property("right_first_causes", right)
    with capsys.disabled():
        print(f"\nright first causes: {right} of {len(judged)}")  # noqa: T201
    assert right >= FLOOR, "\n".join(map(str, judged))
