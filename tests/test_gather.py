"""From paths to one frame: the window asked for, and what the parts of a source have in common."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from msgspec import structs
from story import at

from wsdiag import sources
from wsdiag.config import Config
from wsdiag.evidence import InputFile, Reading
from wsdiag.gather import NoEvidence
from wsdiag.pipeline import diagnose, read_events

EVIDENCE = Path(__file__).parents[1] / "fixtures" / "token-expiry" / "evidence"

LOG = "\n".join(
    f"2026-11-22T12:0{minute}:00Z INFO conn=ab{minute}{minute} connection open"
    for minute in range(6)
)


@pytest.fixture
def log(tmp_path: Path) -> str:
    (tmp_path / "server.log").write_text(LOG)
    return str(tmp_path)


def minutes(events: pl.DataFrame) -> list[int]:
    return events["ts"].dt.minute().to_list()


def test_a_window_before_the_last_event(log: str) -> None:
    assert minutes(read_events([log], Config(since=-120.0))) == [3, 4, 5]
    assert minutes(read_events([log], Config(since=-180.0, until=-60.0))) == [2, 3, 4]


def test_the_report_tells_the_window_as_times(log: str) -> None:
    asked = diagnose([log], Config(since=-120.0)).window.asked
    assert (asked.since, asked.until) == (at(0) + timedelta(minutes=3), None)


def test_the_order_of_the_inputs_does_not_matter() -> None:
    paths = sorted(str(path) for path in EVIDENCE.iterdir())
    one, other = diagnose(paths), diagnose(paths[::-1])
    assert read_events(paths).equals(read_events(paths[::-1]))
    assert (one.findings, one.causes, one.facts) == (other.findings, other.causes, other.facts)


def test_events_may_wait_on_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A source may hand over a plan for its events instead of the events."""
    read, whole = sources.read, read_events([str(EVIDENCE)])

    def later(item: InputFile, config: Config) -> Reading:
        reading = read(item, config)
        return structs.replace(reading, events=reading.events.lazy())

    monkeypatch.setattr(sources, "read", later)
    assert read_events([str(EVIDENCE)]).equals(whole)


def test_an_integer_is_seconds_too(log: str) -> None:
    config = Config(since=-60)
    assert minutes(read_events([log], config)) == [4, 5]


def test_the_reference_may_be_named_by_the_end_of_its_path() -> None:
    report = diagnose([str(EVIDENCE)], Config(reference="server.log"))
    (reference,) = (it for it in report.inputs if it.clock_against == it.source)
    assert reference.source.endswith("server.log")
    assert reference.clock_offset_ms == 0.0


def test_a_reference_that_is_not_there_is_told() -> None:
    with pytest.raises(NoEvidence, match=r"--reference other\.log: no input has this name"):
        diagnose([str(EVIDENCE)], Config(reference="other.log"))
