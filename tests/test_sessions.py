"""One identity for a connection that several sources saw."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import timedelta
from random import Random
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from story import CLIENT, PROXY, SERVER, WIRE, at, chat, frame, life, pings, proxied, row, story

from wsdiag import sessions
from wsdiag.event import EVENTS
from wsdiag.sessions import identify, routine

OTHER = "other.log"


def families(rows: Iterable[dict[str, Any]]) -> list[list[str]]:
    """The connections that became one session, each as `source conn`."""
    seen: dict[str, set[str]] = defaultdict(set)
    for one in identify(frame(rows)).iter_rows(named=True):
        if one["session"] is not None:
            seen[one["session"]].add(f"{one['source']} {one['conn']}")
    return sorted(sorted(names) for names in seen.values())


def number(rows: Iterable[dict[str, Any]]) -> int:
    return identify(frame(rows))["session"].drop_nulls().n_unique()


# -- what ties two sources together ----------------------------------------


def test_a_key_joins_all_sources_and_both_legs() -> None:
    rows = [
        *proxied("a", 0, 60, key="k"),
        *life("*1", 0, 60, source=PROXY, key="k"),
        *life("ab12", 0, 60, source=SERVER, key="k"),
        *life("entry 1", 0, 60, source="network.har", vantage="client", key="k"),
    ]
    assert number(rows) == 1


def test_a_key_joins_whatever_the_clocks_say() -> None:
    rows = [*life("a", 0, 9, key="k"), *life("ab12", 9000, 9009, source=SERVER, key="k")]
    assert number(rows) == 1


def test_a_client_that_sends_one_key_with_every_handshake() -> None:
    """Far apart, and 200 ms apart; a server's log pairs with what began nearest to it."""
    begins = (0, 0.2, 8, 40)
    rows = []
    for n, begin in enumerate(begins):
        rows += life(f"198.51.100.{n}:4000-192.0.2.1:80", begin, 60 + begin, key="k")
        rows += life(f"ab{n}0", begin + 0.001, 60 + begin, source=SERVER, key="k")
    assert families(rows) == sorted(
        [f"{SERVER} ab{n}0", f"{WIRE} 198.51.100.{n}:4000-192.0.2.1:80"] for n in range(len(begins))
    )


def test_one_key_for_all_through_a_proxy() -> None:
    """The legs of each connection began together, and there is only one such pair."""
    rows = []
    for n in range(4):
        rows += life(f"198.51.100.9:400{n}-192.0.2.1:80", 5 * n, 60 + n, key="k")
        rows += life(f"192.0.2.1:500{n}-192.0.2.7:8000", 5 * n - 0.001, 60 + n, key="k")
    assert number(rows) == 4


def test_before_and_after_a_translation_of_addresses_it_is_one_connection() -> None:
    inside, outside = "10.0.0.5:4000-192.0.2.1:80", "198.51.100.9:61000-192.0.2.1:80"
    rows = [*life(inside, 0, 60, key="k"), *life(outside, 0.0001, 60.0001, key="k")]
    assert number(rows) == 1


def test_two_keys_are_two_connections_whatever_else_agrees() -> None:
    rows = [
        *life("a", 0, 9, key="k1", user="user-1", peer="192.0.2.1:4000"),
        *life("ab12", 0, 9, source=SERVER, key="k2", user="user-1", peer="192.0.2.1:4000"),
    ]
    assert number(rows) == 2


@pytest.mark.parametrize(
    ("column", "value"),
    [("peer", "192.0.2.1:4000{}"), ("trace", "req-{}"), ("user", "user-{}"), ("token", "token-{}")],
)
def test_what_both_sources_know(column: str, value: str) -> None:
    """Times alone could not tell: all begin and end together."""
    rows = []
    for n in range(5):
        known = {column: value.format(n)}
        rows += life(f"*{n}", 0.01 * n, 60 + 0.01 * n, source=PROXY, **known)
        rows += life(f"ab{n}0", 0.01 * (5 - n), 60 + 0.01 * (5 - n), source=SERVER, **known)
    assert families(rows) == sorted([f"{PROXY} *{n}", f"{SERVER} ab{n}0"] for n in range(5))


