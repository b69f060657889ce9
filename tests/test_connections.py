"""The connection table, and what follows from it."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from story import CLIENT, PROXY, SERVER, WIRE, at, chat, life, pings, proxied, row, story, table

from wsdiag.connections import counted, reconnects, round_trips, traffic

OTHER = ("192.0.2.9:4000", 95, 99)


def only(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The one connection of these rows."""
    (connection,) = table(rows)
    return connection


def everywhere(**how: Any) -> list[dict[str, Any]]:
    """One connection as wire, server and client tell it."""
    code = how.pop("server_code", how.get("code"))
    said = how.pop("client_code", how.get("code"))
    return [
        *life("w", 0, 60, key="k", **how),
        *life("ab12", 0.001, 60.001, source=SERVER, key="k", **how | {"code": code, "by": None}),
        *life("c00", 0.002, 60.002, source=CLIENT, key="k", **how | {"code": said}),
    ]


# -- codes ----------------------------------------


@pytest.mark.parametrize(("by", "who"), [("s2c", "server"), ("c2s", "client")])
def test_the_code_is_the_initiators(by: str, who: str) -> None:
    seen = only(life("a", 0, 60, code=4401, by=by, reason="token expired"))
    assert (seen["code"], seen["reason"], seen["closed_by"]) == (4401, "token expired", who)
    assert seen["frameless"] is False


def test_the_second_close_frame_only_echoes() -> None:
    rows = life("a", 0, 60, code=4000, by="c2s")
    echo = next(r for r in rows if r["kind"] == "close" and r["dir"] == "s2c")
    echo["code"] = 1000
    assert only(rows)["code"] == 4000


def test_of_two_closes_that_crossed_nobody_knows_which_was_first() -> None:
    rows = life("a", 0, 60, code=1000, by="c2s")
    echo = next(r for r in rows if r["kind"] == "close" and r["dir"] == "s2c")
    echo |= {"code": 1001, "name": "crossed"}
    seen = only(rows)
    assert (seen["code"], seen["closed_by"], seen["close_dir"]) == (1000, "unknown", None)


def test_an_answer_that_overtook_the_close_it_answers_is_no_beginning() -> None:
    rows = life("a", 0, 60, code=1000, by="s2c")
    first = next(r for r in rows if r["kind"] == "close" and r["dir"] == "c2s")
    first |= {"code": 4000, "name": "sent first"}
    seen = only(rows)
    assert (seen["code"], seen["closed_by"]) == (4000, "client")


def test_the_wire_wins_over_any_log() -> None:
    seen = only(everywhere(code=1000, by="c2s", server_code=1005, client_code=1006))
    assert seen["code"] == 1000
    assert {r["source"]: r["code"] for r in seen["reported"]} == {
        WIRE: 1000,
        SERVER: 1005,
        CLIENT: 1006,
    }


def test_a_log_that_names_the_sender_wins_over_one_that_does_not() -> None:
    rows = [
        row("open", 0, "ab12", SERVER, key="k"),
        row("close", 60, "ab12", SERVER, code=1000),
        row("open", 0, "c00", CLIENT, key="k"),
        row("close", 60.1, "c00", CLIENT, code=4001, dir="s2c"),
    ]
    seen = only(rows)
    assert (seen["code"], seen["closed_by"]) == (4001, "server")


def test_a_code_that_can_cross_the_wire_wins_over_a_local_one() -> None:
    rows = [
        *life("ab12", 0, 60, source=SERVER, code=1005, by=None, key="k"),
        *life("c00", 0, 60, source=CLIENT, code=4001, key="k"),
    ]
    assert only(rows)["code"] == 4001


def test_1006_is_no_code_but_the_lack_of_one() -> None:
    seen = only(life("c00", 0, 60, source=CLIENT, code=1006))
    assert seen["code"] is None
    assert seen["frameless"] is True


def test_an_empty_close_frame_has_1005() -> None:
    seen = only(life("a", 0, 60, code=1005, by="c2s"))
    assert (seen["code"], seen["frameless"]) == (1005, False)


def test_a_logged_1005_where_the_wire_had_no_close_frame_is_none() -> None:
    rows = [
        *life("w", 0, 60, key="k"),
        *life("ab12", 0, 60, source=SERVER, code=1005, by=None, key="k"),
    ]
    seen = only(rows)
    assert (seen["code"], seen["frameless"]) == (None, True)


