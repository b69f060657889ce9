"""Which causes hold, in which order, how sure."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from story import CLIENT, PROXY, SERVER, at, chat, life, pings, proxied, row

from explain.cases import finding, from_findings, from_rows
from wsdiag.cause import Against, Cause, When
from wsdiag.explain import explain, load_causes, ranking
from wsdiag.report import RootCause

TEXT = {"Why": "w", "Advice": "a", "Root cause": "r", "Fix": "f", "Prevention": "p"}

Library = Callable[..., None]


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Library:
    """The given causes instead of the package's, with its three nameless ones."""

    def install(*causes: Cause) -> None:
        nameless = {name: load_causes()[name] for name in ("healthy", "unknown", "thin-evidence")}
        shelf = {cause.id: cause for cause in causes} | nameless
        monkeypatch.setattr(ranking, "load_causes", lambda: shelf)

    return install


def cause(
    name: str,
    *terms: str,
    confidence: float = 0.8,
    decisive: bool = False,
    outranks: tuple[str, ...] = (),
    brings: tuple[str, ...] = (),
    against: tuple[Against, ...] = (),
    **sections: str,
) -> Cause:
    return Cause(
        id=name,
        title=name.title(),
        outranks=list(outranks),
        brings=list(brings),
        when=[When(all=list(terms), confidence=confidence, decisive=decisive, because="it is so")],
        against=list(against),
        sections=TEXT | {head.replace("_", " "): body for head, body in sections.items()},
    )


def ids(causes: list[RootCause]) -> list[str]:
    return [it.id for it in causes]


# -- how sure ----------------------------------------


@pytest.mark.parametrize(
    ("vantages", "decisive", "expected"),
    [
        (("server",), False, 0.60),
        (("server", "client"), False, 0.85),
        (("server", "client", "network"), False, 0.95),
        (("server", "client", "network", "proxy"), False, 0.95),
        (("server",), True, 0.95),
        ((), False, 0.60),
    ],
)
def test_caps_by_the_vantages_that_agree(
    library: Library, vantages: tuple[str, ...], decisive: bool, expected: float
) -> None:
    library(cause("one", "a", confidence=0.95, decisive=decisive))
    (first, *_) = explain(from_findings(finding("a", vantages=vantages)))
    assert first.confidence == expected


def test_a_cap_lifts_nothing(library: Library) -> None:
    library(cause("one", "a", confidence=0.5))
    assert explain(from_findings(finding("a")))[0].confidence == 0.5


def test_never_certain(library: Library) -> None:
    library(cause("one", "a", confidence=1.0, decisive=True))
    assert explain(from_findings(finding("a")))[0].confidence == 0.97


def test_only_findings_that_the_clause_names_are_witnesses(library: Library) -> None:
    library(cause("one", "a", confidence=0.95))
    found = [finding("a", vantages=("server",)), finding("b", vantages=("network", "client"))]
    assert explain(from_findings(*found))[0].confidence == 0.60


def test_counter_evidence_multiplies_and_is_told(library: Library) -> None:
    doubts = (
        Against(all=["b"], factor=0.8, because="b speaks against it"),
        Against(all=["c"], factor=0.5, because="c speaks against it"),
    )
    library(cause("one", "a", confidence=0.9, decisive=True, against=doubts))
    (calm, *_) = explain(from_findings(finding("a")))
    assert (calm.confidence, calm.against) == (0.9, [])
    (doubted, *_) = explain(from_findings(finding("a"), finding("b")))
    assert (doubted.confidence, doubted.against) == (0.72, ["b speaks against it"])
    (both, *_) = explain(from_findings(finding("a"), finding("b"), finding("c")))
    assert both.id not in ("one",) or both.confidence == 0.36


@pytest.mark.parametrize(
    ("confidence", "word"), [(0.9, "confirmed"), (0.75, "probable"), (0.4, "possible")]
)
def test_the_word_goes_with_the_number(library: Library, confidence: float, word: str) -> None:
    library(cause("one", "a", confidence=confidence, decisive=True))
    assert explain(from_findings(finding("a")))[0].word == word


# -- which order ----------------------------------------


def test_the_surer_cause_comes_first(library: Library) -> None:
    library(cause("low", "a", confidence=0.6), cause("top", "b", confidence=0.9))
    assert ids(explain(from_findings(finding("a"), finding("b")))) == ["top", "low"]


