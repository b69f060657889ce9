"""idle-cut: a timer on the path that neither end knows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from story import CLIENT, PROXY, SERVER, chat, judge, life, pings, proxied, row

from wsdiag.endings import spikes

NAME = "idle-cut"

NGINX = "upstream timed out (110: Connection timed out) while proxying upgraded connection"


def talking(name: str, opened: float, until: float, silence: float, **more: object) -> list[dict]:
    """Talks until `until`, then falls silent; the proxy cuts it after `silence`."""
    times = [opened + 1, (opened + until) / 2, until]
    ended = until + silence
    rows = proxied(name, opened, ended, **more)
    for leg, lag in (("front", 0.0), ("back", 0.0005)):
        rows += chat(f"{name}-{leg}", [t + lag for t in times], ms=0.0)
    return rows


def cut(*silences: float, **more: object) -> list[dict]:
    """Connections of different ages, cut at different moments after these silences."""
    return [
        r
        for number, silence in enumerate(silences)
        for r in talking(f"c{number}", 5.0 * number, 20 + 17.0 * number, silence, **more)
    ]


def test_equal_silences_that_the_proxy_ends() -> None:
    said = judge(NAME, cut(60.0, 60.1, 60.0))
    (finding,) = said.findings
    assert finding["severity"] == "error"
    assert finding["count"] == 3
    assert finding["measured"] == pytest.approx(60, abs=0.2)
    assert finding["unit"] == "s"
    told = {trait for trait in said.traits if not trait.startswith("fits-")}
    assert told == {
        *("repeats", "proxy-ended", "catalogue", "behind-proxy", "no-heartbeat", "hop-known"),
    }
    assert {"fits-nginx", "fits-alb", "fits-apache"} <= said.traits
    assert "fits-heroku" not in said.traits


@pytest.mark.parametrize(
    ("ages", "measured", "at_most"),
    [
        ([60.0, 71.2, 95.5, 143.0], 60.0, True),
        ([60.0, 60.2, 60.1, 60.0], 60.05, False),  # nobody spoke: the age is the silence
    ],
)
def test_a_logged_timer_and_ages_alone_bound_the_silence(
    ages: list[float], measured: float, at_most: bool
) -> None:
    """nginx's error log names its timer, the access log how long each connection lived."""
    rows = [
        r
        for n, age in enumerate(ages)
        for r in (
            row("open", 9.0 * n, f"*{n}", PROXY, ms=5.0),
            row("timeout", 9.0 * n + age, f"*{n}", PROXY, reason=NGINX),
            row("end", 9.0 * n + age, f"*{n}", PROXY, reason="timeout", ms=age * 1000),
        )
    ]
    said = judge(NAME, rows)
    (finding,) = said.findings
    assert finding["measured"] == pytest.approx(measured, abs=0.06)
    assert ("silence-at-most" in said.traits) is at_most
    assert ("after at most 60.0 s of silence" in finding["message"]) is at_most


@pytest.mark.parametrize(
    ("ages", "found"),
    [
        ([43.5, 43.7, 43.9, 44.1, 44.3, 44.5], 0),  # people who leave after about as long
        ([44.0, 44.0, 44.1, 44.0, 44.1, 44.0], 1),
        ([6.0, 6.0, 6.0, 6.0, 6.0, 6.0], 0),  # no hop's timer is so short
        ([60.1, 60.4, 60.2, 60.6, 60.3, 60.7], 1),  # a known timer's, from the last message on
    ],
)
def test_ages_alone_must_be_a_timers(ages: list[float], found: int) -> None:
    """An access log knows how long a connection lived, not how long it was silent."""
    rows = [
        r
        for n, age in enumerate(ages)
        for r in (
            row("open", 9.0 * n, f"c{n}", PROXY, ms=5.0),
            row("end", 9.0 * n + age, f"c{n}", PROXY, ms=age * 1000),
        )
    ]
    assert len(judge(NAME, rows).findings) == found