def test_what_a_server_says_of_frames_counts_whatever_its_proxy_says_of_the_end() -> None:
    rows = [
        *life("c0", 0, 60, source=PROXY, key="k"),
        row("end", 60, "ab12", SERVER, reason="eof", key="k"),
    ]
    assert not only(rows[:-1])["frameless"]
    assert only(rows)["frameless"]


# -- who ended it ----------------------------------------


@pytest.mark.parametrize(("by", "who"), [("s2c", "server"), ("c2s", "client"), ("proxy", "proxy")])
def test_who_ended_a_proxied_connection(by: str, who: str) -> None:
    seen = only(proxied("a", 0, 60, by=by))
    assert (seen["closed_by"], seen["legs"], seen["frameless"]) == (who, 2, True)


def test_the_first_fin_on_one_leg_decides() -> None:
    rows = [*life("a", 0, 60, by="c2s"), row("end", 60.1, "a", reason="fin", dir="s2c")]
    assert only(rows)["closed_by"] == "client"


def test_a_logged_timer_of_the_proxy_decides() -> None:
    rows = [
        *life("*1", 0, 60, source=PROXY),
        row("timeout", 60, "*1", PROXY, pos=1, reason="upstream timed out"),
    ]
    seen = only(rows)
    assert (seen["closed_by"], seen["proxy_timer"]) == ("proxy", True)


def test_a_close_frame_outweighs_the_order_of_fins() -> None:
    rows = life("a", 0, 60, code=1000, by="c2s")
    rows[-1]["dir"] = "s2c"
    assert only(rows)["closed_by"] == "client"


def test_who_is_unknown_where_nobody_says() -> None:
    assert only(life("c00", 0, 60, source=CLIENT, code=1006))["closed_by"] == "unknown"


def test_a_living_connection_was_closed_by_nobody() -> None:
    seen = only(life("a", 0, stops=60))
    assert (seen["closed_by"], seen["ended"], seen["gone"], seen["live"]) == (
        None,
        None,
        False,
        True,
    )


def test_evidence_that_stops_in_one_source_ends_nothing_in_another() -> None:
    rows = [
        *life("w", 0, stops=30, key="k"),
        *life("ab12", 0, 60, source=SERVER, code=1000, key="k"),
    ]
    seen = only(rows)
    assert (seen["gone"], seen["live"]) == (True, False)


# -- times ----------------------------------------


def test_age_and_silence() -> None:
    rows = [*life("a", 0, 100), *chat("a", [10, 40], ms=0)]
    seen = only(rows)
    assert seen["age_s"] == pytest.approx(100, abs=0.01)
    assert seen["idle_s"] == pytest.approx(60, abs=0.01)
    assert seen["longest_gap_s"] == pytest.approx(30, abs=0.01)


def test_silence_starts_at_the_handshake_where_nobody_speaks() -> None:
    seen = only(life("a", 5, 65))
    assert seen["idle_s"] == pytest.approx(60, abs=0.01)


def test_pings_and_pongs_are_no_silence() -> None:
    seen = only([*life("a", 0, 100), *pings("a", [20, 95])])
    assert seen["idle_s"] == pytest.approx(5, abs=0.01)


def test_a_log_that_shows_no_traffic_knows_no_silence() -> None:
    seen = only(life("ab12", 0, 100, source=SERVER, code=1000))
    assert seen["idle_s"] is None
    assert seen["age_s"] == pytest.approx(100)


def test_an_access_line_without_a_start_still_states_the_age() -> None:
    rows = [row("open", None, "*1", PROXY), row("end", 60, "*1", PROXY, ms=59_500.0)]
    seen = only([r | {"pos": 1} for r in rows])
    assert seen["age_s"] == 59.5


def test_the_finest_clock_tells_the_moment() -> None:
    """nginx has whole seconds; the wire has microseconds."""
    rows = [
        *life("w", 0.4, 60.4, key="k"),
        *life("*1", 0.0, 60.0, source=PROXY, key="k"),
        *life("ab12", 0.39, 60.39, source=SERVER, key="k"),
    ]
    seen = only(rows)
    assert (seen["opened"], seen["ended"]) == (at(0.4), at(60.402))


# -- handshakes ----------------------------------------