def test_a_connection_id_that_two_logs_share() -> None:
    rows = [
        *life("conn-7f3a", 0, 60, source=SERVER),
        *life("conn-7f3a", 10, 50, source=CLIENT),
    ]
    assert number(rows) == 1


@pytest.mark.parametrize("name", ["*37", "12"])
def test_a_short_number_in_two_logs_says_nothing(name: str) -> None:
    rows = [*life(name, 0, 60, source=SERVER), *life(name, 10, 50, source=CLIENT)]
    assert number(rows) == 2


def test_a_port_used_again_is_another_connection() -> None:
    """The same address, an hour later."""
    peer = "192.0.2.1:40001"
    rows = [
        *life("one", 0, 60, peer=peer),
        *life("two", 3600, 3660, peer=peer),
        *life("ab12", 0, 60, source=SERVER, peer=peer),
        *life("cd34", 3600, 3660, source=SERVER, peer=peer),
    ]
    assert families(rows) == [
        [f"{SERVER} ab12", f"{WIRE} one"],
        [f"{SERVER} cd34", f"{WIRE} two"],
    ]


@pytest.mark.parametrize(
    ("ends", "expected"), [((30, 53, 77), 3), ((30, 32, 34, 36), 1), ((30, 60), 1)]
)
def test_a_name_of_which_only_ends_are_told(ends: tuple[int, ...], expected: int) -> None:
    """A client's name that ends again and again, each time with what its server gave it up for."""
    rows = [
        one
        for t in ends
        for one in (
            row("timeout", t - 0.01, "crane-4", SERVER, reason="presumed idle"),
            row("close", t, "crane-4", SERVER, code=1000),
        )
    ]
    assert number(rows) == expected
    lives = identify(frame(rows)).group_by("session").agg(pl.col("kind").n_unique())
    assert set(lives["kind"]) == {2}


def test_one_user_with_two_tabs_is_not_guessed() -> None:
    """Two connections of one user, opened together, at both sides: nobody can tell them apart."""
    rows = []
    for n in range(2):
        rows += life(f"w{n}", 0.01 * n, 60, user="user-1")
        rows += life(f"ab{n}0", 0.01 * n, 60, source=SERVER, user="user-1")
    sessions = families(rows)
    assert not any(
        len([name for name in names if name.startswith(source)]) > 1
        for names in sessions
        for source in (WIRE, SERVER)
    )


def test_time_alone_joins_what_is_clear() -> None:
    rows = []
    for n in range(4):
        rows += life(f"w{n}", 10 * n, 60 + 7 * n)
        rows += life(f"c0{n}", 10 * n + 0.004, 60 + 7 * n + 0.003, source=CLIENT)
    assert families(rows) == [sorted([f"{CLIENT} c0{n}", f"{WIRE} w{n}"]) for n in range(4)]


def test_two_captures_are_not_joined_by_time_alone() -> None:
    """Refused attempts have no key, but ends: two attempts are two, seen from wherever."""
    rows = [
        told
        for port, begin in ((4000, 0.0), (4001, 0.05))
        for source, late in ((WIRE, 0.0), ("server.pcap", 0.01))
        for told in (
            row(
                "attempt", begin + late, f"192.0.2.9:{port}-192.0.2.1:80", source, vantage="network"
            ),
            row(
                "refused",
                begin + 2 * late + 0.001,
                f"192.0.2.9:{port}-192.0.2.1:80",
                source,
                vantage="network",
            ),
        )
    ]
    assert number(rows) == 2


def test_time_alone_does_not_join_what_is_not() -> None:
    rows = []
    for n in range(6):
        rows += life(f"w{n}", 0.02 * n, 60 + 0.02 * n)
        rows += life(f"c0{n}", 0.02 * n + 0.011, 60 + 0.02 * n + 0.011, source=CLIENT)
    for names in families(rows):
        told = [name.split()[1].removeprefix("c0").removeprefix("w") for name in names]
        assert len(set(told)) == 1, names