def test_a_proxy_that_says_that_no_timer_fired() -> None:
    """HAProxy's "--": the sessions ended by themselves, however alike they are."""

    def rows(flags: str) -> list[dict]:
        return [
            r
            for n in range(4)
            for r in (
                row("open", 10.0 * n, f"c{n}", PROXY, ms=5.0),
                row("end", 10.0 * n + 50, f"c{n}", PROXY, ms=50_000.0, reason=flags),
            )
        ]

    assert judge(NAME, rows("----")).findings == []
    assert judge(NAME, rows("eof")).findings
    # … unless the server says that no Close frame came: then one in front of the proxy cut them.
    lost = [row("end", 10.0 * n + 50, f"c{n}", SERVER, reason="eof", key=f"k{n}") for n in range(4)]
    known = [r | {"key": f"k{r['conn'][1:]}"} for r in rows("----")]
    assert judge(NAME, known).findings == []
    assert judge(NAME, known + lost).findings


def test_a_timer_of_any_length() -> None:
    said = judge(NAME, cut(47.0, 47.0, 47.1))
    assert said.count == 3
    assert "catalogue" not in said.traits


@pytest.mark.parametrize("silences", [(47.0, 47.0), (40.0, 47.0, 55.5), (47.0, 48.6, 50.2)])
def test_two_or_unequal_silences_may_be_chance(silences: tuple[float, ...]) -> None:
    said = judge(NAME, cut(*silences))
    assert (said.verdict, said.findings) == ("pass", [])


def test_a_survivor_of_a_longer_silence_refutes_the_timer() -> None:
    survivor = [
        *proxied("s", 0, 200, by="c2s", code=1000),
        *chat("s-front", [5, 150]),
        *chat("s-back", [5, 150]),
    ]
    assert judge(NAME, [*cut(47.0, 47.0, 47.1), *survivor]).findings == []


def test_a_talker_with_shorter_silences_refutes_nothing() -> None:
    talker = [*proxied("s", 0, 200, by="c2s", code=1000), *chat("s-front", range(5, 200, 20))]
    assert judge(NAME, [*cut(47.0, 47.0, 47.1), *talker]).count == 3


def test_a_survivor_does_not_outweigh_the_owners_own_line() -> None:
    rows = [
        *life("*1", 0, 65, source=PROXY, key="k"),
        row("timeout", 65, "*1", PROXY, pos=1, reason=NGINX),
        *life("s", 0, stops=300),
        *chat("s", [5, 250]),
    ]
    assert "proxy-timer-logged" in judge(NAME, rows).traits


def test_one_line_of_the_owner_is_proof() -> None:
    rows = [
        *life("*7", 0, 65, source=PROXY),
        row("timeout", 65, "*7", PROXY, pos=1, reason=NGINX),
    ]
    (finding,) = judge(NAME, rows).findings
    assert finding["count"] == 1
    assert finding["confidence"] == 0.95
    assert "proxy-timer-logged" in finding["traits"]


def test_the_owners_line_counts_though_a_server_saw_more() -> None:
    """Behind a proxy each FIN looks like the client's; the same end is not counted twice."""
    rows = [
        r
        for n, age in enumerate([60.0, 71.0, 95.0, 143.0])
        for r in (
            row("open", 9.0 * n, f"web-{n}", SERVER),
            row("close", 9.0 * n + age, f"web-{n}", SERVER, dir="c2s"),
            row("timeout", 9.0 * n + age, f"*{n}", PROXY, reason=NGINX),
            row("end", 9.0 * n + age, f"*{n}", PROXY, reason="timeout"),
        )
    ]
    said = judge(NAME, rows)
    (finding,) = said.findings
    assert finding["count"] == 4
    assert "proxy-timer-logged" in said.traits


def test_haproxy_says_so_in_its_flag() -> None:
    rows = [row("timeout", 40, "10.0.0.9:5000", "haproxy.log", vantage="proxy", reason="cD")]
    rows = [*life("10.0.0.9:5000", 0, 40, source="haproxy.log", vantage="proxy"), *rows]
    said = judge(NAME, rows)
    assert "haproxy-flag" in said.traits
    assert "proxy-timer-logged" not in said.traits


def test_a_timer_of_the_handshake_is_no_idle_timer() -> None:
    reason = "upstream timed out (110) while reading response header from upstream"
    rows = [
        row("attempt", 0, "*7", PROXY, pos=1),
        row("timeout", 60, "*7", PROXY, pos=2, reason=reason),
        row("rejected", 60, "*7", PROXY, pos=3, code=504),
    ]
    assert judge(NAME, rows).findings == []


