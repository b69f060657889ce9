"""Every recorded case, judged as its label says."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tomllib
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from rich.cells import cell_len

from wsdiag.config import Config
from wsdiag.pipeline import diagnose
from wsdiag.report import Report
from wsdiag.reporters import REPORTERS, fit, json_v1, terminal
from wsdiag.reporters.places import PLACES

ROOT = Path(__file__).parents[1]
SNAPSHOTS = Path(__file__).with_name("snapshots")
DIGESTS = SNAPSHOTS / "digests.json"


@cache
def label(case: str) -> dict[str, Any]:
    return tomllib.loads((ROOT / "fixtures" / case / "case.toml").read_text(encoding="utf-8"))


CASES = sorted(
    path.parent.name
    for path in (ROOT / "fixtures").glob("*/case.toml")
    if all(map(shutil.which, label(path.parent.name).get("needs", [])))
)
SCHEMA = json.loads((ROOT / "docs" / "report.schema.json").read_text(encoding="utf-8"))

POSSIBLE = 0.4
"""A cause below this is not said, only offered."""

MEANING = {"breach": {"breach"}, "clean": {"pass", "not-applicable"}}


@cache
def report(case: str) -> Report:
    return diagnose([str(ROOT / "fixtures" / case / "evidence")], Config())


def test_there_are_cases() -> None:
    assert len(CASES) >= 40


@pytest.mark.parametrize("case", CASES)
def test_cause(case: str) -> None:
    """The labelled cause stands first, or an honest other answer; never a tempting wrong one."""
    first = report(case).causes[0].id
    assert first not in label(case)["must_not"]
    assert first in {label(case)["cause"], *label(case)["also_acceptable"]}


@pytest.mark.parametrize("case", [case for case in CASES if label(case).get("besides")])
def test_what_is_true_besides_is_named_too(case: str) -> None:
    named = {cause.id for cause in report(case).causes if cause.confidence >= POSSIBLE}
    assert set(label(case)["besides"]) <= named


@pytest.mark.parametrize("case", CASES)
def test_detectors(case: str) -> None:
    said = {verdict.detector: verdict.verdict.value for verdict in report(case).verdicts}
    wrong = {
        name: said.get(name)
        for name, expected in label(case)["detectors"].items()
        if said.get(name) not in MEANING[expected]
    }
    assert wrong == {}


@pytest.mark.parametrize("case", CASES)
def test_the_report_fits_a_terminal_and_every_place(case: str) -> None:
    """80 columns but for code; and wherever it is pasted, the cause and the fix are there."""
    answer = report(case).causes[0]
    ours = f"{answer.root_cause}\n{answer.fix}\n{answer.prevention}"
    wide = [line for line in terminal.render(report(case)).splitlines() if cell_len(line) > 80]
    assert [line for line in wide if line.strip() not in ours] == []
    for name, place in PLACES.items():
        text = fit(report(case), name)
        assert len(text) <= place.LIMIT
        assert place.text(answer.title) in text
        assert re.search(r"^[\W\dh]*fix\b", text, re.MULTILINE | re.IGNORECASE)


@pytest.mark.parametrize("case", CASES)
def test_every_view_is_what_it_was(case: str) -> None:
    """The two that people read are kept whole, of the others a digest; what changed in those can be
    seen in these. UPDATE_SNAPSHOTS=1 stores what is there now."""
    whole = {
        SNAPSHOTS / f"{case}.txt": terminal.render(report(case)),
        SNAPSHOTS / f"{case}.md": REPORTERS["markdown"].render(report(case)),
    }
    digests = {name: _digest(text) for name, text in _views(report(case))}
    if os.environ.get("UPDATE_SNAPSHOTS"):
        for path, text in whole.items():
            path.write_text(text, encoding="utf-8")
        stored = json.loads(DIGESTS.read_text("utf-8")) if DIGESTS.exists() else {}
        kept = dict(sorted((stored | {case: digests}).items()))
        DIGESTS.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    for path, text in whole.items():
        assert text == path.read_text("utf-8")
    assert digests == json.loads(DIGESTS.read_text("utf-8"))[case]


def _views(told: Report) -> Iterator[tuple[str, str]]:
    """All other outputs, by name, without what a library may draw or round otherwise."""
    here = json_v1.render(told).replace(str(ROOT), "")
    yield "json", json.dumps(_rounded(json.loads(here)))
    yield "html", re.sub(r"<svg.*?</svg>", "", REPORTERS["html"].render(told), flags=re.DOTALL)
    yield from ((name, REPORTERS[name].render(told)) for name in ("junit", "github"))
    yield from ((f"fit-{place}", fit(told, place)) for place in PLACES)


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_rounded(inner) for inner in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


@pytest.mark.parametrize("case", CASES)
def test_facts(case: str) -> None:
    measured = msgspec.to_builtins(report(case).facts)
    expected = label(case)["facts"]
    assert {name: measured[name] for name in expected} == expected


def test_a_har_does_not_state_its_handshakes() -> None:
    """The console of the same browser measured 23 ms at most."""
    assert (report("har-idle").facts.connect_ms.max or 0) < 100
    said = {verdict.detector: verdict.verdict.value for verdict in report("har-idle").verdicts}
    assert said["connect-latency"] in MEANING["clean"]


@pytest.mark.parametrize("case", CASES)
def test_findings_and_facts_count_alike(case: str) -> None:
    """Nothing is counted twice because two sources tell of it."""
    facts = report(case).facts
    counts: Counter[str] = Counter()
    for finding in report(case).findings:
        if "without an answer" not in finding.message:  # what nobody answered has no status
            counts[finding.detector] += finding.count
    for name in ("abnormal-close", "idle-cut", "mass-close", "missed-heartbeat", "message-too-big"):
        assert counts[name] <= facts.connections
    assert counts["abnormal-close"] <= sum(facts.close_codes.values())
    assert counts["handshake-rejected"] == sum(facts.rejections.values())
    assert counts["connection-refused"] == facts.refused


def test_a_fixed_delay_is_told() -> None:
    """Forty clients wait 0.5 s each time: the storm is not only counted, its law is known."""
    said = {item.item: item.verdict for item in report("restart-storm").checklist}
    assert said["reconnection with exponential backoff and jitter"] == "FAIL"


def test_one_handshake_is_one_finding_however_many_lines_tell_it() -> None:
    (finding,) = (f for f in report("token-reused-403").findings if f.detector == "token-expiry")
    assert finding.count == report("token-reused-403").facts.rejections["403"]


@pytest.mark.parametrize("case", CASES)
def test_proofs(case: str) -> None:
    """Every finding cites at least one place, and what stands there."""
    unproven = [
        finding.detector
        for finding in report(case).findings
        if not any(proof.excerpt for proof in finding.evidence)
    ]
    assert unproven == []


@pytest.mark.parametrize("case", CASES)
def test_findings_of_a_cause_exist(case: str) -> None:
    known = {finding.id for finding in report(case).findings}
    assert len(known) == len(report(case).findings)
    for cause in report(case).causes:
        assert set(cause.findings) <= known


@pytest.mark.parametrize("case", CASES)
def test_schema(case: str) -> None:
    jsonschema.validate(json.loads(json_v1.render(report(case))), SCHEMA)


@pytest.mark.parametrize("case", CASES)
def test_every_input_is_read(case: str) -> None:
    """What a recorder kept is read: no file of a case gives nothing, and none is unreadable."""
    silent = [item.path for item in report(case).inputs if item.format == "unreadable"]
    assert silent == []