def test_an_open_and_a_rejection_are_not_one() -> None:
    rows = [
        *life("w", 0, 60),
        row("attempt", -0.005, "c00", CLIENT),
        row("rejected", 0.0, "c00", CLIENT, code=403),
    ]
    assert number(rows) == 2


def test_close_codes_that_contradict_are_not_one() -> None:
    rows = [*life("w", 0, 60, code=1000), *life("ab12", 0, 60, source=SERVER, code=4401)]
    assert number(rows) == 2


@pytest.mark.parametrize("code", [1005, 1006])
def test_a_local_code_contradicts_nothing(code: int) -> None:
    rows = [*life("w", 0, 60, code=1000), *life("c00", 0, 60, source=CLIENT, code=code)]
    assert number(rows) == 1


# -- names used again ----------------------------------------


def test_a_clients_name_used_again_is_a_new_connection() -> None:
    rows = [r for n in range(3) for r in life("c00", 100 * n, 100 * n + 60, source=CLIENT)]
    assert number(rows) == 3


def test_tries_that_fail_are_each_their_own() -> None:
    rows = []
    for n in range(4):
        rows += [row("attempt", n, "c00", CLIENT), row("refused", n + 0.002, "c00", CLIENT)]
    assert number([*rows, *life("c00", 10, 60, source=CLIENT)]) == 5


def test_a_syn_sent_again_at_once_is_no_new_connection() -> None:
    rows = [row("attempt", -0.03, "a"), *life("a", 0, 60)]
    assert number(rows) == 1


def test_messages_belong_to_the_life_they_fall_into() -> None:
    rows = [
        *life("c00", 0, 60, source=CLIENT),
        *chat("c00", [5, 10], source=CLIENT),
        *life("c00", 100, 160, source=CLIENT),
        *chat("c00", [105], source=CLIENT),
    ]
    frame_ = identify(frame(rows)).filter(pl.col("kind") == "message")
    assert sorted(frame_["session"].value_counts()["count"]) == [2, 4]


def test_close_and_end_of_one_connection_are_one_end() -> None:
    rows = [*life("a", 0, 60, code=1000), row("end", 60.1, "a", reason="fin", dir="c2s")]
    assert number(rows) == 1


# -- rows without a name ----------------------------------------


def test_bare_sentences_pair_up() -> None:
    rows = [
        *life(None, 0, 10, source=SERVER, code=1000),
        *life(None, 20, 30, source=SERVER, code=1000),
    ]
    assert number(rows) == 2


def test_a_bare_end_while_two_are_open_stays_a_fragment() -> None:
    rows = [
        row("open", 0, None, SERVER),
        row("open", 5, None, SERVER),
        row("close", 20, None, SERVER, code=1000),
    ]
    conns = identify(frame(rows))["conn"].to_list()
    assert len(set(conns)) == 3
    assert conns[2].startswith("~")


def test_a_second_sentence_about_the_same_end() -> None:
    rows = [
        row("open", 0, None, SERVER),
        row("close", 20, None, SERVER, code=1000),
        row("end", 20.01, None, SERVER),
    ]
    assert number(rows) == 1


def test_closings_that_are_told_once_each_are_as_many_when_they_come_at_once() -> None:
    """Nothing tells of the openings; the last three close within a second."""
    ends = [10.0, 25.0, 47.0, 60.0, 75.0, 90.0, 90.3, 90.6]
    rows = [row("close", end, None, SERVER, code=1000) for end in ends]
    assert number(rows) == 8


def test_closings_that_are_told_twice_each_are_half_as_many() -> None:
    ends = [10.0, 10.01, 25.0, 25.01, 47.0, 47.01, 60.0, 60.01]
    rows = [row("close", end, None, SERVER, code=1006) for end in ends]
    assert number(rows) == 4