def test_the_servers_own_timer_is_told_apart() -> None:
    rows = [
        *life("ab12", 0, 65, source=SERVER),
        row("timeout", 65, "ab12", SERVER, reason="idle timeout, no data for 60 s", ms=60000.0),
    ]
    said = judge(NAME, rows)
    assert "server-timer-logged" in said.traits
    assert "proxy-timer-logged" not in said.traits
    assert said.findings[0]["measured"] == 60.0


def test_idle_time_equals_age_when_nobody_ever_speaks() -> None:
    rows = [r for n in range(3) for r in proxied(f"c{n}", 10.0 * n, 10.0 * n + 60)]
    (finding,) = judge(NAME, rows).findings
    assert "idle-equals-age" in finding["traits"]
    assert "cannot be told apart" in finding["message"]


def test_it_is_not_ambiguous_once_they_have_spoken() -> None:
    assert "idle-equals-age" not in judge(NAME, cut(60.0, 60.0, 60.0)).traits


def test_an_access_log_of_equal_ages_alone() -> None:
    rows = [r for n in range(4) for r in life(f"*{n}", 9.0 * n, 9.0 * n + 60.0, source=PROXY)]
    (finding,) = judge(NAME, rows).findings
    assert finding["count"] == 4
    assert finding["confidence"] <= 0.6
    assert "idle-equals-age" in finding["traits"]


@pytest.mark.parametrize(
    ("stops", "found"), [("evidence-stops", 1), (None, 0)], ids=["saw-no-end", "saw-the-end"]
)
def test_silences_between_a_clients_view_and_an_access_log(stops: str | None, found: int) -> None:
    """A HAR shows messages and no ends; where a client saw ends and no lack of a Close frame, that
    is another matter."""
    rows = []
    for n, last in enumerate((8.0, 21.0, 35.0)):
        began, ended = 200.0 * n, 200.0 * n + last + 60.0
        rows += [
            row("open", began, f"*{n}", PROXY, ms=5.0, session=f"s{n}"),
            row("end", ended, f"*{n}", PROXY, session=f"s{n}"),
            row("open", began, f"tab{n}", CLIENT, session=f"s{n}"),
            row("message", began + last, f"tab{n}", CLIENT, dir="s2c", session=f"s{n}"),
            row("end", began + last if stops else ended, f"tab{n}", CLIENT, reason=stops)
            | {"session": f"s{n}"},
        ]
    assert len(judge(NAME, rows).findings) == found


def test_an_access_log_of_different_ages_alone() -> None:
    ages = (12.0, 47.0, 95.0, 180.0)
    rows = [r for n, age in enumerate(ages) for r in life(f"*{n}", n, n + age, source=PROXY)]
    assert judge(NAME, rows).findings == []


def ages(lives: np.ndarray, chance: np.random.Generator) -> pl.DataFrame:
    """Ends of which an access log tells the age alone; who lived longest refutes shorter timers."""
    begun = datetime(2026, 11, 22, 10, tzinfo=UTC)
    ended = [begun + timedelta(seconds=float(at)) for at in chance.uniform(0, 3600, len(lives))]
    none = pl.lit(None, pl.Float64)
    return pl.DataFrame({"age": lives, "tick": 0.001, "ended": ended}).with_columns(
        **dict.fromkeys(("idle", "idle_s2c", "idle_c2s"), none),
        **dict.fromkeys((f"survived_{clock}" for clock in spikes.CLOCKS), pl.lit(lives.max())),
    )


@pytest.mark.parametrize("many", [8, 20, 50, 200, 838])
@pytest.mark.parametrize("seed", range(12))
def test_ages_that_agree_by_chance_are_no_timer(many: int, seed: int) -> None:
    chance = np.random.default_rng(seed)
    lives = chance.exponential(60.0 + 40 * seed, many)
    assert spikes.find_spikes(ages(lives, chance)) == []


@pytest.mark.parametrize("timer", [60.0, 87.0])
def test_a_timer_among_other_ages(timer: float) -> None:
    chance = np.random.default_rng(5)
    lives = np.append(chance.uniform(1, timer, 60), timer + chance.uniform(0, 0.02, 12))
    (spike,) = spikes.find_spikes(ages(lives, chance))
    assert spike.seconds == pytest.approx(timer, abs=0.5)
    assert len(spike.members) >= 12