def test_whose_handshake_counts() -> None:
    wire, server = (
        life("w", 0, 9, ms=8.0, key="k"),
        life("ab12", 0, 9, source=SERVER, ms=3.0, key="k"),
    )
    proxy = life("*1", 0, 9, source=PROXY, ms=6.0, key="k")
    client = life("c00", 0, 9, source=CLIENT, ms=90.0, key="k")
    assert only(server)["handshake_ms"] == 3.0
    assert only([*server, *proxy])["handshake_ms"] == 6.0
    assert only([*server, *proxy, *wire])["handshake_ms"] == 8.0
    assert only([*server, *proxy, *wire, *client])["handshake_ms"] == 90.0


def test_the_longer_leg_is_what_the_client_felt() -> None:
    rows = [*life("front", 0, 9, ms=30.0, key="k"), *life("back", 0, 9, ms=4.0, key="k")]
    assert only(rows)["handshake_ms"] == 30.0


def test_a_rejection_has_status_and_words() -> None:
    rows = [row("attempt", 0, "a"), row("rejected", 0.1, "a", code=401, reason="no token")]
    seen = only(rows)
    assert (seen["status"], seen["rejection"], seen["was_open"]) == (401, "no token", False)
    assert not seen["frameless"]


def test_a_refusal() -> None:
    seen = only([row("attempt", 0, "a"), row("refused", 0.1, "a")])
    assert (seen["refused"], seen["was_open"], seen["gone"]) == (True, False, False)


# -- counts ----------------------------------------


def test_frames_are_counted_on_one_leg() -> None:
    rows = proxied("a", 0, 60)
    for leg, lag in (("front", 0.0), ("back", 0.001)):
        rows += chat(f"a-{leg}", [t + lag for t in (1, 2, 3)])
        rows += pings(f"a-{leg}", [20 + lag, 40 + lag])
    seen = only(rows)
    assert (seen["messages_c2s"], seen["messages_s2c"]) == (3, 3)
    assert (seen["pings"], seen["pongs"]) == (2, 2)


def test_a_column_that_nobody_filled_is_null_not_zero() -> None:
    seen = only(life("ab12", 0, 60, source=SERVER, code=1000))
    assert seen["user"] is None
    assert seen["key"] is None
    assert seen["status"] is None
    assert seen["messages_c2s"] == 0


def test_sources_and_vantages_are_listed_once() -> None:
    seen = only(everywhere(code=1000, by="c2s"))
    assert seen["sources"] == sorted([WIRE, SERVER, CLIENT])
    assert seen["vantages"] == ["client", "network", "server"]


@pytest.mark.parametrize(
    ("known", "client"),
    [
        ({"user": "user-1", "token": "token-1"}, "user-1"),
        ({"token": "token-1"}, "token-1"),
        ({"peer": "192.0.2.1:4000"}, None),
    ],
)
def test_who_the_client_is(known: dict[str, str], client: str | None) -> None:
    assert only(life("a", 0, 60, **known))["client"] == client


@pytest.mark.parametrize(
    ("lives", "clients"),
    [
        # one after the other, whatever the port: one client
        (
            [("192.0.2.1:4000", 0, 60), ("192.0.2.1:4007", 62, 90), OTHER],
            [*["192.0.2.1"] * 2, None],
        ),
        (
            [("[2001:db8::1]:4", 0, 60), ("[2001:db8::1]:5", 62, 90), OTHER],
            [*["[2001:db8::1]"] * 2, None],
        ),
        # the only address there is may be a proxy's, and one of this machine is anybody's
        ([("192.0.2.1:4000", 0, 60), ("192.0.2.1:4007", 62, 90)], [None, None]),
        ([("127.0.0.1:4000", 0, 60), ("127.0.0.1:4007", 62, 90), OTHER], [None, None, None]),
        ([("[::1]:4000", 0, 60), ("[::1]:4007", 62, 90), OTHER], [None, None, None]),
        # at the same time: an office, or a proxy
        ([("192.0.2.1:4000", 0, 60), ("192.0.2.1:4007", 59, 90), OTHER], [None, None, None]),
        ([("192.0.2.1:4000", 0, None), ("192.0.2.1:4007", 59, 90), OTHER], [None, None, None]),
        # once only: nothing follows
        ([("192.0.2.1:4000", 0, 60), ("192.0.2.2:4007", 62, 90)], [None, None]),
    ],
)
def test_an_address_is_a_client_where_its_connections_follow_one_another(
    lives: list[tuple[str, float, float | None]], clients: list[str | None]
) -> None:
    rows = [
        r
        for n, (peer, start, end) in enumerate(lives)
        for r in life(f"w{n}", start, end, code=1012, peer=peer, stops=100.0)
    ]
    assert [each["client"] for each in table(rows)] == clients


