"""mass-close: one event that ended most connections."""

from __future__ import annotations

from random import Random

import polars as pl
import pytest
from story import CLIENT, PROXY, SERVER, at, judge, judge_story, life, proxied, row, story

from wsdiag.endings import waves

NAME = "mass-close"


def ending(
    number: int, ended: float = 60.0, apart: float = 0.05, first: int = 0, **how: object
) -> list[dict]:
    """This many connections end one shortly after another."""
    return [
        r for n in range(number) for r in life(f"c{first + n}", 0.5 * n, ended + apart * n, **how)
    ]


def living(number: int, until: float = 120.0) -> list[dict]:
    return [r for n in range(number) for r in life(f"live{n}", 0.3 * n, stops=until)]


@pytest.mark.parametrize(
    ("ends", "lives_on", "apart", "found"),
    [
        (3, 3, 2.0, 0),  # half of a few, one by one: chance
        (3, 3, 0.3, 1),  # at once
        (5, 1, 1.1, 1),  # nearly all of them
        (12, 12, 0.4, 1),  # too many for chance
    ],
)
def test_a_few_ends_one_by_one_are_chance(
    ends: int, lives_on: int, apart: float, found: int
) -> None:
    said = judge(NAME, ending(ends, apart=apart, how="rst") + living(lives_on))
    assert len(said.findings) == found


@pytest.mark.parametrize("code", [1001, 1012])
def test_a_restart_with_its_code(code: int) -> None:
    said = judge(NAME, ending(10, code=code, by="s2c"))
    (finding,) = said.findings
    assert (finding["count"], finding["subject"], finding["severity"]) == (10, "fleet", "error")
    assert said.traits == {"restart-code", f"code-{code}"}
    assert f"10 of 10 live connections ended within 0.4 s, most with code {code}" in said.why


def test_a_crash_has_no_close_frames_and_then_refusals() -> None:
    rows = ending(8)
    rows += [
        r
        for n in range(3)
        for r in (row("attempt", 61 + n, f"r{n}"), row("refused", 61.01 + n, f"r{n}"))
    ]
    said = judge(NAME, rows)
    assert said.traits == {"no-close-frame", "refused-after"}


def test_the_supervisor_tells_a_kill_from_a_shutdown() -> None:
    killed = row("server_stop", 60.2, None, SERVER, reason="exited: app (terminated by SIGKILL)")
    stopped = row("server_stop", 59.8, None, SERVER, reason="Shutting down")
    assert "kill-logged" in judge(NAME, [*ending(8), killed]).traits
    assert "shutdown-logged" not in judge(NAME, [*ending(8), killed]).traits
    assert "shutdown-logged" in judge(NAME, [*ending(8), stopped]).traits
    assert "kill-logged" not in judge(NAME, [*ending(8), stopped]).traits


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0.5, True), (100.0, True), (-30.0, False), (400.0, False)]
)
def test_only_a_start_soon_after_belongs_to_it(seconds: float, expected: bool) -> None:
    start = row("server_start", 60 + seconds, None, SERVER)
    assert ("start-logged" in judge(NAME, [*ending(8), start]).traits) is expected


def test_a_proxy_that_stops_is_no_server_shutdown() -> None:
    stop = row("server_stop", 59.9, None, PROXY, pos=1, reason="gracefully shutting down")
    assert "shutdown-logged" not in judge(NAME, [*ending(8), stop]).traits


def test_a_reload_before_it() -> None:
    reload = row("reload", -170, None, PROXY, pos=1)
    assert "proxy-reloaded" in judge(NAME, [*ending(8), reload]).traits
    late = row("reload", 75, None, PROXY, pos=1)
    assert "proxy-reloaded" not in judge(NAME, [*ending(8), late]).traits