def test_both_rows_of_one_access_line() -> None:
    line = [row("open", 0, None, PROXY), row("end", 60, None, PROXY)]
    rows = [*(r | {"pos": 7} for r in line), *life("*2", 5, 30, source=PROXY)]
    frame_ = identify(frame(rows)).filter(pl.col("pos") == 7)
    assert frame_["session"].n_unique() == 1
    assert frame_["session"].null_count() == 0


@pytest.mark.parametrize("kind", ["server_start", "server_stop", "reload", "memory", "stall"])
def test_what_is_about_the_server_has_no_session(kind: str) -> None:
    rows = [*life("ab12", 0, 60, source=SERVER), row(kind, 5, None, SERVER)]
    frame_ = identify(frame(rows)).filter(pl.col("kind") == kind)
    assert frame_["session"].to_list() == [None]


def refusals(*users: tuple[str | None, str | None]) -> list[dict[str, Any]]:
    """For each (said, refused) an application's word on a credential, then the server's 403."""
    return [
        one
        for n, (said, refused) in enumerate(users)
        for one in (
            row("auth", 5 * n, None, SERVER, user=said, reason="expired", pos=10 * n + 1),
            row("rejected", 5 * n, f"@{n}", SERVER, user=refused, code=403, pos=10 * n + 2),
        )
    ]


@pytest.mark.parametrize("user", ["user-1", None])
def test_why_a_handshake_was_refused_is_part_of_it(user: str | None) -> None:
    assert number(refusals((user, "user-1"), (user, "user-1"), (user, "user-1"))) == 3


def test_a_refusal_of_another_user_is_another() -> None:
    assert number(refusals(("user-2", "user-1"), ("user-3", "user-1"))) == 4


def test_a_credential_that_was_accepted_says_nothing_of_the_refusal_beside_it() -> None:
    rows = [one | {"reason": None} for one in refusals(("user-1", None), ("user-2", None))]
    assert number(rows) == 4


# -- what must hold for any evidence ----------------------------------------


def incident() -> list[dict[str, Any]]:
    """Six clients through a proxy, in four sources, with a failed try and a reload."""
    rows = [row("reload", 33, None, PROXY, pos=1), row("server_start", -5, None, SERVER)]
    for n in range(6):
        start, end = 11.0 * n, 100 + 13.0 * n
        rows += proxied(f"w{n}", start, end, key=f"k{n}", peer=f"192.0.2.{n}:4000{n}")
        rows += pings(f"w{n}-back", [start + 20, start + 40])
        rows += life(f"*{n}", start, end, source=PROXY, key=f"k{n}")
        rows += life(f"ab{n}0", start, end, source=SERVER, trace=f"req-{n}", key=f"k{n}")
        rows += life(f"c0{n}", start, end, source=CLIENT, user=f"user-{n}")
        rows += [
            row("attempt", end + 1, f"c0{n}", CLIENT),
            row("refused", end + 1.1, f"c0{n}", CLIENT),
        ]
    return rows


def test_no_row_is_lost_or_changed() -> None:
    before = frame(incident())
    after = identify(before)
    assert after.schema == EVENTS
    untouched = [name for name in EVENTS if name not in ("conn", "session")]
    assert after.select(untouched).sort(untouched).equals(before.select(untouched).sort(untouched))


def test_rows_come_in_the_total_order() -> None:
    after = identify(frame(incident()))
    assert after.equals(after.sort("ts", "source", "pos", nulls_last=True, maintain_order=True))


def test_a_name_that_is_there_is_kept() -> None:
    before = frame(incident())
    after = identify(before)
    known = before.filter(pl.col("conn").is_not_null())["conn"].value_counts(sort=True)
    still = after["conn"].value_counts()
    assert known.join(still, on=["conn", "count"], how="anti").is_empty()


def test_identifying_again_changes_nothing() -> None:
    once = identify(frame(incident()))
    assert identify(once).equals(once)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.randoms(use_true_random=False))
