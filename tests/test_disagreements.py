"""Contradictions between sources: each with both pointers, and none where all is well."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from story import CLIENT, SERVER, WIRE, frame, life, pings, row, story

from wsdiag import disagreements
from wsdiag.clocks import Clock, align, contradictions

TIED = {name: Clock(offset_ms=0.0, error_ms=1.0) for name in (WIRE, SERVER, CLIENT)}
Rows = list[dict[str, Any]]


def found(rows: Rows) -> pl.DataFrame:
    moved, found = align(frame(rows), {})
    clocks = TIED | {name: clock for name, clock in found.items() if clock.anchors}
    broken = contradictions(moved, clocks)
    return disagreements.find(story(rows), clocks, broken)


def said(rows: Rows) -> list[str]:
    return found(rows)["kind"].to_list()


def seen(conn: str, opened: float, ended: float, **known: Any) -> Rows:
    """A connection that wire, server and client agree on."""
    key = {"key": f"key-{conn}"}
    return [
        *life(f"w-{conn}", opened, ended, **key, **known),
        *life(f"s-{conn}", opened, ended, source=SERVER, **key, **known),
        *life(f"c-{conn}", opened, ended, source=CLIENT, **key, **known),
    ]


def test_all_agree() -> None:
    rows = [
        *seen("a", 0, 30, code=1000),
        *seen("b", 5, 40, code=1011),
        *seen("c", 9, 50, code=4401),
    ]
    assert said(rows) == []


def test_a_clean_reset_is_agreed_on_too() -> None:
    assert said(seen("a", 0, 30, how="rst")) == []


@pytest.mark.parametrize("heard", [1006, 1005])
def test_a_code_that_did_not_arrive(heard: int) -> None:
    key = {"key": "k"}
    rows = [
        *life("w", 0, 30, code=1011, **key),
        *life("s", 0, 30, source=SERVER, code=1011, **key),
        *life("c", 0, source=CLIENT, **key),
        row("close", 31, "c", CLIENT, code=heard),
    ]
    (told,) = found(rows).iter_rows(named=True)
    assert told["kind"] == "code-lost"
    assert told["said"] == f"the server sent 1011, the client's API says {heard}"
    assert (told["one"]["source"], told["other"]["source"]) == (SERVER, CLIENT)


def test_who_leaves_first_need_not_wait_for_an_answer() -> None:
    key = {"key": "k"}
    rows = [
        *life("w", 0, 30, code=1001, by="c2s", **key),
        *life("c", 0, source=CLIENT, **key),
        row("close", 31, "c", CLIENT, code=1006),
    ]
    assert said(rows) == []


@pytest.mark.parametrize(("how", "words"), [("rst", "a reset"), ("fin", "a FIN")])
@pytest.mark.parametrize("code", [1005, 1000])
def test_a_log_that_embellishes_an_end(how: str, words: str, code: int) -> None:
    key = {"key": "k"}
    rows = [
        *life("w", 0, 30, how=how, **key),
        *life("s", 0, 30.01, source=SERVER, code=code, **key),
    ]
    (told,) = found(rows).iter_rows(named=True)
    assert told["kind"] == "end-embellished"
    assert told["said"] == f"{SERVER} says {code}, the wire shows {words} and no Close frame"


def test_of_tls_no_frame_is_seen_and_nothing_is_concluded() -> None:
    peer = {"peer": "192.0.2.1:40000"}
    rows = [
        row("attempt", 0, "w", WIRE, **peer),
        row("end", 30, "w", WIRE, reason="fin", dir="s2c"),
        *life("s", 0.01, 30.01, source=SERVER, code=1000, **peer),
    ]
    assert said(rows) == []


def test_a_ping_that_the_log_does_not_tell_though_it_tells_others() -> None:
    wire = [*life("w", 0, 60, code=1000, key="k"), *pings("w", [10, 20, 30, 40])]
    for n, one in enumerate(r for r in wire if r["kind"] == "ping"):
        one["trace"] = f"p{n}"
    log = [*life("s", 0, 60, source=SERVER, code=1000, key="k")]
    every = [row("ping", 10 * n + 10, "s", SERVER, dir="s2c", trace=f"p{n}") for n in range(4)]
    assert said([*wire, *log]) == []  # its level shows no pings
    assert said([*wire, *log, *every]) == []
    assert said([*wire, *log, *every[:1], *every[2:]]) == ["ping-unlogged"]
    assert said([*wire, *log, *every[:2]]) == []  # its pings may have been turned off


def test_a_connection_that_is_counted_when_it_is_gone() -> None:
    rows = [*seen("a", 0, 30, code=1000), *seen("b", 5, 40, code=1000)]
    gone = [
        *life("w-z", 6, 20, how="rst", key="z"),
        *life("s-z", 6, None, source=SERVER, key="z"),
        *life("c-z", 6, 20, source=CLIENT, key="z"),
    ]
    later = [row("server_stop", 70, None, SERVER)]
    assert said([*rows, *gone]) == []  # the log may not have got there
    (told,) = found([*rows, *gone, *later]).iter_rows(named=True)
    assert told["kind"] == "left-counted"
    assert (told["one"]["source"], told["other"]["source"]) == (CLIENT, SERVER)
    assert said([*gone, *later]) == []  # a log that never tells ends
    someone = row("end", 35, "bare 9", SERVER)
    assert said([*rows, *gone, someone, *later]) == []  # that may be its end


def test_a_clock_that_was_set() -> None:
    rows = [r for n in range(9) for r in seen(str(n), 10 * n, 10 * n + 5, code=1000)]
    for one in rows:
        if one["source"] == CLIENT and one["conn"] in ("c-6", "c-7", "c-8"):
            one["ts"] -= timedelta(seconds=20)
    told = found(rows).filter(pl.col("kind") == "clock-broken")
    assert told["one"].struct.field("source").to_list() == [CLIENT]


def test_every_kind_is_told() -> None:
    kinds = ["code-lost", "end-embellished", "ping-unlogged", "left-counted", "clock-broken"]
    assert list(disagreements.KINDS) == kinds