@pytest.mark.parametrize(
    ("ends", "found"),
    [
        ((26.0, 329.0), True),  # 26 and 29 s after the reloads at 0 and 300
        ((26.0, 339.0), False),
        ((26.0, 150.0, 210.0, 329.0, 411.0, 502.0, 640.0, 777.0), False),
    ],
)
def test_ends_at_nearly_one_distance_from_each_reload(ends: tuple[float, ...], found: bool) -> None:
    """kubernetes/ingress-nginx#9516: old workers are told to go a few seconds later each time."""
    reloads = [row("reload", at, None, PROXY, pos=int(at)) for at in (0.0, 300.0)]
    gone = [
        r
        for n, at in enumerate(ends)
        for r in (row("open", -1000, f"c{n}", SERVER), row("end", at, f"c{n}", SERVER))
    ]
    assert ("drain-offset" in judge(NAME, [*reloads, *gone]).traits) is found


def test_people_who_leave_one_after_the_other_are_no_restart() -> None:
    """A log says 1001, and not from which side: a server goes away from everybody at once."""
    leaving = ending(6, apart=0.7, code=1001, source=CLIENT)
    assert judge(NAME, leaving).findings == []
    at_once = ending(6, apart=0.1, code=1001, source=CLIENT)
    assert "restart-code" in judge(NAME, at_once).traits
    refused = [row("attempt", 63.9, "r0", CLIENT), row("refused", 64, "r0", CLIENT)]
    assert judge(NAME, [*leaving, *refused]).findings


def test_what_never_opened_never_lived() -> None:
    """Attempts that end without an answer are failed handshakes, not a wave of ends."""
    tried = [
        r
        for n in range(6)
        for r in (row("attempt", 50 + n / 10, f"c{n}"), row("end", 60 + n / 10, f"c{n}"))
    ]
    assert judge(NAME, [*living(2), *tried]).findings == []


def test_two_ends_at_once_are_chance() -> None:
    said = judge(NAME, ending(2))
    assert (said.verdict, said.findings) == ("pass", [])


def test_two_ends_that_the_server_announced_are_not() -> None:
    assert judge(NAME, ending(2, code=1012)).count == 2
    stop = row("server_stop", 59.9, None, SERVER, reason="Shutting down")
    assert judge(NAME, [*ending(2), stop]).count == 2


@pytest.mark.parametrize(("ports", "found"), [(1, False), (3, True)])
def test_what_one_connection_of_tcp_carries_ends_with_it(ports: int, found: bool) -> None:
    """Over HTTP/2: it is one end. Three from one address at once, as a proxy's, are three."""
    rows = [
        r
        for n in range(3)
        for r in life(f"c{n}", n, 60, by="c2s", peer=f"198.51.100.9:{4000 + n % ports}")
    ]
    assert bool(judge(NAME, rows).findings) is found


def test_fewer_than_half_of_the_live_ones() -> None:
    assert judge(NAME, [*ending(4), *living(6)]).findings == []


def test_half_of_the_live_ones() -> None:
    assert judge(NAME, [*ending(5), *living(5)]).count == 5


def test_ends_spread_over_a_minute() -> None:
    assert judge(NAME, ending(10, apart=6.0)).findings == []


@pytest.mark.parametrize("code", [1000, 1001, 1005])
def test_a_class_of_users_that_leaves(code: int) -> None:
    assert judge(NAME, ending(12, code=code, by="c2s")).findings == []


def test_a_server_that_says_1000_to_everybody_did_it_all_the_same() -> None:
    assert judge(NAME, ending(6, code=1000, by="s2c")).count == 6


@pytest.mark.parametrize("code", [4401, 3005])
def test_tokens_that_expire_together_are_no_restart(code: int) -> None:
    assert judge(NAME, ending(12, code=code, by="s2c")).findings == []


def test_idle_timers_that_fire_together_are_no_restart() -> None:
    """Clients that connected together fall silent together."""
    rows = [r for n in range(5) for r in life(f"*{n}", 0.1 * n, 60 + 0.1 * n, source=PROXY)]
    rows += [
        row(
            "timeout",
            60 + 0.1 * n,
            f"*{n}",
            PROXY,
            pos=n,
            reason="while proxying upgraded connection",
        )
        for n in range(5)
    ]
    assert judge(NAME, rows).findings == []


def test_evidence_that_stops_ends_nothing() -> None:
    assert judge(NAME, living(10)).findings == []


def test_a_single_connection_is_no_mass() -> None:
    assert judge(NAME, life("a", 0, 60, code=1012)).verdict == "not-applicable"