def test_a_client_logs_name_is_its_identity_within_that_log() -> None:
    assert only(life("c00", 0, 60, source=CLIENT))["client"] == "client.log:c00"


def test_proof_pointers() -> None:
    seen = only(everywhere(code=1000, by="c2s"))
    assert {p["source"] for p in seen["opening"]} >= {WIRE, CLIENT}
    assert seen["closing"]
    assert all(p["ts"] for p in (*seen["opening"], *seen["closing"]))
    assert len(seen["opening"]) <= 4
    assert len(seen["closing"]) <= 4


def test_no_events_no_connections() -> None:
    assert table([]) == []


# -- what follows ----------------------------------------


def test_a_reconnect_is_the_next_open_of_the_same_client() -> None:
    rows = []
    for start, end in ((0, 60), (62, 100), (130, None)):
        rows += life(f"w{start}", start, end, code=1012, user="user-1")
    gaps = reconnects(story(rows).connections).collect().sort("ended")
    assert gaps["reconnect_s"].to_list() == pytest.approx([2, 30], abs=0.01)


def test_failed_tries_between_do_not_end_the_wait() -> None:
    rows = life("c00", 0, 60, source=CLIENT, code=1012)
    for t in (61, 63, 67):
        rows += [row("attempt", t, "c00", CLIENT), row("refused", t + 0.01, "c00", CLIENT)]
    rows += life("c00", 75, source=CLIENT)
    (gap,) = reconnects(story(rows).connections).collect()["reconnect_s"]
    assert gap == pytest.approx(15, abs=0.01)


@pytest.mark.parametrize(("code", "by"), [(1000, "c2s"), (1001, "c2s"), (1005, "c2s")])
def test_who_left_by_plan_does_not_reconnect(code: int, by: str) -> None:
    rows = [*life("a", 0, 60, code=code, by=by, user="user-1"), *life("b", 99, user="user-1")]
    assert reconnects(story(rows).connections).collect().is_empty()


def test_a_round_trip_is_measured_at_one_place() -> None:
    rows = [
        *proxied("a", 0, 60),
        *chat("a-front", [1, 2], ms=9.0),
        *chat("a-back", [1.001, 2.001], ms=7.0),
    ]
    trips = round_trips(story(rows).events).collect()
    assert trips["ms"].to_list() == pytest.approx([9, 9])


def test_of_two_places_the_one_that_saw_more() -> None:
    rows = [
        *life("w", 0, 60, key="k"),
        *life("c00", 0, 60, source=CLIENT, key="k"),
        *chat("w", [1], ms=5.0),
        *chat("c00", [1, 2, 3], ms=30.0, source=CLIENT),
    ]
    assert round_trips(story(rows).events).collect()["ms"].to_list() == pytest.approx([30] * 3)


def test_connections_that_nothing_ties_are_counted_by_the_best_witness() -> None:
    """Five on the wire, and the same five as a server tells them that has no ids to share."""
    rows = [r for n in range(5) for r in life(f"w{n}", 0.01 * n, 60 + 0.01 * n)]
    rows += [
        r
        for n in range(5)
        for r in life(f"ab{n}0", 0.01 * n + 0.004, 60 + 0.01 * n + 0.006, source=SERVER, code=1006)
    ]
    assert len(counted(story(rows).connections).collect()) == 5


def test_who_saw_how_attempts_ended_is_a_better_witness_than_who_saw_more() -> None:
    """A client that only tells that it dials, one time more than the wire has."""
    rows = [r for n in range(5) for r in life(f"w{n}", 0.01 * n, 60 + 0.01 * n)]
    rows += [
        row("attempt", 0.01 * n, f"bare {n}", "client.log", vantage="client") for n in range(6)
    ]
    found = counted(story(rows).connections).collect()
    assert found["vantages"].to_list() == [["network"]] * 5


