"""Times as logs write them, and how instants are made of them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsdiag.sources.line import stamps
from wsdiag.sources.line.clock import Clock
from wsdiag.sources.line.stamps import Lacks

CHANGED = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("line", "stated", "lacks"),
    [
        ("2026-11-22T23:45:36.5Z x", "2026-11-22T23:45:36.500000+00:00", ""),
        ("2026-11-22 23:45:36,500 DEBUG x", "2026-11-22T23:45:36.500000", ""),
        ("2025-03-11 10:01:00.004 Z x", "2025-03-11T10:01:00.004000+00:00", ""),
        ("[2026-11-22 23:44:32 +0100] [25230] [INFO] x", "2026-11-22T23:44:32+01:00", ""),
        ("2026-11-22T23:50:33-0500 web1", "2026-11-22T23:50:33-05:00", ""),
        ("2026/11/22 23:45:36 [info] x", "2026-11-22T23:45:36", ""),
        ("2026-11-22T23:45:36Z: x", "2026-11-22T23:45:36+00:00", ""),
        ("2026-11-22T23:45:36+01:00: x", "2026-11-22T23:45:36+01:00", ""),
        ("[Nest] 4242  - 11/22/2026, 11:45:36 PM     LOG x", "2026-11-22T23:45:36", ""),
        ("11/22/2026 9:45:36 AM - x", "2026-11-22T09:45:36", ""),
        ("22/11/2026 23:45:36 | INFO  | x", "2026-11-22T23:45:36", ""),
        ("[22/11/2026 23:45:36.250] x", "2026-11-22T23:45:36.250000", ""),
        ("11/22/2026 23:45:36 x", "2026-11-22T23:45:36", ""),
        ("11/11/2026 23:45:36 x", "2026-11-11T23:45:36", ""),
        ("05/11/2026 23:45:36 x", "1904-01-01T23:45:36", "date"),  # of May, or of November?
        ("31/13/2026 23:45:36 x", None, ""),
        ("22/11 23:45:36,250 [W1] x", "1904-11-22T23:45:36.250000", "year"),
        ("11/22 23:45:36 x", "1904-11-22T23:45:36", "year"),
        ("05/11 23:45:36 x", "1904-01-01T23:45:36", "date"),
        ("22.11.2026 23:45:36 x", "2026-11-22T23:45:36", ""),
        ("server 2025/03/11 10:00:20.104882 Error", "2025-03-11T10:00:20.104882", ""),
        ("22/Nov/2026:23:45:36 +0000", "2026-11-22T23:45:36+00:00", ""),
        ("2026-11-22 01:45:36 PM x", "2026-11-22T13:45:36", ""),
        ("2026-11-22 01:45:36.5 am +0100 x", "2026-11-22T01:45:36.500000+01:00", ""),
        ("Sun 22-Nov-2026 12:45:36 AM W x", "2026-11-22T00:45:36", ""),
        ("22-Nov-2026 23:45:36 pmap x", "2026-11-22T23:45:36", ""),
        ("22-Nov-2026 23:45:36.500 INFO [main] x", "2026-11-22T23:45:36.500000", ""),
        ("=ERROR REPORT==== 22-Nov-2026::23:45:36.500102 ===", "2026-11-22T23:45:36.500102", ""),
        ("=CRASH REPORT==== 22-Nov-2026::23:45:36 ===", "2026-11-22T23:45:36", ""),
        ("Nov 22, 2026 1:45:36 AM io.vertx.core.impl.X", "2026-11-22T01:45:36", ""),
        ("Nov 22 23:45:37 haproxy", "1904-11-22T23:45:37", "year"),
        ("Oct 29 07:13:58: [ERROR] x", "1904-10-29T07:13:58", "year"),
        ("03-11 10:00:04.512 1604 1672 D OkHttp: x", "1904-03-11T10:00:04.512000", "year"),
        ("WARN [03-11|10:00:04.512] x", "1904-03-11T10:00:04.512000", "year"),
        ("WARN[03-11|10:00:04] x", "1904-03-11T10:00:04", "year"),
        ("23-03-11 10:00:04.512 INFO x", "2023-03-11T10:00:04.512000", ""),
        ("25-06-18 10:00:04,512 INFO x", "2025-06-18T10:00:04.512000", ""),
        ("18-06-25 10:00:04 INFO x", "2025-06-18T10:00:04", ""),
        ("25-06-24 10:00:04 INFO x", "2025-06-24T10:00:04", ""),  # as ISO 8601 has it
        ("25/06/24 10:00:04 INFO x", "1904-01-01T10:00:04", "date"),  # the year, or the day?
        ("25/06/10 10:00:04 INFO TaskSetManager: x", "2025-06-10T10:00:04", ""),
        ("[31/10/25 08:49:07:058 GMT] ERROR x", "2025-10-31T08:49:07.058000+00:00", ""),
        ("10-11-12-13 10:00:04 x", None, ""),
        ("[2025-6-10 21:41:04] [eWeLink] x", "2025-06-10T21:41:04", ""),
        ("[2025-10-5 5:01:38] x", "2025-10-05T05:01:38", ""),
        ("[12/31 16:12:25:461] [INFO] x", "1904-12-31T16:12:25.461000", "year"),
        ("31/12 16:12:25.461 x", "1904-12-31T16:12:25.461000", "year"),
        ("04/09 09:56:23.238893 x", "1904-01-01T09:56:23.238893", "date"),
        ("[Mio-Chat][05:25:38.463][WARN] x", "1904-01-01T05:25:38.463000", "date"),
        ("13 Apr 14:15:23 - [info] x", "1904-04-13T14:15:23", "year"),
        ("Mär  8 21:50:31 srv2 x", "1904-03-08T21:50:31", "year"),
        ("févr. 01 08:35:45 talk x", "1904-02-01T08:35:45", "year"),
        ("dic 24 08:35:45 talk x", "1904-12-24T08:35:45", "year"),
        ("mars rover 08:35:45 x", None, ""),
        (
            "6.501acaca.chunk.js:2 [2025-04-06T12:23:18.319Z] x",
            "2025-04-06T12:23:18.319000+00:00",
            "",
        ),
        ("<app> INFO: 2025/02/24 10:16:53.200854 x", "2025-02-24T10:16:53.200854", ""),
        ("10:00:04: [retry] x", "1904-01-01T10:00:04", "date"),
        ("10:00:04:ab:cd:ef joined", None, ""),
        ("app: [socket] INFO 2025-03-11 10:00:04.5: x", "2025-03-11T10:00:04.500000", ""),
        ("I0311 03:00:00.310000 7 c.go:1] x", "1904-03-11T03:00:00.310000", "year"),
        ("[I 261122 23:45:18 web:2591] 101", "2026-11-22T23:45:18", ""),
        ("[W 18:52:31.904 NotebookApp] x", "1904-01-01T18:52:31.904000", "date"),
        ("[12:34:56.789] ws", "1904-01-01T12:34:56.789000", "date"),
        ("| 12:54:24 PM | Glasses", "1904-01-01T12:54:24", "date"),
        ("1:05:06 PM x", None, ""),
        ("12:08PM WRN x", "1904-01-01T12:08:00", "date"),
        ("9:45AM INF x", "1904-01-01T09:45:00", "date"),
        ("meet at 9:45AM", None, ""),
        ("13:08PM x", None, ""),
        ("12:00:00 AM x", "1904-01-01T00:00:00", "date"),
        ("[Sun Nov 22 23:45:56.295636 2026] [x]", "2026-11-22T23:45:56.295636", ""),
        ("[Sun Nov 22 2026 23:45:56 GMT+0100 (CET)] x", "2026-11-22T23:45:56+01:00", ""),
        ("Nov 22, 2026 11:45:36 PM x", "2026-11-22T23:45:36", ""),
        ("[1:2:1122/235233.270775:INFO:CONSOLE:7] x", "1904-11-22T23:52:33.270775", "year"),
        ("1741687200: New client", "2025-03-11T10:00:00+00:00", ""),
        ("1795391433.906000 web1", "2026-11-22T23:50:33.906000+00:00", ""),
        ("[ActionCable] opened 1795391921667", "2026-11-22T23:58:41.667000+00:00", ""),
        ("closed clients=4 at 2025-03-11T01:04:02Z", "2025-03-11T01:04:02+00:00", ""),
        ('time="2025-03-11T05:02:48Z" level=x', "2025-03-11T05:02:48+00:00", ""),
        ("level=error ts=2025-03-11T05:02:48Z x", "2025-03-11T05:02:48+00:00", ""),
        ("[log] [2026-11-22T23:57:31.183Z] x", "2026-11-22T23:57:31.183000+00:00", ""),
        ("the token expires at 2026-01-01T00:00:00Z soon", None, ""),
        ("meeting at 10:00:00 today", None, ""),
        ("2026-13-45 23:45:36 x", None, ""),
        ("Feb 30 23:45:37 x", None, ""),
        ("", None, ""),
    ],
)
def test_find(line: str, stated: str | None, lacks: str) -> None:
    stamp = stamps.find(line)
    assert (stamp.at.isoformat() if stamp else None) == stated
    if stamp:
        assert stamp.lacks == lacks


@pytest.mark.parametrize(
    ("value", "stated"),
    [
        (1795391136.567, "2026-11-22T23:45:36.567000+00:00"),
        (1795391136567, "2026-11-22T23:45:36.567000+00:00"),
        ("1795391433906000", "2026-11-22T23:50:33.906000+00:00"),
        (1795391433906000123, "2026-11-22T23:50:33.906000+00:00"),
        ("22/Nov/2026:23:45:36 +0000", "2026-11-22T23:45:36+00:00"),
        (True, None),
        (-5, None),
        (float("inf"), None),
        (float("nan"), None),
        (["x"], None),
    ],
)
def test_of_value(value: object, stated: str | None) -> None:
    stamp = stamps.of_value(value)
    assert (stamp.at.isoformat() if stamp else None) == stated


@pytest.mark.parametrize(
    ("text", "step"),
    [("2026-11-22T23:45:36Z", 1000), ("2026-11-22T23:45:36.5Z", 1), ("12:00:00.123456", 0.001)],
)
def test_resolution(text: str, step: float) -> None:
    stamp = stamps.parse(text)
    assert stamp is not None
    assert stamp.resolution_ms == step


def test_no_zone_is_the_zone_of_the_settings() -> None:
    clock = Clock("Europe/Paris", CHANGED, None)
    assert _read(clock, "2026-11-22 23:45:36") == "2026-11-22T22:45:36+00:00"
    assert clock.remarks() == ["times carry no zone; taken as Europe/Paris"]


def test_an_hour_that_daylight_saving_skips_does_not_raise() -> None:
    clock = Clock("Europe/Paris", CHANGED, None)
    assert _read(clock, "2026-03-29 02:30:00") == "2026-03-29T01:30:00+00:00"


def test_an_unknown_zone_is_utc() -> None:
    assert _read(Clock("Mars/Olympus", CHANGED, None), "2026-11-22 23:45:36").endswith(
        "23:45:36+00:00"
    )


@pytest.mark.parametrize(
    ("changed", "known", "line", "year"),
    [
        ("2026-11-23", None, "Nov 22 23:45:37", 2026),
        ("2026-01-02", None, "Dec 31 23:59:59", 2025),
        ("2026-01-02", None, "Jan  1 00:00:01", 2026),
        ("2026-11-23", "2019-06-01", "Jun  2 00:00:01", 2019),
        ("2026-11-23", "2019-12-31", "Jan  1 00:00:01", 2020),
        ("2026-03-01", None, "Feb 29 10:00:00", None),
    ],
)
def test_the_year(changed: str, known: str | None, line: str, year: int | None) -> None:
    full = datetime.fromisoformat(known).replace(tzinfo=UTC) if known else None
    clock = Clock("UTC", datetime.fromisoformat(changed).replace(tzinfo=UTC), full)
    instant = clock.instant(stamps.find(line))
    assert (instant.year if instant else None) == year


def test_a_day_passes_at_midnight_and_stays_for_late_lines() -> None:
    clock = Clock("UTC", CHANGED, None)
    days = [_read(clock, t)[8:10] for t in ("23:59:58", "00:00:01", "23:59:59", "00:00:02")]
    assert days == ["23", "24", "23", "24"]
    assert "no date" in clock.remarks()[1]


def test_a_line_without_a_time_takes_the_last() -> None:
    clock = Clock("UTC", CHANGED, None)
    assert clock.instant(None) is None
    first = clock.instant(stamps.find("2026-11-22T23:45:36Z"))
    assert clock.instant(None) == first


def test_the_future_is_remarked() -> None:
    clock = Clock("UTC", CHANGED, None)
    _read(clock, "2999-11-22T23:45:36Z")
    assert "future" in clock.remarks()[0]


@given(st.text(max_size=200))
def test_any_text(line: str) -> None:
    stamp = stamps.find(line)
    Clock("UTC", CHANGED, None).instant(stamp)
    if stamp:
        assert 0 <= stamp.start <= stamp.end <= len(line)
        assert stamp.lacks in set(Lacks)


@given(st.from_regex(r"[0-9]{4}[-/][0-9]{2}[-/][0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}.{0,12}"))
def test_any_digits(line: str) -> None:
    instant = Clock("UTC", CHANGED, None).instant(stamps.find(line))
    assert instant is None or instant.utcoffset() is not None


def _read(clock: Clock, text: str) -> str:
    instant = clock.instant(stamps.find(text))
    assert instant is not None
    return instant.isoformat()