def test_one_live_connection_after_another_is_no_mass() -> None:
    """Each of them is all that lives at its moment."""
    rows = [r for n in range(6) for r in life(f"c{n}", 100 * n, 100 * n + 60, code=1012)]
    assert judge(NAME, rows).findings == []


def test_short_ones_one_after_another_are_no_mass() -> None:
    """Many end within seconds, but each began after the one before it had ended."""
    rows = [r for n in range(12) for r in life(f"c{n}", 0.3 * n, 0.3 * n + 0.29)]
    assert judge(NAME, rows).findings == []


@pytest.mark.parametrize(("together", "found"), [(4, 0), (9, 0), (14, 1)])
def test_a_log_of_ends_alone_does_not_tell_who_lived(together: int, found: int) -> None:
    """Of a proxy's log with neither beginnings nor durations half of all must end at once."""
    ends = [7.0 * n for n in range(12)] + [40 + 0.01 * n for n in range(together)]
    rows = [row("end", ended, f"c{n}", source=PROXY) for n, ended in enumerate(sorted(ends))]
    assert len(judge(NAME, rows).findings) == found


def test_what_begins_while_others_end_is_not_of_them() -> None:
    """Clients that come back at once and are thrown out again were not live before."""
    rows = ending(6, code=1012)
    last = max(r["ts"] for r in rows) - at(0)
    again = last.total_seconds() + 0.5
    rows += [r for n in range(4) for r in life(f"d{n}", again, again + 0.4 + n / 10)]
    (finding,) = judge(NAME, rows).findings
    assert (finding["count"], "6 of 6 live" in finding["message"]) == (6, True)


def test_handshakes_that_failed_do_not_end() -> None:
    rows = [
        r
        for n in range(8)
        for r in (
            row("attempt", n * 0.1, f"r{n}"),
            row("rejected", n * 0.1 + 0.01, f"r{n}", code=503),
        )
    ]
    assert judge(NAME, rows).findings == []


def test_two_restarts_are_two_findings() -> None:
    rows = ending(6, code=1012)
    rows += [r for n in range(6) for r in life(f"d{n}", 70 + 0.1 * n, 200, code=1012)]
    assert [f["count"] for f in judge(NAME, rows).findings] == [6, 6]


def test_both_legs_and_all_logs_count_once() -> None:
    rows = [r for n in range(4) for r in proxied(f"c{n}", 0.5 * n, 60, by="s2c", code=1001)]
    for n in range(4):
        rows += life(f"ab{n}0", 0.5 * n, 60, source=SERVER, code=1001, key=f"key-c{n}")
        rows += life(f"c0{n}", 0.5 * n, 60, source=CLIENT, code=1001, key=f"key-c{n}")
    (finding,) = judge(NAME, rows).findings
    assert finding["count"] == 4
    assert "4 of 4 live" in finding["message"]


def timeless(*kinds: str) -> list[dict]:
    """A log without times, such as uvicorn's default one."""
    return [
        row(kind, None, None if kind.startswith("server") else f"bare {pos}", SERVER, pos=pos)
        for pos, kind in enumerate(kinds, 1)
    ]


def test_a_restart_in_a_log_without_times() -> None:
    said = judge(NAME, timeless("open", "open", "server_stop", "close", "close", "server_start"))
    assert said.traits == {"shutdown-logged", "start-logged"}
    assert said.count == 2


@pytest.mark.parametrize(
    "kinds",
    [
        ("open", "open", "close", "close", "server_stop", "server_start"),
        ("server_start", "open", "open", "close", "close"),
        ("open", "server_stop", "close"),
    ],
)
def test_ends_in_a_log_without_times_that_no_shutdown_made(kinds: tuple[str, ...]) -> None:
    assert not judge(NAME, timeless(*kinds)).findings


def quitting(*, code: int = 1001, start: bool = True, stop: bool = False) -> list[dict]:
    """Four connections that a server's log sees closed at once, from it does not say which side."""
    rows = ending(4, apart=0.01, source=SERVER, code=code, by=None)
    rows += [row("server_start", -5, None, SERVER)] if start else []
    return rows + ([row("server_stop", 59.9, None, SERVER)] if stop else [])


def test_a_browser_that_quits_closes_all_its_tabs() -> None:
    assert "server-silent" in judge(NAME, quitting()).traits