def test_only_what_could_be_tied_is_compared(monkeypatch: pytest.MonkeyPatch, dice: Random) -> None:
    """To compare every sighting with every other finds the same sessions, and takes ages."""
    rows = [one for one in incident() if dice.random() < 0.9]
    for one in dice.sample(rows, len(rows) // 2):
        one.pop("key", None)
        one["ts"] += timedelta(milliseconds=dice.randrange(-1500, 1500))
    frame_ = frame(rows)
    quick = identify(frame_)
    with monkeypatch.context() as patched:
        patched.setattr(sessions, "tied", lambda nodes: list(range(len(nodes))))
        assert identify(frame_).equals(quick)


@settings(max_examples=12, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(dice: Random) -> None:
    frame_ = frame(incident())
    order = list(range(len(frame_)))
    dice.shuffle(order)
    assert identify(frame_[order]).sort(pl.all()).equals(identify(frame_).sort(pl.all()))


@settings(max_examples=12, deadline=None)
@given(st.integers(-(10**9), 10**9))
def test_shifted_in_time_the_same_rows_belong_together(milliseconds: int) -> None:
    frame_ = frame(incident())
    later = frame_.with_columns(pl.col("ts") + pl.duration(milliseconds=milliseconds))
    one, other = identify(frame_), identify(later)
    pairs = pl.DataFrame({"one": one["session"], "other": other["session"]}).unique()
    assert len(pairs) == one["session"].n_unique() == other["session"].n_unique()


@settings(max_examples=8, deadline=None)
@given(st.integers(1, 40))
def test_more_connections_rename_none(more: int) -> None:
    """Ids come from keys and first sightings, not from a count."""
    frame_ = frame(incident())
    fleet = [
        r for n in range(more) for r in life(f"x{n}", 5000 + 10 * n, 5005 + 10 * n, key=f"x{n}")
    ]
    before = identify(frame_)["session"].drop_nulls().unique()
    pos = {"pos": 10**6}
    extra = frame([r | {"pos": pos["pos"] + n} for n, r in enumerate(fleet)])
    both = identify(pl.concat([frame_, extra]))
    assert set(before) <= set(both["session"].drop_nulls())
    assert both["session"].drop_nulls().n_unique() == len(before) + more


def test_a_session_is_named_by_its_key_on_any_day() -> None:
    one = identify(frame(life("a", 0, 9, key="k")))["session"][0]
    other = identify(frame(life("b", 86_400, 86_500, source=SERVER, key="k")))["session"][0]
    assert one == other
    assert one.startswith("s-")


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 300), st.integers(1, 200)), min_size=1, max_size=12))
def test_one_source_alone_is_never_joined(lives: list[tuple[int, int]]) -> None:
    """Two connections with names of their own in one log are two."""
    rows = [
        r
        for n, (start, age) in enumerate(lives)
        for r in life(f"conn-{n}", start, start + age, source=OTHER, vantage="server")
    ]
    assert number(rows) == len(lives)


def test_rows_without_a_time_are_no_obstacle() -> None:
    rows = [row("open", None, "*1", PROXY), row("end", 60, "*1", PROXY)]
    frame_ = identify(frame([r | {"pos": 3} for r in rows]))
    assert frame_["session"].n_unique() == 1
    assert frame_["ts"].to_list() == [at(60), None]


def test_nothing_in_nothing_out() -> None:
    assert identify(frame([])).schema == EVENTS


def test_a_user_with_two_devices_is_not_mistaken_for_one() -> None:
    """The server tells the user of one connection only; the client's log tells him of the other."""
    rows = [
        *life("w1", 0, 60, key="k1"),
        *life("w2", 1.45, 60.5, key="k2"),
        *life("s1", 0.001, 60, source=SERVER),
        *life("s2", 1.451, 60.5, source=SERVER, user="ana"),
        *life("c1", 0.002, 60, source=CLIENT, user="ana"),
    ]
    told = story(rows).events.collect()
    of = dict(told.select("conn", "session").unique().iter_rows())
    assert of["c1"] == of["s1"] == of["w1"]
    assert of["s2"] == of["w2"] != of["w1"]


# -- several on one connection of TCP ---------------------------------------

ADDRESS = "198.51.100.9:4000"