def test_a_cause_that_explains_more_comes_first(library: Library) -> None:
    library(cause("few", "a", confidence=0.8), cause("most", "b", confidence=0.8))
    many = [f"s-{n}" for n in range(9)]
    found = [finding("a", sessions=["s-0"]), finding("b", sessions=many)]
    ranked = explain(from_findings(*found))
    assert ids(ranked) == ["most", "few"]
    assert [it.share for it in ranked] == [1.0, pytest.approx(1 / 9, abs=0.001)]


def test_equals_stand_in_the_order_of_their_ids(library: Library) -> None:
    library(cause("b", "x"), cause("a", "x"))
    assert ids(explain(from_findings(finding("x")))) == ["a", "b"]


def test_a_cause_stands_before_those_it_outranks(library: Library) -> None:
    library(
        cause("consequence", "a", confidence=0.95),
        cause("reason", "b", confidence=0.8, outranks=("consequence",)),
    )
    assert ids(explain(from_findings(finding("a"), finding("b")))) == ["reason", "consequence"]


def test_a_doubtful_cause_outranks_nothing(library: Library) -> None:
    library(
        cause("consequence", "a", confidence=0.95),
        cause("reason", "b", confidence=0.7, outranks=("consequence",)),
    )
    assert ids(explain(from_findings(finding("a"), finding("b")))) == ["consequence", "reason"]


def test_outranking_an_absent_cause_changes_nothing(library: Library) -> None:
    library(cause("one", "a"), cause("two", "b", confidence=0.9, outranks=("three",)))
    assert ids(explain(from_findings(finding("a"), finding("b")))) == ["two", "one"]


def test_a_chain_of_reasons(library: Library) -> None:
    library(
        cause("c", "a", confidence=0.95),
        cause("b", "a", confidence=0.9, outranks=("c",)),
        cause("a", "a", confidence=0.8, outranks=("b", "c")),
    )
    assert ids(explain(from_findings(finding("a")))) == ["a", "b", "c"]


def test_a_weak_cause_is_a_candidate_not_an_answer(library: Library) -> None:
    library(cause("guess", "a", confidence=0.39, decisive=True))
    (only,) = explain(from_findings(finding("a")))
    assert only.id in ("unknown", "thin-evidence")
    library(cause("guess", "a", confidence=0.40, decisive=True))
    assert ids(explain(from_findings(finding("a")))) == ["guess"]


def test_a_cause_lists_the_findings_that_speak_for_it(library: Library) -> None:
    library(cause("one", "a:mark"))
    case = from_findings(finding("a", "mark"), finding("b"))
    (first, *_) = explain(case)
    assert first.findings == [case.findings[0].id]


def test_a_mark_of_one_finding_does_not_speak_for_another(library: Library) -> None:
    """Two findings of one detector: only the one with the mark is evidence."""
    library(cause("one", "a:mark"))
    case = from_findings(
        finding("a", "mark", sessions=["s-1"]), finding("a", "other", sessions=["s-2"])
    )
    (first, *_) = explain(case)
    assert first.share == 0.5


@pytest.mark.parametrize(("began", "share"), [(30, 1.0), (-30, 0.5)])
def test_what_follows_counts_to_the_share_and_not_to_the_rank(
    library: Library, began: int, share: float
) -> None:
    """What began long before is no consequence."""
    library(cause("one", "a", brings=("b:after",)), cause("other", "c"))
    found = [
        finding("a", sessions=["s-1"]),
        finding("b", "after", sessions=["s-2"], began=began),
        finding("c", sessions=["s-1", "s-2"]),
    ]
    ranked = {it.id: it for it in explain(from_findings(*found))}
    assert list(ranked) == ["other", "one"]
    assert ranked["one"].share == share
    assert ranked["one"].findings != ranked["other"].findings


# -- what is told ----------------------------------------