@pytest.mark.parametrize("more", [{"code": 1012}, {"start": False}, {"stop": True}])
def test_a_server_that_is_not_silent(more: dict) -> None:
    said = judge(NAME, quitting(**more))
    assert said.findings
    assert "server-silent" not in said.traits


@pytest.mark.parametrize(
    ("said", "died"),
    [
        ("panic: runtime error: index out of range [3] with length 3", True),
        ("Main process exited, code=killed, status=11/SEGV", True),
        ("Main process exited, code=exited, status=1/FAILURE", True),
        ("Main process exited, code=killed, status=15/TERM", False),  # systemctl stop
        ("Main process exited, code=exited, status=143/n/a", False),  # Java, told to stop
        ("Shutting down", False),
    ],
)
def test_a_death_that_a_log_tells_stands_by_itself(said: str, died: bool) -> None:
    """Nobody logged how the connections ended."""
    rows = [*living(3, until=50.0), row("server_stop", 50, None, SERVER, reason=said)]
    assert judge(NAME, rows).traits == ({"death-logged"} if died else set())


def test_a_death_whose_ends_are_seen_is_told_once() -> None:
    killed = row("server_stop", 60.2, None, SERVER, reason="panic: boom")
    (finding,) = judge(NAME, [*ending(8), killed]).findings
    assert finding["count"] == 8


def pods(lost: int, **how: object) -> list[dict]:
    """Six servers with four connections each, of which one is told to stop at 90 s."""
    rows = [
        r
        for pod in range(6)
        for n in range(4)
        for r in life(
            f"p{pod}c{n}",
            25.0 * n - 3.1 * pod,
            90.1 + 0.05 * n if pod == 0 and n < lost else None,
            source=f"pod-{pod}.log",
            vantage="server",
            stops=120,
            **how,
        )
    ]
    return [*rows, stop(90.0, "pod-0.log")]


def stop(seconds: float, source: str = SERVER) -> dict:
    return row("server_stop", seconds, None, source, vantage="server", reason="Shutting down")


def test_one_of_many_servers_stops() -> None:
    (finding,) = judge(NAME, pods(4, code=1001, by="s2c")).findings
    assert finding["count"] == 4
    assert "4 of 4 live connections" in finding["message"]
    assert "shutdown-logged" in finding["traits"]


def test_one_of_many_servers_loses_as_many_without_a_word() -> None:
    rows = [r for r in pods(4, how="rst") if r["kind"] != "server_stop"]
    assert judge(NAME, rows).findings == []


def test_a_server_that_stops_and_loses_few() -> None:
    assert judge(NAME, pods(1)).findings == []


@pytest.mark.parametrize(("source", "found"), [(SERVER, 0), ("systemd.log", 1)])
def test_a_shutdown_after_the_ends_in_the_log_that_tells_of_both(source: str, found: int) -> None:
    """Two ends are a wave only where a shutdown was announced."""
    rows = [r for n in range(2) for r in life(f"c{n}", 0, 60 + 0.1 * n, source=SERVER)]
    said = judge(NAME, [*rows, stop(65.0, source)])
    assert said.count == 2 * found


def test_a_shutdown_line_written_when_all_is_closed() -> None:
    rows = [r for n in range(2) for r in life(f"c{n}", 0, 60 + 0.1 * n, source=SERVER)]
    assert judge(NAME, [*rows, stop(60.4)]).traits == {"no-close-frame", "shutdown-logged"}


def turnover(seed: int, until: float = 600.0, rate: float = 1.5, digits: int = 3) -> list[dict]:
    """A busy proxy's log: it tells of a connection when it ends, of those that live on nothing."""
    dice, rows, moment = Random(seed), [], 0.0
    while (moment := moment + dice.expovariate(rate)) < until:
        opened = moment - dice.expovariate(1 / 200)
        rows += life(f"c{len(rows)}", opened, round(moment, digits), source=PROXY)
    return rows


@pytest.mark.parametrize("seed", range(4))
def test_the_last_ends_of_a_log_that_tells_of_ends_alone(seed: int) -> None:
    """All that is known to live shortly before the log's end is what ends until then."""
    assert judge(NAME, turnover(seed)).findings == []
    assert judge(NAME, turnover(seed, 60, rate=40, digits=0)).findings == []