def line(pos: int, opened: float, ended: float, path: str = "/live") -> list[dict[str, Any]]:
    """A proxy's line on one request, as HAProxy's httplog tells it."""
    known = {"source": PROXY, "peer": ADDRESS, "name": path, "pos": pos}
    return [row("open", opened, None, **known), row("end", ended, None, **known)]


def stream(number: int, opened: float, ended: float, path: str = "/live") -> list[dict[str, Any]]:
    """A WebSocket over HTTP/2 in a capture."""
    conn = f"{ADDRESS}-192.0.2.1:443/{number}"
    return life(conn, opened, ended, peer=ADDRESS, name=path)


def test_lines_of_one_address_at_one_time_are_requests_of_their_own() -> None:
    """Each of several over HTTP/2 has a line; one whose timer ran out tells of that as well."""
    timer = row("timeout", 60, None, PROXY, peer=ADDRESS, pos=1, dir="c2s")
    found = identify(frame([*line(1, 0, 60), *line(2, 0.5, 20), *line(3, 30, 70), timer]))
    by_line = found.group_by("pos").agg(pl.col("session").n_unique()).rows()
    assert sorted(by_line) == [(1, 1), (2, 1), (3, 1)]
    assert found["session"].n_unique() == 3


def test_lines_of_one_address_in_turn_keep_its_name() -> None:
    found = identify(frame([*line(1, 0, 20), *line(2, 25, 40)]))
    assert found["session"].n_unique() == 2
    assert found["conn"].unique().to_list() == [ADDRESS]


def test_streams_and_lines_of_one_address_meet_by_their_paths() -> None:
    rows = [
        *stream(1, 0.002, 60, "/quotes"),
        *stream(3, 0.003, 60, "/orders"),
        *line(1, 0, 60, "/orders"),
        *line(2, 0, 60, "/quotes"),
    ]
    assert families(rows) == [
        [f"{PROXY} line 1", f"{WIRE} {ADDRESS}-192.0.2.1:443/3"],
        [f"{PROXY} line 2", f"{WIRE} {ADDRESS}-192.0.2.1:443/1"],
    ]


def test_two_streams_of_one_address_are_never_one() -> None:
    """Though one line would fit both."""
    rows = [*stream(1, 0.002, 60), *stream(3, 0.002, 60), *line(1, 0, 60)]
    streams = identify(frame(rows)).filter(source=WIRE)
    assert streams.group_by("conn").agg("session")["session"].list.first().n_unique() == 2


def test_two_connections_of_a_browser_at_one_moment_are_told_apart_by_their_paths() -> None:
    entries = [
        *life("entry 1", 0, 60, source=CLIENT, name="/orders"),
        *life("entry 2", 0, 60, source=CLIENT, name="/quotes"),
    ]
    rows = [*stream(1, 0.002, 60, "/quotes"), *stream(3, 0.002, 60, "/orders"), *entries]
    assert families(rows) == [
        [f"{CLIENT} entry 1", f"{WIRE} {ADDRESS}-192.0.2.1:443/3"],
        [f"{CLIENT} entry 2", f"{WIRE} {ADDRESS}-192.0.2.1:443/1"],
    ]


# -- what is only traffic --------------------------------------------------


def test_traffic_belongs_to_the_life_around_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """What tells only a connection's name is not looked at one by one; it comes to the same."""
    rows = [
        *chat("again", [0.5]),  # before its first life was told
        *life("again", 1, 10, code=1000),
        *chat("again", [2, 3, 11]),
        *life("again", 20, 30, code=1006),
        *pings("again", [21, 25, 31]),
        *chat("never opened", [4, 5]),
        *chat("again", [22], source=OTHER),
    ]
    found = identify(frame(rows))
    assert found.filter(conn="again", source=WIRE)["session"].n_unique() == 2
    monkeypatch.setattr(routine, "SLICE", 3)
    assert identify(frame(rows)).equals(found)
    monkeypatch.setattr(routine, "ROUTINE", pl.lit(value=False))
    assert identify(frame(rows)).equals(found)