def test_clients_that_close_after_equal_silences() -> None:
    assert judge(NAME, cut(60.0, 60.0, 60.0, by="c2s", code=1000)).findings == []


def test_clients_that_drop_the_line_after_equal_silences() -> None:
    assert judge(NAME, cut(60.0, 60.0, 60.0, by="c2s")).findings == []


def test_a_server_that_closes_with_a_code_is_no_timer_on_the_path() -> None:
    assert judge(NAME, cut(60.0, 60.0, 60.0, by="s2c", code=4401)).findings == []


def test_ends_at_one_moment_are_another_fault() -> None:
    """A crash ends connections that happen to have been silent for equally long."""
    rows = [r for n in range(6) for r in proxied(f"c{n}", 0.1 * n, 60 + 0.1 * n)]
    assert judge(NAME, rows).findings == []


def test_pings_break_the_silence() -> None:
    rows = [r for n in range(4) for r in life(f"c{n}", 10 * n, 10 * n + 61)]
    for n in range(4):
        rows += pings(f"c{n}", [10 * n + 3 + 7 * n, 10 * n + 40 + 4 * n])
    assert judge(NAME, rows).findings == []


def test_a_peer_given_up_by_its_heartbeat_was_not_idle() -> None:
    rows = [r for n in range(4) for r in life(f"ab0{n}", 10 * n, 10 * n + 60, source=SERVER)]
    rows += [row("heartbeat_timeout", 10 * n + 60, f"ab0{n}", SERVER, dir="s2c") for n in range(4)]
    assert judge(NAME, rows).findings == []


def test_a_live_connection_was_not_cut() -> None:
    rows = [r for n in range(4) for r in life(f"c{n}", 10 * n, stops=100)]
    assert judge(NAME, rows).verdict == "not-applicable"


def test_single_cut_at_a_known_default_by_the_proxy() -> None:
    said = judge(NAME, cut(60.0))
    assert "catalogue" in said.traits
    assert "repeats" not in said.traits


@pytest.mark.parametrize(
    ("ages", "found"),
    [
        ([60.001], 1),
        ([60.004, 60.001], 1),
        ([60.4], 0),  # later than any timer fires
        ([59.9], 0),
        ([60.001, 12.4, 33.0, 5.2], 0),  # of many one ends there by chance
        ([60.001, 3608.2, 250.7], 0),
    ],
)
@pytest.mark.parametrize("by", [None, "c2s"])
def test_an_age_to_the_millisecond_in_an_access_log(
    ages: list[float], found: int, by: str | None
) -> None:
    """Envoy's DC and a bare 101 tell of the side in front, and that may be a load balancer."""
    rows = [
        r
        for n, age in enumerate(ages)
        for r in (
            row("open", 100.5 * n + 0.125, f"c{n}", PROXY),
            row("end", 100.5 * n + 0.125 + age, f"c{n}", PROXY, dir=by, ms=age * 1000),
        )
    ]
    said = judge(NAME, rows)
    assert len(said.findings) == found
    assert not said.traits & {"proxy-ended", "repeats", "proxy-timer-logged"}


def test_single_cut_at_another_length_is_nothing() -> None:
    assert judge(NAME, cut(47.0)).findings == []


def test_the_same_cuts_told_by_four_sources_are_not_four_times_as_many() -> None:
    rows = cut(60.0, 60.0, 60.0)
    for n in range(3):
        start, end = 5.0 * n, 80 + 17.0 * n
        rows += life(f"*{n}", start, end, source=PROXY, key=f"key-c{n}")
        rows += life(f"ab{n}0", start, end, source=SERVER, key=f"key-c{n}")
        rows += life(f"c0{n}", start, end, source=CLIENT, key=f"key-c{n}")
    assert judge(NAME, rows).count == 3


def test_a_client_log_of_closes_shows_no_silence() -> None:
    rows = [row("close", t, f"c0{n}", CLIENT, code=1006) for n, t in enumerate((10, 20, 30))]
    said = judge(NAME, rows)
    assert said.findings == []
    assert said.verdict == "not-applicable"