def visits(seed: int) -> list[dict]:
    """A proxy's log of people who stay for some seconds, of whom many come about one time."""
    chance, rows = Random(seed), []
    for n in range(110):
        opened = chance.uniform(0, 60) if n % 3 else chance.gauss(30, 2.5)
        ended = round(opened + chance.uniform(1, 9), 3)
        rows += life(f"c{n}", opened, ended, source=PROXY)
    return rows


@pytest.mark.parametrize("seed", range(8))
def test_half_of_lives_as_short_as_a_wave_end_within_any(seed: int) -> None:
    assert judge(NAME, visits(seed)).findings == []
    together = [r for n in range(40) for r in life(f"k{n}", 20.0 + n / 9, 32.5, source=PROXY)]
    assert len(judge(NAME, [*visits(seed), *together]).findings) == 1


@pytest.mark.parametrize(("lasted", "usual"), [(4.0, True), (400.0, False)])
def test_lives_outside_all_waves_tell_how_long_one_lasts(lasted: float, usual: bool) -> None:
    """Twelve of fourteen end within five seconds: seldom at this rate, but not of such lives."""
    moments = [(20.0 * n, None) for n in range(30)] + [(301 + 0.4 * n, 0) for n in range(12)]
    ends = pl.DataFrame(
        {
            "ended": [at(moment) for moment, _ in moments],
            "opened": [at(moment - lasted) for moment, _ in moments],
            "wave": pl.Series([wave for _, wave in moments], dtype=pl.Int64),
            "live": pl.Series([14] * len(moments), dtype=pl.Int64),
        }
    )
    assert waves._usual(ends)["usual"].to_list() == [usual]


def test_a_crash_amid_turnover() -> None:
    rows = turnover(1, 300)
    rows += [r for n in range(60) for r in life(f"k{n}", 100 + n, 310 + 0.01 * n, source=PROXY)]
    assert judge(NAME, rows).count >= 60


def test_a_server_that_crashes_again_and_again() -> None:
    rows = [
        r
        for crash in range(12)
        for n in range(10)
        for r in life(f"c{crash}-{n}", 10 * crash + 0.5 + n / 10, 10 * crash + 9 + n / 100)
    ]
    assert len(judge(NAME, rows).findings) == 12


def test_a_few_clients_of_a_server_that_goes_twice() -> None:
    """Each time, and at the end of the test, all three end; that is no rate of ends."""
    rows = [
        r
        for begins, ends in ((0, 5), (12, 45), (47, 60))
        for n in range(3)
        for r in life(f"c{begins}-{n}", begins + 0.1 * n, ends + 0.002 * n)
    ]
    assert [finding["count"] for finding in judge(NAME, rows).findings] == [3, 3, 3]


def test_a_server_that_died_told_no_end_but_its_clients_did() -> None:
    """Which of them is which nobody can say: those are counted that were seen to end."""
    rows = [row("server_stop", 60, source=SERVER, reason="App exited with code [1]")]
    for n in range(6):
        rows += life(f"s{n}", 0.1 * n, source=SERVER)
        rows += life(f"c{n}", 0.05 + 0.1 * n, 60, source=CLIENT)
    said = judge(NAME, rows)
    assert "6 of 6 live connections ended" in said.why
    assert "kill-logged" in said.traits


@pytest.mark.parametrize(
    ("errors", "found"),
    [
        (None, True),  # nothing ties the clocks
        ({"systemd.log": 0.02}, True),  # nor these
        ({"systemd.log": 0.02, CLIENT: 0.03}, False),
        ({"systemd.log": 1.5, CLIENT: 3.0}, True),
    ],
)
def test_a_shutdown_logged_later_than_the_clocks_may_be_off(
    errors: dict[str, float] | None, found: bool
) -> None:
    """A cause does not come after its effect; it may seem so where the clocks are apart."""

    def traits(stopped: float) -> set[str]:
        rows = [*ending(4, source=CLIENT), stop(stopped, "systemd.log")]
        clocks = story(rows)._replace(clock_errors_s=errors or {})
        return judge_story(NAME, clocks).traits

    assert ("shutdown-logged" in traits(65.0)) is found
    assert "shutdown-logged" in traits(58.0)