@pytest.mark.parametrize(("code", "by"), [(1012, "server"), (1013, "server"), (1011, "unknown")])
def test_codes_of_servers_alone_tell_who_closed(code: int, by: str) -> None:
    rows = [row("open", 0, "a", SERVER), row("close", 9, "a", SERVER, code=code)]
    assert [one["closed_by"] for one in table(rows)] == [by]


def test_what_began_outside_the_best_witness_counts_too() -> None:
    rows = [r for n in range(5) for r in life(f"w{n}", n, 60 + n)]
    rows += life("ab99", 3600, 3660, source=SERVER, code=1000)
    assert len(counted(story(rows).connections).collect()) == 6


def test_ends_in_an_error_log_make_no_better_witness() -> None:
    """An access log has each of them too; the error log's lines name none of these."""
    rows = [r for n in range(5) for r in life(f"w{n}", 0.01 * n, 60 + 0.01 * n)]
    for n in range(5):
        rows.append(row("open", 0.01 * n + 0.004, f"line {n}", PROXY))
        rows.append(row("end", 60, f"line {n}", PROXY))
    rows += [row("end", 60, f"*{n}", "error.log", vantage="proxy", reason="rst") for n in range(3)]
    found = counted(story(rows).connections).collect()
    assert found["vantages"].to_list() == [["network"]] * 5


def test_counting_loses_nothing_of_a_single_source() -> None:
    rows = [r for n in range(9) for r in life(f"ab{n}0", n, 60, source=SERVER, code=1000)]
    told = story(rows).connections
    assert counted(told).collect().equals(told.collect())


def test_the_table_is_in_order_of_time() -> None:
    rows = [*life("late", 50, 60), *life("early", 0, 90), *life("middle", 20, 30)]
    assert [r["opened"] for r in table(rows)] == [at(0), at(20), at(50)]


def test_an_end_without_a_time_does_not_count_as_one() -> None:
    rows = [row("open", 0, "a"), row("end", None, "a", reason="fin", dir="s2c", pos=9)]
    frame = pl.DataFrame(table(rows))
    assert frame["ended"].to_list() == [None]


def test_traffic_counted_in_slices_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is told of parts of a connection adds up to what is told of the whole."""
    rows = [r for n in range(4) for r in proxied(f"c{n}", n, 60 + n, code=1000)]
    rows += [r for n in range(4) for r in chat(f"c{n}-front", [5 + n, 7, 9, 30])]
    rows += [r for n in range(4) for r in pings(f"c{n}-back", [10, 20 + n, 40])]
    whole = table(rows)
    monkeypatch.setattr(traffic, "SLICE", 3)
    assert table(rows) == whole
    assert {(r["messages_c2s"], r["messages_s2c"], r["pings"]) for r in whole} == {(4, 4, 3)}


@pytest.mark.parametrize(
    ("more", "opened"),
    [
        ([], False),
        ([row("open", 0.02, "b", PROXY, key="k")], True),  # who answered says that it opened
        ([row("message", 0.5, "a", CLIENT, dir="s2c")], True),
    ],
)
def test_a_client_that_says_connect_of_a_handshake_that_was_refused(
    more: list[dict[str, Any]], *, opened: bool
) -> None:
    rows = [
        row("open", 0, "a", CLIENT, key="k"),
        row("rejected", 0.1, "b", PROXY, key="k", code=503),
    ]
    seen = only([*rows, *more])
    assert seen["was_open"] is opened
    assert (seen["attempted"] == at(0)) is not opened
    assert (seen["opened"] is None) is not opened


def test_a_client_alone_is_believed_that_it_opened() -> None:
    rows = [row("open", 0, "a", CLIENT), row("rejected", 0.1, "a", CLIENT, code=401)]
    assert only(rows)["was_open"]


def test_requests_beside_the_websockets() -> None:
    """Where a proxy cannot pass on what opens WebSockets, other calls fail that are none."""

    def failed(number: int, path: str) -> dict[str, Any]:
        kind = "refused" if number % 2 else "error"
        return row(kind, 70.0 + number, f"*{number}", PROXY, name=path)

    opened = life("*9", 0, 60, source=PROXY, name="/live")
    calls = [failed(1, "/api/cart"), failed(2, "/api/me"), failed(3, "/")]
    assert len(table([*opened, *calls])) == 4  # perhaps one of these is a WebSocket's
    own = [failed(5, "/live"), failed(6, "/chat/ws")]
    assert len(table([*opened, *calls, *own])) == 4  # those, and "/", of which nobody knows