@pytest.mark.parametrize(("lived", "found"), [(28.0, 0), (60.0, 1)])
def test_all_who_came_together_and_go_together_twice(lived: float, found: int) -> None:
    """As at two stalls of the server one period apart; a known timer cuts them so, too."""
    rows = [
        r
        for wave in range(2)
        for n in range(8)
        for r in life(f"w{wave}-{n}", wave * (lived + 2), wave * (lived + 2) + lived, source=SERVER)
    ]
    assert len(judge(NAME, rows).findings) == found


def test_a_route_may_have_a_timer_of_its_own() -> None:
    """An access log: boards are cut after 15 s; in rooms people stay as long as they like."""
    chance = np.random.default_rng(2)
    rows = []
    for n in range(14):
        begun = float(chance.uniform(0, 40))
        rows += life(f"b{n}", begun, begun + 15 + 0.001 * n, source=PROXY, name="/boards/7")
    for n in range(60):
        begun, lasted = float(chance.uniform(0, 40)), float(chance.uniform(1, 60))
        rows += life(f"r{n}", begun, begun + lasted, source=PROXY, name=f"/rooms/{n}")
    (found,) = judge(NAME, rows).findings
    assert found["count"] == 14
    assert judge(NAME, [one for one in rows if one["conn"] > "r"]).findings == []


def test_who_came_and_went_together_is_no_timers() -> None:
    """Four restarts after equal times: each time all come within a second, and go at once."""
    rows = []
    for restart in range(4):
        for n in range(6):
            begun = 100.0 * restart + 0.1 * n
            rows += life(f"c{restart}-{n}", begun, 100.0 * restart + 99 + 0.002 * n, source=PROXY)
    assert judge(NAME, rows).findings == []


def alike(coded: bool) -> list[dict]:
    """A proxy's lines and the server's of the same connections, which nothing ties together."""
    rows: list[dict] = []
    for n in range(9):
        begun = 11.0 * n
        rows += life(f"p{n}", begun, begun + 18 + 0.002 * n, source=PROXY)
        code = 1008 if coded else None
        rows += life(f"s{n}", begun + 0.01, begun + 18.02, source=SERVER, code=code)
    return rows


@pytest.mark.parametrize(("coded", "found"), [(True, 0), (False, 1)])
def test_ends_of_which_another_source_tells_a_close_frame(coded: bool, found: int) -> None:
    assert len(judge(NAME, alike(coded)).findings) == found


@pytest.mark.parametrize(
    ("ages", "ended", "fired", "measured"),
    [
        ([60.0], [60.0], [60.0], 60.0),
        ([60.0, 60.0, 60.0], [60.0, 80.0, 131.0], [60.0, 80.0, 131.0], 60.0),
        ([60.0, 84.0], [100.0, 100.0], [100.0, 100.0], None),  # nobody knows which was whose
        ([60.0], [75.0], [60.0], None),  # another end than the one that the timer made
    ],
)
def test_a_timer_without_a_word_of_whose_connection_it_ended(
    ages: list[float], ended: list[float], fired: list[float], measured: float | None
) -> None:
    """A proxy's error log; the application's own log tells of more, but not why they ended."""
    rows = [
        r
        for n, (age, over) in enumerate(zip(ages, ended, strict=True))
        for r in life(f"app{n}", over - age, over, source=SERVER, by=None, how="eof")
    ]
    for n, moment in enumerate(fired):
        rows.append(row("timeout", moment, f"*{n}", PROXY, reason=NGINX))
        rows.append(row("end", moment, f"*{n}", PROXY, reason="timeout"))
    said = judge(NAME, rows)
    (finding,) = said.findings
    assert finding["count"] == len(fired)
    assert finding["measured"] == (None if measured is None else pytest.approx(measured))
    assert "proxy-timer-logged" in said.traits


def test_who_is_told_to_read_too_slowly_is_not_cut_for_silence() -> None:
    """A server's log that tells openings, a full queue and the end: it shows no silence."""
    ages = [(f"c{number}", 30.0 * number) for number in range(4)]
    rows = [row("open", opened, name, SERVER) for name, opened in ages]
    rows += [row("end", opened + 10.4, name, SERVER, dir="s2c") for name, opened in ages]
    assert judge(NAME, rows).findings
    full = [
        row("backpressure", opened + 10.4, name, SERVER, reason="write deadline exceeded")
        for name, opened in ages
    ]
    assert not judge(NAME, [*rows, *full]).findings