def test_sections_are_filled_with_this_incident(library: Library) -> None:
    text = (
        "{{ cite('a') }} {{ explained|plural('connection') }} {{ found['a'].measured|seconds }}"
        "{% if 'a:mark' in marks %} marked{% endif %}"
    )
    library(cause("one", "a", Root_cause=text))
    case = from_findings(finding("a", "mark", sessions=["s-1", "s-2"]))
    (first, *_) = explain(case)
    told = "`network.log:7`, `server.log:7`, `client.log:7` 2 connections 60 s marked"
    assert first.root_cause == told
    assert (first.fix, first.prevention, first.title) == ("f", "p", "One")
    assert "a was found" in first.symptoms


def test_a_capture_is_cited_by_record(library: Library) -> None:
    row_ = finding("a", vantages=())
    row_["evidence"] = [
        {"source": "wire.pcap", "pos": 12, "ts": None, "vantage": "network"},
        {"source": "wire.pcap", "pos": 13, "ts": None, "vantage": "network"},
        {"source": "nginx.log", "pos": 4, "ts": None, "vantage": "proxy"},
    ]
    library(cause("one", "a", Root_cause="{{ cite('a') }}{{ cite('b') }}"))
    assert explain(from_findings(row_))[0].root_cause == "`wire.pcap#12`, `nginx.log:4`"


def test_the_places_get_the_causes_own_words(library: Library) -> None:
    library(cause("one", "a", Server_logs="look there", Client="1006 is no cause"))
    (first, *_) = explain(from_findings(finding("a")))
    assert first.investigation.server_logs.endswith("look there")
    assert first.investigation.client.endswith("1006 is no cause")
    assert first.investigation.network


# -- when nothing can be named ----------------------------------------


def healthy(source_b: str = SERVER) -> list[dict]:
    rows = []
    for n in range(4):
        rows += life(f"w{n}", 3 * n, 100 + 7 * n, code=1000, by="c2s", key=f"k{n}")
        rows += pings(f"w{n}", range(20 + 3 * n, 100, 20))
        rows += life(f"ab{n}0", 3 * n, 100 + 7 * n, source=source_b, code=1000, key=f"k{n}")
    return rows


def test_healthy() -> None:
    (only,) = explain(from_rows(healthy()))
    assert (only.id, only.confidence, only.findings) == ("healthy", 0.9, [])


@pytest.mark.parametrize(
    ("age", "answer"), [(30.04, "thin-evidence"), (30.4, "healthy"), (47.3, "healthy")]
)
def test_one_polite_end_at_a_known_timers_age_is_no_proof_of_health(
    age: float, answer: str
) -> None:
    """RocketChat/Rocket.Chat#7786: a server's heartbeat closes with 1000, 30 s after the open."""
    rows = [row("open", 0.0, "a", SERVER), row("close", age, "a", SERVER, code=1000)]
    assert ids(explain(from_rows(rows))) == [answer]


def test_healthy_from_one_place_is_less_sure() -> None:
    rows = [r for r in healthy() if r["source"] == "wire.pcap"]
    (only,) = explain(from_rows(rows))
    assert (only.id, only.confidence) == ("healthy", 0.6)


def test_what_cannot_show_an_end_shows_no_health() -> None:
    """A HAR tells of messages, and of no close."""
    case = from_rows([r for r in healthy() if r["source"] == "wire.pcap"])
    said = [
        explain(msgspec.structs.replace(case, formats={"wire.pcap": each}))[0].id
        for each in ("har", "pcap")
    ]
    assert said == ["thin-evidence", "healthy"]


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [row("server_start", 0, None, SERVER), row("memory", 5, None, SERVER, bytes=1)],
        [row("open", n, f"ab{n}0", SERVER) for n in range(3)],
        [r for n in range(3) for r in life(f"*{n}", n, n + 31 * (n + 1), source=PROXY)],
    ],
)
def test_absence_of_evidence_is_not_health(rows: list[dict]) -> None:
    """Nothing, a server alone, opens without ends, an access log without codes."""
    assert ids(explain(from_rows(rows))) == ["thin-evidence"]


@pytest.mark.parametrize(
    ("codes", "name"),
    [
        ((1001, 1000, 1001, 1001), "healthy"),
        ((1001, 1000, 1001), "thin-evidence"),  # of the fourth end nobody tells
        ((1001, 1000, 1001, 1012), "thin-evidence"),
    ],
)
def test_ends_of_which_a_servers_log_tells_what_they_were(
    codes: tuple[int, ...], name: str
) -> None:
    """An access log has the same connections without codes, and nothing ties the two."""
    rows = []
    for n in range(4):
        rows += life(f"*{n}", 40.0 * n, 40.0 * n + 21 * (n + 1), source=PROXY)
    for n, code in enumerate(codes):
        ended = 40.0 * n + 21 * (n + 1) + 7
        rows += life(f"ab{n}0", 40.0 * n + 7, ended, source=SERVER, code=code, by="c2s")
    assert explain(from_rows(rows))[0].id == name