def test_ends_whose_reason_is_the_shutdown_need_be_no_half_of_all() -> None:
    """A log may tell of each connection twice, as Socket.IO's of its transport and its namespace,
    and of the end of one of them."""
    rows = [row("open", 0.5 * n, f"engine{n}", SERVER) for n in range(8)]
    rows += [row("open", 0.5 * n, f"s{n}", SERVER) for n in range(6)]
    rows += [
        row("close", 60, f"s{n}", SERVER, dir="s2c", reason="server shutting down")
        for n in range(6)
    ]
    assert judge(NAME, rows).findings == []
    assert judge(NAME, [*rows, stop(60.0)]).count == 6
    other = [r | {"reason": "transport close"} if r["kind"] == "close" else r for r in rows]
    assert judge(NAME, [*other, stop(60.0)]).findings == []


@pytest.mark.parametrize(
    ("seconds", "reason", "expected"),
    [
        (60.1, "SIGTERM", True),
        (58.5, "Current worker (31) exited with code 143 (Terminated)", True),
        (66.0, "SIGTERM", False),  # later
        (52.0, "SIGTERM", False),  # it drops what it holds at once
        (60.1, "SIGQUIT", False),  # its workers go as at a reload
        (60.1, 'Server app/a1 is DOWN, reason: Layer7 timeout, info: "-"', False),
    ],
)
def test_a_proxy_that_stops_at_that_moment(seconds: float, reason: str, expected: bool) -> None:
    halt = row("server_stop", seconds, None, PROXY, pos=1, reason=reason)
    traits = judge(NAME, [*ending(8), halt]).traits
    assert ("proxy-stopped" in traits) is expected
    assert "refused-after" not in traits


def test_a_proxy_that_finds_no_process_behind_it_is_as_good_as_a_refusal() -> None:
    down = 'Server app/a1 is DOWN, reason: Layer4 connection problem, info: "Connection refused"'
    check = row("server_stop", 61, None, PROXY, pos=1, reason=down)
    assert "refused-after" in judge(NAME, [*ending(8), check]).traits


def test_what_ends_when_the_proxy_stops_was_not_left_to_run_out() -> None:
    """The worker had been told to go a round time before, and would have gone on."""
    told = [row("reload", 35, None, PROXY, pos=1, reason="gracefully shutting down")]
    gone = [row("reload", 60, None, PROXY, pos=2, reason="worker exiting")]
    ended = ending(4, source=CLIENT)
    halt = row("server_stop", 60, None, PROXY, pos=3, reason="SIGTERM")
    assert "worker-exited" in judge(NAME, [*ended, *told, *gone]).traits
    traits = judge(NAME, [*ended, *told, *gone, halt]).traits
    assert "worker-exited" not in traits
    assert "proxy-stopped" in traits


def after_ends(*later: tuple[str, float]) -> set[str]:
    """What a proxy's log of three ends at once shows, and of what came later."""
    rows = ending(3, source=PROXY)
    for n, (kind, seconds) in enumerate(later):
        rows.append(row(kind, seconds, f"later{n}", PROXY, pos=9000 + n))
    return judge(NAME, rows).traits


def test_a_server_that_goes_and_comes_back() -> None:
    gone = ("refused", 61.0), ("refused", 62.0)
    assert "gone-and-back" in after_ends(*gone, ("open", 66.0))
    assert "gone-and-back" not in after_ends(*gone)
    assert "gone-and-back" not in after_ends(("open", 60.6), *gone, ("open", 66.0))
    assert "gone-and-back" not in after_ends(("refused", 300.0), ("open", 310.0))


def test_frames_that_break_a_rule_are_each_their_own() -> None:
    rows = [*ending(3, code=1002, by="c2s"), *ending(3, code=1007, by="s2c", first=3)]
    assert judge(NAME, rows).findings == []


def test_a_code_that_few_have_is_not_said_of_all() -> None:
    (finding,) = judge(NAME, [*ending(3, how="rst"), *ending(2, code=4001, first=3)]).findings
    assert "code" not in finding["message"]
