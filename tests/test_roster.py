"""The connection table and one connection's life: what other programs read, and what people see."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from story import CLIENT, SERVER, WIRE, chat, life, row, story

from wsdiag.cli import main
from wsdiag.clocks import Clock
from wsdiag.life import moments, worst
from wsdiag.reporters import roll
from wsdiag.roster import roster

EVIDENCE = str(Path(__file__).parents[1] / "fixtures" / "proxy-idle-cut" / "evidence")
WIRE_NAMES = {
    *("session", "user", "key", "client_port", "path", "opened", "handshake_ms", "messages"),
    *("pings", "last_byte", "closed_by", "close_code", "reason", "reported", "end", "duration_s"),
    *("reconnected_after_s", "sources"),
}


def run(*args: str) -> Result:
    return CliRunner().invoke(main, list(args), prog_name="wsdiag")


@pytest.fixture(scope="module")
def told() -> list[dict]:
    return json.loads(run("connections", EVIDENCE, "--format", "json").stdout)


def test_each_connection_once_with_all_who_saw_it(told: list[dict]) -> None:
    assert len(told) == 11
    assert len({one["key"] for one in told}) == 11
    assert told[0].keys() >= WIRE_NAMES
    assert all(one["sources"] for one in told)
    assert {tuple(one["vantages"]) for one in told} == {("client", "network", "proxy", "server")}


def test_who_closed_and_how(told: list[dict]) -> None:
    cut = [one for one in told if one["closed_by"] == "proxy"]
    assert len(cut) == 5
    for one in cut:
        assert (one["close_code"], one["end"]) == (None, "fin")
        assert one["reported"]["client.log"] == 1006  # an API's word, not a frame
        assert 59 < one["idle_s"] < 61
        assert 0 < one["reconnected_after_s"] < 1
    assert all(one["close_code"] == 1000 for one in told if one["closed_by"] == "client")


def test_a_refused_handshake_is_an_attempt_with_its_status() -> None:
    path = EVIDENCE.replace("proxy-idle-cut", "token-reused")
    told = json.loads(run("connections", path, "--format", "json").stdout)
    turned_down = [one for one in told if one["status"] == 401]
    assert turned_down
    assert all(one["opened"] is None for one in turned_down)
    assert "HTTP 401" in run("connections", path).stdout


def test_a_pointer_a_key_and_the_beginning_of_an_id_name_a_connection(told: list[dict]) -> None:
    one = next(one for one in told if one["closed_by"] == "proxy")
    by_id = run("timeline", one["session"][:9], EVIDENCE)
    assert by_id.exit_code == 0
    assert run("timeline", one["key"], EVIDENCE).stdout == by_id.stdout
    pointer = next(
        word for line in by_id.stdout.splitlines() for word in line.split() if "wire.pcap#" in word
    )
    assert run("timeline", pointer, EVIDENCE).stdout == by_id.stdout


def test_a_life_is_in_order_and_from_all_sides(told: list[dict]) -> None:
    one = next(one for one in told if one["closed_by"] == "proxy")
    lived = json.loads(run("timeline", one["session"], EVIDENCE, "--format", "json").stdout)
    times = [moment["ts"] for moment in lived if moment["ts"]]
    assert times == sorted(times)
    assert {moment["vantage"] for moment in lived} == set(one["vantages"])
    assert max(moment["delta_s"] for moment in lived) > 59  # the silence


@pytest.mark.parametrize("name", ["s-", "nobody", "wire.pcap#999999", "x\x1b[31m"])
def test_a_name_of_none_or_several_is_told(name: str) -> None:
    result = run("timeline", name, EVIDENCE)
    assert result.exit_code == 3
    assert "\x1b" not in result.output
    assert "Traceback" not in result.output


def test_lines_without_a_time_stay_where_they_stand() -> None:
    first, *rest = life("a", 0, 10, code=1000, by="c2s")
    later = [entry | {"pos": number} for number, entry in enumerate(rest, 3)]
    told = story([first | {"pos": 1}, row("error", None, "a", reason="boom", pos=2), *later])
    (one,) = roster(told)
    kinds = [moment.kind for moment in moments(one.session, told.events, {})]
    assert kinds == ["attempt", "error", "open", "close", "close", "end"]


def test_an_attempt_that_only_met_an_error_does_not_live() -> None:
    told = roster(story([row("attempt", 0, "a"), row("error", 1, "a", reason="bad accept")]))
    assert "lives" not in roll.connections(told)
    assert "0 connections, 1 failed attempt" in roll.connections(told)


def test_what_is_nearer_than_the_clocks_are_sure_of_has_no_order() -> None:
    rows = [
        *life("w", 0, 60, code=1000, key="k"),
        *life("s", 0.03, 60.2, source=SERVER, code=1000, key="k"),
    ]
    told = story(rows)
    events = told.events
    (session,) = events.collect()["session"].unique().to_list()
    clocks = {WIRE: Clock(offset_ms=0, error_ms=1), SERVER: Clock(offset_ms=0, error_ms=26)}
    by_kind = {(it.vantage, it.kind): it.unsure for it in moments(session, events, {}, clocks)}
    assert by_kind["server", "open"]  # 30 ms after the wire's
    assert not by_kind["server", "close"]  # 200 ms
    untied = {WIRE: clocks[WIRE], SERVER: Clock()}
    assert all(it.unsure for it in moments(session, events, {}, untied) if it.vantage == "server")


def test_the_life_of_the_one_that_most_sides_saw() -> None:
    rows = [
        *life("w1", 0, 60, how="rst", key="k1"),
        *life("w2", 1, 61, how="rst", key="k2"),
        *life("c2", 1, 61, source=CLIENT, key="k2"),
        *chat("w2", [5, 20, 50]),
    ]
    told = story(rows)
    events = told.events
    found = worst(roster(told), events, {}, {})
    assert found
    assert found.vantages == ["client", "network"]
    kinds = [(it.vantage, it.kind) for it in found.moments]
    assert ("network", "open") in kinds
    assert ("client", "close") in kinds
    # Of what was said, the last each way before the end.
    assert sum(kind == "message" for _, kind in kinds) == 2
    assert worst(roster(story(rows[:3])), events, {}, {}) is None
