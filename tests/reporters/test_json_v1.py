"""JSON: the wire names, their order, times and numbers."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import jsonschema
import msgspec
import pytest
import sample

from wsdiag.report import Report, Span, Window
from wsdiag.reporters import json_v1


def test_incident(snapshot) -> None:
    snapshot("incident.json", json_v1.render(sample.incident()))


@pytest.mark.parametrize("make", [sample.incident, sample.healthy, sample.hostile])
def test_validates_against_the_schema_and_reads_back(make) -> None:
    report = make()
    text = json_v1.render(report)
    schema = json_v1.schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(text), schema)
    assert msgspec.json.decode(text, type=Report) == report


def test_wire_names_in_order() -> None:
    wire = json.loads(json_v1.render(sample.incident()))
    assert list(wire) == [
        "schema",
        "tool",
        "window",
        "inputs",
        "facts",
        "verdicts",
        "findings",
        "causes",
        "checklist",
        "redactions",
        "redacted",
        "failing",
        "targets",
        "issue",
        "series",
        "connections",
        "lanes",
        "clocks",
        "disagreements",
        "life",
    ]
    assert wire["schema"] == "wsdiag.report/1"
    assert " ".join(wire["findings"][0]) == (
        "id detector severity confidence subject started ended count measured target unit message"
        " evidence"
    )
    assert " ".join(wire["causes"][0]) == (
        "id title confidence word share findings against symptoms investigation root_cause fix"
        " prevention supported why advice"
    )


@pytest.mark.parametrize(
    "zone", [ZoneInfo("UTC"), timezone(timedelta(hours=2)), ZoneInfo("Asia/Kolkata"), None]
)
def test_times_are_utc_with_z(zone) -> None:
    moment = datetime(2026, 3, 4, 10, 0, 0, 5, tzinfo=zone)
    window = Window(asked=Span(since=moment), covered=Span())
    report = msgspec.structs.replace(sample.incident(), window=window)
    since = json.loads(json_v1.render(report))["window"]["asked"]["since"]
    assert since.endswith(".000005Z")
    assert datetime.fromisoformat(since) == (
        moment if zone else sample.START.replace(microsecond=5)
    )


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_is_not_finite_is_null(number: float) -> None:
    sick = sample.incident()
    finding = msgspec.structs.replace(sick.findings[0], measured=number)
    text = json_v1.render(msgspec.structs.replace(sick, findings=[finding]))
    assert json.loads(text)["findings"][0]["measured"] is None


def test_a_file_name_that_is_not_utf8() -> None:
    sick = sample.incident()
    odd = msgspec.structs.replace(sick.inputs[0], path="caf\udce9.log")
    text = json_v1.render(msgspec.structs.replace(sick, inputs=[odd]))
    assert json.loads(text)["inputs"][0]["path"] == "caf?.log"
