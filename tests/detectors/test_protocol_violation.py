"""protocol-violation: broken frames, as the wire, a library or a close code tells."""

from __future__ import annotations

import pytest
from story import CLIENT, SERVER, judge, life, row

NAME = "protocol-violation"


@pytest.mark.parametrize("code", [1002, 1003, 1007, 1010])
def test_a_code_that_blames_the_peer(code: int) -> None:
    said = judge(NAME, life("a", 0, 9, code=code, by="s2c"))
    assert said.count == 1
    assert {f"code-{code}", "complaint-of-server"} <= said.traits


@pytest.mark.parametrize("code", [1000, 1001, 1006, 1009, 1011, 1012, 4401])
def test_another_code_is_another_fault(code: int) -> None:
    assert judge(NAME, life("a", 0, 9, code=code)).verdict == "pass"


@pytest.mark.parametrize(
    ("reason", "mark"),
    [
        ("Invalid WebSocket frame: RSV1 must be clear", "framing"),
        ("reserved bits set without a negotiated extension", "compression"),
        ("frame from the client is not masked", "framing"),
        ("text message is not UTF-8", "utf8"),
        ("Could not decode a text frame as UTF-8", "utf8"),
        ("close code 1005 must not be sent", "close-code"),
        ("bad request", "unknown-command"),
    ],
)
def test_the_rule_in_words(reason: str, mark: str) -> None:
    rows = [*life("ab12", 0, 30, source=SERVER), row("error", 29, "ab12", SERVER, reason=reason)]
    said = judge(NAME, rows)
    assert said.count == 1
    assert mark in said.traits


def test_the_line_and_the_code_are_one() -> None:
    rows = [
        *life("ab12", 0, 30, source=SERVER, code=1002),
        row("error", 29, "ab12", SERVER, reason="RSV1 must be clear"),
    ]
    said = judge(NAME, rows)
    assert said.count == 1
    assert {"framing", "compression", "code-1002"} <= said.traits


@pytest.mark.parametrize(
    "reason", ["bye", "internal error", "bad request from upstream", "timeout"]
)
def test_other_words(reason: str) -> None:
    rows = [
        *life("ab12", 0, 30, source=SERVER, code=1000),
        row("error", 29, "ab12", SERVER, reason=reason),
    ]
    assert judge(NAME, rows).findings == []


@pytest.mark.parametrize(("apart", "at_once"), [(0.01, True), (5.0, False)])
def test_frames_that_broke_several_at_one_moment(apart: float, at_once: bool) -> None:
    rows = [
        r
        for n in range(4)
        for r in (
            *life(f"ab1{n}", n, 30 + apart * n, source=SERVER),
            row("error", 30 + apart * n, f"ab1{n}", SERVER, reason="MASK must be set"),
        )
    ]
    assert ("at-once" in judge(NAME, rows).traits) is at_once


def test_each_kind_of_violation_is_a_finding_of_its_own() -> None:
    rows = [
        r
        for n, reason in enumerate(["bad MASK", "incorrect masking", "invalid close code 1005"])
        for r in life(f"c{n}", n, 60 + 9 * n, code=1002, reason=reason, source=SERVER)
    ]
    found = {frozenset(f["traits"]): f["count"] for f in judge(NAME, rows).findings}
    assert {count: "framing" in traits for traits, count in found.items()} == {2: True, 1: False}
    assert any("close-code" in traits and count == 1 for traits, count in found.items())


def test_each_broken_rule_of_frames_is_named() -> None:
    rules = ["frame from the server is masked", "reserved bits set that no extension uses"]
    rows = [
        r
        for n, rule in enumerate(rules)
        for r in (
            *life(f"c{n}", n, 30 + 9 * n, code=1002, by="c2s"),
            row("error", 29.9 + 9 * n, f"c{n}", dir="s2c", reason=rule),
        )
    ]
    found = judge(NAME, rows).findings
    assert [any(rule in f["message"] for f in found) for rule in rules] == [True, True]
    assert [f["count"] for f in found] == [1, 1]


@pytest.mark.parametrize(
    ("source", "reason", "mark"),
    [
        (
            CLIENT,
            "Received a broken close frame containing a reserved status code.",
            "came-to-clients",
        ),
        (SERVER, "Invalid WebSocket frame: invalid status code 1006", "came-to-servers"),
        (SERVER, "close code 1005 must not be sent", None),  # its own program tried to
    ],
)
def test_who_sent_the_frame(source: str, reason: str, mark: str | None) -> None:
    rows = [*life("ab12", 0, 30, source=source), row("error", 29, "ab12", source, reason=reason)]
    came = {trait for trait in judge(NAME, rows).traits if trait.startswith("came-to-")}
    assert came == ({mark} if mark else set())