@pytest.mark.parametrize(
    ("codes", "name"),
    [
        ((1000, 1001, 1000, 1001), "healthy"),
        ((1000, 1001, 1000), "thin-evidence"),
        ((1000, 1001, 1000, 1011), "thin-evidence"),
    ],
)
def test_ends_in_order_of_which_a_server_tells_the_codes_alone(
    codes: tuple[int, ...], name: str
) -> None:
    """A proxy logs that all ended in order, which a server that dies does as well; the server's
    log has a code for each, and no words for the openings."""
    rows = []
    for n in range(4):
        ended = 40.0 * n + 21 * (n + 1)
        rows += [
            row("open", 40.0 * n, f"*{n}", PROXY),
            row("end", ended, f"*{n}", PROXY, reason="----"),
        ]
    for n, code in enumerate(codes):
        rows.append(row("close", 40.0 * n + 21 * (n + 1) + 7, None, SERVER, code=code))
    assert explain(from_rows(rows))[0].id == name


def test_a_fault_that_no_cause_fits_is_unknown() -> None:
    rows = []
    for n in range(4):
        rows += life(f"w{n}", 3 * n, 100 + 31 * n, code=4242, key=f"k{n}")
        rows += life(f"ab{n}0", 3 * n, 100 + 31 * n, source=SERVER, code=4242, key=f"k{n}")
    (only,) = explain(from_rows(rows))
    assert only.id == "unknown"
    assert only.findings
    assert "abnormal-close" in only.root_cause


def test_a_fault_seen_from_one_place_is_thin() -> None:
    rows = [r for n in range(4) for r in life(f"c0{n}", n, 60 + 13 * n, source=CLIENT, code=1006)]
    (only,) = explain(from_rows(rows))
    assert only.id == "thin-evidence"
    assert "packet capture" in only.root_cause
    assert "client's own log" not in only.root_cause


def test_an_answer_is_never_missing_and_never_1006() -> None:
    for rows in ([], life("c00", 0, 9, source=CLIENT, code=1006), life("a", 0, 9)):
        (first, *_) = explain(from_rows(rows))
        assert first.id
        assert first.root_cause
        assert first.fix
        assert first.prevention


# -- the package's own causes ----------------------------------------


def restart(clients: int = 8, **how: object) -> list[dict]:
    rows = [row("server_stop", 59.9, None, SERVER, reason="Shutting down")]
    for n in range(clients):
        known = {"user": f"user-{n}", "key": f"k{n}"}
        rows += life(f"w{n}", 0.4 * n, 60 + 0.01 * n, code=1012, **known)
        rows += life(f"ab{n}0", 0.4 * n, 60 + 0.01 * n, source=SERVER, code=1012, key=f"k{n}")
        rows += life(f"x{n}", 62 + 0.3 * n, stops=200, user=f"user-{n}")
    return rows


def test_a_restart() -> None:
    assert ids(explain(from_rows(restart())))[0] == "server-restart"


def test_tokens_that_expire_together_are_no_restart() -> None:
    rows = []
    for n in range(8):
        known = {"expires": at(60), "token": f"token-{n}", "key": f"k{n}"}
        rows += life(f"w{n}", n, 60 + 0.01 * n, code=4401, reason="token expired", **known)
    assert ids(explain(from_rows(rows))) == ["token-expired-midstream"]


def test_a_proxys_timer_is_the_proxys() -> None:
    rows = []
    for n in range(3):
        rows += proxied(f"c{n}", 5.0 * n, 80 + 17.0 * n)
        for leg in ("front", "back"):
            rows += chat(f"c{n}-{leg}", [5.0 * n + 1, 20 + 17.0 * n], ms=0.0)
    (first, *_) = explain(from_rows(rows, "nginx"))
    assert first.id == "proxy-idle-timeout"
    assert "proxy_read_timeout" in first.fix
    assert "60" in first.root_cause


