"""JUnit XML: what a CI counts as failed, skipped and broken."""

from __future__ import annotations

from xml.etree import ElementTree

import msgspec
import pytest
import sample

from wsdiag.report import Report
from wsdiag.reporters import junit


def suite(report: Report) -> ElementTree.Element:
    (found,) = ElementTree.fromstring(junit.render(report).encode())
    return found


@pytest.mark.parametrize("name", ["incident", "healthy", "hostile"])
def test_snapshot(snapshot, name: str) -> None:
    snapshot(f"{name}.xml", junit.render(getattr(sample, name)()))


def test_every_detector_is_a_case_and_the_counts_agree() -> None:
    told = suite(sample.incident())
    assert [case.get("name") for case in told.iter("testcase")] == [
        verdict.detector for verdict in sample.incident().verdicts
    ]
    for kind, attribute in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        assert len(list(told.iter(kind))) == int(told.get(attribute, "-1"))
    assert [told.get(name) for name in ("tests", "failures", "errors", "skipped")] == [
        *("8", "2", "1", "3")
    ]


def test_a_breach_that_does_not_fail_the_run_passes() -> None:
    lenient = msgspec.structs.replace(sample.incident(), failing=sample.incident().failing[:1])
    (failure,) = suite(lenient).iter("failure")
    assert failure.get("message") == "312 connections cut idle"
    assert "nginx/access.log:118" in (failure.text or "")


def test_a_healthy_run_fails_nothing() -> None:
    assert not list(suite(sample.healthy()).iter("failure"))


def test_evidence_stays_text() -> None:
    told = suite(sample.hostile())
    assert {element.tag for element in told.iter()} == {
        *("testsuite", "properties", "property", "testcase", "failure", "error", "skipped")
    }
