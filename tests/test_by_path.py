"""Targets by path: each connection is judged by what its path promises."""

from __future__ import annotations

from story import row, story

from wsdiag import detectors
from wsdiag.targets import Goals, Targets

LENIENT = Targets(connect_ms=1000.0)


def handshake(conn: str, ms: float, path: str | None) -> list[dict[str, object]]:
    return [
        row("attempt", 0, conn, vantage="client", source="client.log", name=path),
        row("open", ms / 1000, conn, vantage="client", source="client.log", name=path, code=101),
    ]


def said(rows: list[dict[str, object]], *paths: tuple[str, Targets]) -> tuple[str, str, list[int]]:
    chosen = {"connect-latency": detectors.DETECTORS["connect-latency"]}
    found, (verdict,) = detectors.judge(story(rows), Goals(paths=paths), chosen)
    return verdict.verdict.value, verdict.why, found["count"].to_list()


def test_a_slow_path_with_its_own_target_is_no_breach() -> None:
    rows = [*handshake("a", 700, "/live/admin"), *handshake("b", 20, "/live")]
    assert said(rows)[::2] == ("breach", [1])
    verdict, why, counts = said(rows, ("*/admin", LENIENT))
    assert (verdict, counts) == ("pass", [])
    assert why == (
        "p95 700.0 ms of 1 handshakes on */admin, target 1000 ms; "
        "p95 20.0 ms of 1 handshakes on other paths, target 100 ms"
    )


def test_the_others_are_judged_as_before() -> None:
    rows = [*handshake("a", 700, "/live/admin"), *handshake("b", 300, "/live")]
    verdict, why, counts = said(rows, ("*/admin", LENIENT))
    assert (verdict, counts) == ("breach", [1])
    assert why.startswith("1 of 1 handshakes on other paths above 100 ms")


def test_the_first_path_that_fits_counts_and_no_path_has_the_defaults() -> None:
    rows = [*handshake("a", 700, "/live/admin"), *handshake("b", 20, None)]
    strict = ("/live/*", Targets(connect_ms=10.0))
    assert said(rows, ("*/admin", LENIENT), strict)[0] == "pass"
    verdict, why, _ = said(rows, strict, ("*/admin", LENIENT))
    assert verdict == "breach"
    assert "on /live/* above 10 ms" in why


def test_what_no_group_measured_is_not_applicable() -> None:
    assert said([], ("*/admin", LENIENT))[0] == "not-applicable"