def test_one_dead_client_is_no_blocked_server() -> None:
    rows = []
    for n in range(4):
        rows += life(f"w{n}", 0.5 * n, None if n else 80.0, code=1011, stops=None if not n else 200)
        beats = range(20, 60 if not n else 200, 20)
        rows += pings(f"w{n}", [t + 0.01 * n for t in beats])
    rows += pings("w0", [60.0], pong_ms=None)
    rows += [row("retransmit", 60.2 + 0.2 * 2**k, "w0", dir="s2c") for k in range(6)]
    found = ids(explain(from_rows(rows)))
    assert found[0] == "peer-gone"
    assert "event-loop-blocked" not in found


def test_a_sure_cause_of_one_stands_behind_a_possible_one_of_all_others(library: Library) -> None:
    library(cause("sure", "a", confidence=0.95, decisive=True), cause("possible", "b"))
    few, many = finding("a", sessions=["s1"]), finding("b", sessions=[f"t{n}" for n in range(8)])
    assert ids(explain(from_findings(few, many))) == ["possible", "sure"]
    evenly = finding("a", sessions=["s1", "s2", "s3"]), finding("b", sessions=["t1", "t2", "t3"])
    assert ids(explain(from_findings(*evenly))) == ["sure", "possible"]


@pytest.mark.parametrize(("tried", "named"), [(62.0, True), (20.0, False)])
def test_refusals_before_a_token_expired_are_of_another_one(tried: float, named: bool) -> None:
    rows = life("a", 0, 60, code=4401, reason="token expired", by="s2c", source=SERVER)
    rows += [row("rejected", tried, "b", SERVER, code=401)]
    found = ids(explain(from_rows(rows, only=["token-expiry", "handshake-rejected"])))
    assert ("expired-token-reused" in found) is named
    assert "token-expired-midstream" in found


def test_a_session_that_the_server_ended_is_no_displaced_one_for_sure() -> None:
    said = life("a", 0, 60, source=SERVER, code=1000, reason="server namespace disconnect")
    rows = [r | {"code": None} for r in said]
    (found, *_) = explain(from_rows(rows, only=["abnormal-close"]))
    assert (found.id, found.word) == ("session-displaced", "possible")
    assert "newer one ended the older" not in found.root_cause


@pytest.mark.parametrize(("refused", "first"), [(120, "unknown"), (20, "limit")])
def test_a_cause_that_explains_nothing_beside_hundreds_of_refusals(
    library: Library, refused: int, first: str
) -> None:
    library(cause("limit", "a", confidence=0.95, decisive=True))
    told = finding("a", sessions=[], vantages=("proxy",))
    many = [f"s{n}" for n in range(refused)]
    stray = finding("handshake-rejected", sessions=many, vantages=("proxy",))
    assert ids(explain(from_findings(told, stray)))[0] == first
    library(cause("limit", "a", brings=("handshake-rejected",), confidence=0.95, decisive=True))
    assert ids(explain(from_findings(told, stray))) == ["limit"]


def test_what_was_logged_at_one_wave_is_nothing_against_another(library: Library) -> None:
    doubt = Against(all=["mass-close:started"], factor=0.5, because="a server started")
    library(cause("reload", "mass-close:stopped", confidence=0.9, decisive=True, against=(doubt,)))
    apart = finding("mass-close", "stopped"), finding("mass-close", "started")
    assert explain(from_findings(*apart))[0].against == []
    together = finding("mass-close", "stopped", "started")
    assert explain(from_findings(together))[0].against == ["a server started"]


@pytest.mark.parametrize(("reason", "healthy"), [("----", True), ("cD--", False)])
def test_a_proxy_that_says_that_nobody_cut_a_session_short(reason: str, *, healthy: bool) -> None:
    rows = [
        r | ({"reason": reason} if r["kind"] == "end" else {})
        for n in range(3)
        for r in life(f"*{n}", 500 + n, 500 + n + 31 * (n + 1), source=PROXY)
    ]
    rows += [
        r for n in range(5) for r in life(f"ab{n}0", n, n + 40 + 9 * n, source=SERVER, code=1000)
    ]
    assert (ids(explain(from_rows(rows))) == ["healthy"]) is healthy
