"""message-too-big: 1009, or the library's own sentence."""

from __future__ import annotations

import pytest
from story import CLIENT, PROXY, SERVER, judge, life, proxied, row

NAME = "message-too-big"


@pytest.mark.parametrize(("by", "whose"), [("s2c", "server"), ("c2s", "client")])
def test_whoever_sends_1009_owns_the_limit(by: str, whose: str) -> None:
    said = judge(NAME, life("a", 0, 30, code=1009, by=by))
    assert said.count == 1
    assert said.traits == {f"limit-of-{whose}"}
    assert f"the limit is the {whose}'s" in said.why


def test_again_and_again() -> None:
    rows = [r for n in range(3) for r in life(f"c{n}", 10 * n, 10 * n + 5, code=1009)]
    (finding,) = judge(NAME, rows).findings
    assert finding["count"] == 3
    assert finding["severity"] == "error"


def test_the_size_that_was_sent() -> None:
    rows = [*life("a", 0, 30, code=1009), row("message", 29.9, "a", dir="c2s", bytes=24_000)]
    (finding,) = judge(NAME, rows).findings
    assert (finding["measured"], finding["unit"]) == (24_000, "bytes")


@pytest.mark.parametrize(
    "reason",
    [
        "Max payload size exceeded",
        "frame with 24000 bytes exceeds limit of 16384 bytes",
        "websocket: read limit exceeded",
        "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH",
    ],
)
def test_a_library_says_so_without_a_code(reason: str) -> None:
    rows = [*life("ab12", 0, 30, source=SERVER), row("error", 29.9, "ab12", SERVER, reason=reason)]
    said = judge(NAME, rows)
    assert said.count == 1
    assert said.traits <= {"limit-of-unknown", "limit-of-server"}


@pytest.mark.parametrize(
    "reason",
    [
        "No async message support and buffer too small",
        "Text message size [70123] exceeds maximum",
        "maximum message size of 32768B was exceeded",
    ],
)
def test_a_line_alone_says_so(reason: str) -> None:
    alone = row("error", 29.9, None, SERVER, reason=reason)
    assert judge(NAME, [alone]).count == 1
    assert judge(NAME, [*life("a", 0, 30, code=1009), alone]).count == 1


def test_a_line_that_names_the_connection_is_its_own_proof() -> None:
    line = row("error", 30, "a", SERVER, reason="read limit exceeded")
    (finding,) = judge(NAME, [line]).findings
    assert [spot["ts"] for spot in finding["evidence"]] == [line["ts"]]
    assert finding["started"] == line["ts"]


@pytest.mark.parametrize("code", [1000, 1002, 1003, 1007, 1008, 1010, 1011])
def test_another_code_is_another_fault(code: int) -> None:
    said = judge(NAME, life("a", 0, 30, code=code))
    assert (said.verdict, said.why) == ("pass", "1 ends seen, none with 1009")


def test_a_big_message_that_nobody_minded() -> None:
    rows = [*life("a", 0, 30, code=1000), row("message", 9, "a", dir="c2s", bytes=50_000_000)]
    assert judge(NAME, rows).verdict == "pass"


def test_told_by_everybody_it_is_one() -> None:
    rows = [
        *proxied("a", 0, 30, by="s2c", code=1009, key="k"),
        *life("ab12", 0, 30, source=SERVER, code=1009, key="k"),
        *life("c00", 0, 30, source=CLIENT, code=1009, key="k"),
    ]
    assert judge(NAME, rows).count == 1


def test_an_access_log_has_no_codes() -> None:
    assert judge(NAME, life("*1", 0, 30, source=PROXY)).verdict == "not-applicable"
