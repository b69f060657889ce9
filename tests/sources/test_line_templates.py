"""What is learned from lines holds of the lines like them: row for row as each is read alone."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sources.test_line_silence import LOGS, assert_same, item_of
from wsdiag import redact
from wsdiag.config import Config
from wsdiag.sensitive.policy import Pattern, Policy
from wsdiag.sources import text_log
from wsdiag.sources.line_by_line.log_reader import LogReader
from wsdiag.sources.templates import line_template, line_tokens, shared_book, template_book
from wsdiag.sources.templates.line_template import Read, Template
from wsdiag.sources.templates.line_tokens import MARK, TOKEN
from wsdiag.sources.templates.token_fills import Tokens

STATEMENTS = [
    "{t} INFO [ws.hub] conn={id} connection open user={n} handshake={f}ms token_exp={e}",
    '{t} INFO [ws.hub] conn={id} connection closed code={code} reason="bye" duration={f}s',
    "{t} WARN ws client {peer} disconnected: code {code} after {f}s",
    '{t} DEBUG [ws.hub] conn={id} < TEXT \'{{"room":{n},"body":"{id}"}}\' [{n} bytes]'
    " latency={f}ms",
    "{t} DEBUG ws conn={id} pong latency={f}ms seq={n}",
    "{t} ERROR ws {peer} handshake failed: HTTP {code} for /rooms/{n}",
    "{t} INFO GET /api/v1/rooms/{n} HTTP/1.1 {code} {n}",
    '{{"ts":"{t}","level":"info","msg":"websocket closed","conn":"{id}","code":{code},'
    '"client":{{"ip":"{ip}","port":{n}}},"duration_ms":{f}}}',
    '{{"time":{e}000,"msg":"ping sent","ws":{{"conn_id":"{id}","n":{n}}}}}',
    "{t} app[{n}]: backpressure on socket {id}: buffered={n} bytes",
    "{t} INFO cache warmed in {f}ms, {n} rows",
    "Traceback (most recent call last):",
    "    await websocket.send(data{n})",
    "websockets.exceptions.ConnectionClosedError: sent {code} (unexpected error)",
    "KeyError: 'n{n}'",
    "{t} ERROR could not apply what viewer #{n} drew",
    "{t} INFO websocket client {n} disconnected code=1011",
    "INFO:     connection closed",
    # Some of one message with a head and without, which are one thing told twice.
    "websocket client connected user=bob",
    "{t} INFO websocket client connected user=bob",
    "websocket client {n} disconnected code={code}",
    "{s} web1 chat[{n}]: websocket ping sent conn={id}",
    "{s} web1 chat[{n}]: websocket client disconnected conn={id} code={code}",
    "[Nest] {n}  - 11/22/2026, {h}:04:{ss} {half} LOG [WsGateway] websocket pong received id={id}",
    "22.11.2026 10:00:{ss} websocket client disconnected id={id} code={code}",
    "[Sun Nov 22 10:00:{ss} 2026] websocket ping sent id={id}",
    '{{"level":"info","ts":{e}.{n},"msg":"websocket ping sent","conn":"{id}"}}',
]
IDS = st.one_of(
    st.text("0123456789abcdef", min_size=12, max_size=12),
    st.text("0123456789", min_size=1, max_size=13),
    st.sampled_from(
        ["closed17a", "ws-1-timeout", "e5", "0", "1006", "dead-beef-1", "K9_x-Qw3zAAAB1"]
    ),
    st.sampled_from(["AKIA2OSFODNN7EXAMPLE", "ghp_4kd8sj2Kd8", "x9" * 20, "sk-4kd8sj2Kd8aa"]),
    st.uuids().map(str),
)
NUMBERS = st.one_of(
    st.integers(0, 70_000).map(str),
    st.sampled_from(["1006", "404", "101", "389", "5432", "25", "007", "1741774680", "9" * 25]),
)
FRACTIONS = st.one_of(
    st.floats(0, 400).map(lambda one: f"{one:.2f}"), st.sampled_from(["0.00", "0.5", "12", "1e3"])
)
CODES = st.sampled_from(["1000", "1001", "1006", "4401", "404", "503", "101", "200", "99", "70000"])
HOSTS = st.sampled_from(["10.0.0.7", "93.184.216.34", "127.0.0.1", "300.1.2.3", "203.0.113.80"])


DAYS = st.sampled_from(["22", "22", "22", "27", "28", "29", " 2", "31"])
"""Of the month; the year of some depends on the hour at which the file was changed."""


@st.composite
def logs(draw: st.DrawFn) -> list[str]:
    """Lines of a few statements, in any order, with values of many forms."""
    statements = draw(st.lists(st.sampled_from(STATEMENTS), min_size=1, max_size=4))
    lines = []
    for second in range(draw(st.integers(20, 60))):
        at = f"2026-11-22T10:{second // 60:02}:{second % 60:02}.{draw(st.integers(0, 999)):03}Z"
        host = draw(HOSTS)
        port = draw(st.sampled_from(["", ":0", ":50123", ":65536", ":443"]))
        known = {"t": at, "e": str(1_795_341_600 + second), "ip": host, "peer": host + port}
        known |= {
            "s": f"Nov {draw(DAYS)} 10:{second // 60:02}:{second % 60:02}",
            "ss": f"{second % 60:02}",
            "h": str(draw(st.integers(0, 13))),
            "half": draw(st.sampled_from(["AM", "PM"])),
        }
        lines.append(draw(st.sampled_from(statements)).format_map(_Values(draw, known)))
    return lines


class _Values(dict[str, str]):
    """Draws a new value wherever a statement asks for one."""

    def __init__(self, draw: st.DrawFn, known: dict[str, str]) -> None:
        super().__init__(known)
        self._draw = draw

    def __missing__(self, name: str) -> str:
        kinds = {"id": IDS, "n": NUMBERS, "f": FRACTIONS, "code": CODES}
        return self._draw(kinds[name])


@settings(max_examples=25, deadline=None)
@given(logs())
def test_generated_lines(tmp_path_factory: pytest.TempPathFactory, lines: list[str]) -> None:
    path = tmp_path_factory.mktemp("logs") / "app.log"
    path.write_text("\n".join(lines) + "\n")
    assert_same(item_of(path), learn_at=3)


@settings(max_examples=15, deadline=None)
@given(st.lists(logs(), min_size=2, max_size=3))
def test_generated_logs_of_one_book(
    tmp_path_factory: pytest.TempPathFactory, texts: list[list[str]]
) -> None:
    """What one log taught holds of the next."""
    folder = tmp_path_factory.mktemp("logs")
    with shared_book.shared():
        for number, lines in enumerate(texts):
            path = folder / f"app-{number}.log"
            path.write_text("\n".join(lines) + "\n")
            assert_same(item_of(path), learn_at=3)


def test_recorded_logs_of_one_book() -> None:
    with shared_book.shared():
        for path in LOGS[::3]:  # each of them by itself: test_line_silence.py
            if text_log.is_text(path.read_bytes()[:65536]):
                assert_same(item_of(path))


def test_a_second_log_teaches_nothing_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [f"2026-11-22T10:00:00.{n:03}Z INFO ws {n:03x} pong after {n}ms" for n in range(900)]
    items = [item_of(written(tmp_path / name, iter(lines))) for name in ("one", "two")]
    learned: list[str] = []

    def learn(skeleton: str, seen: Sequence[Tokens], read: Read) -> Template | None:
        learned.append(skeleton)
        return line_template.learned(skeleton, seen, read)

    monkeypatch.setattr(template_book, "learned", learn)
    with shared_book.shared():
        for item in items:
            text_log.read(item, Config())
    assert len(learned) == 1
    text_log.read(items[0], Config())
    assert len(learned) == 2


def written(tmp_path: Path, lines: Iterator[str]) -> Path:
    tmp_path.mkdir(exist_ok=True)
    path = tmp_path / "app.log"
    path.write_text("\n".join(lines) + "\n")
    return path


HEADS = {
    "ISO 8601": "2026-11-22 10:{minute:02}:{second:02},{ms:03} INFO",
    "syslog": "Nov 22 10:{minute:02}:{second:02} web1 chat[4242]:",
    "American": "11/22/2026, 10:{minute:02}:{second:02} AM",
    "kubectl": "2026-11-22T10:{minute:02}:{second:02}.{ms:03}456789Z",
}


def busy(chance: random.Random, many: int, head: str = HEADS["ISO 8601"]) -> Iterator[str]:
    """Lines of one connection after the other, as an application writes them."""
    for n in range(many):
        at = head.format(minute=n // 6000 % 60, second=n // 100 % 60, ms=n % 100 * 10)
        conn = f"{chance.randrange(1 << 48):012x}"
        if n % 10 == 0:
            yield f"{at} [ws.hub] conn={conn} connection open user={chance.randrange(99_999)}"
        elif n % 10 == 9:
            yield f"{at} [ws.hub] conn={conn} connection closed code=1001 duration={n}.5s"
        else:
            took = chance.random() * 99
            yield f"{at} [ws.hub] conn={conn} message sent latency={took:.1f}ms"


@pytest.mark.parametrize("head", HEADS)
def test_most_lines_are_not_read_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, head: str
) -> None:
    """To learn takes the reading of some thousand lines, and then it is used."""
    alone: list[str] = []
    line = LogReader.line

    def noted(self: LogReader, raw: str, pos: int, whole: bool = True) -> None:
        alone.append(raw)
        line(self, raw, pos, whole)

    monkeypatch.setattr(LogReader, "line", noted)
    path = written(tmp_path, busy(random.Random(3), 40_000, HEADS[head]))
    reading = text_log.read(item_of(path), Config())
    assert reading.lines is not None
    assert reading.lines.parsed == 40_000
    assert len(alone) < 8_000


@pytest.mark.parametrize(
    ("line", "skeleton"),
    [
        ("conn=e0e341d906d8 took 36.5ms", "conn=~ took ~ms"),
        ("2026-11-22 10:00:00,500 peer 10.0.0.7:4000", "~ peer ~"),
        ('[22/Nov/2026:23:45:39 +0000] "GET /ws"', '[~] "GET /ws"'),
        ("id 550e8400-e29b-41d4-a716-446655440000 closed", "id ~ closed"),
        ("token=eyJhbGciOi.eyJzdWIi.c2ln sid=K9x_Qw-3zAAAB1", "token=~ sid=~"),
        ("the websocket was closed, deadbeef", "the websocket was closed, deadbeef"),
    ],
)
def test_skeletons(line: str, skeleton: str) -> None:
    assert pl.Series([line]).str.replace_all(TOKEN, MARK)[0] == skeleton.replace("~", MARK)


@given(IDS | NUMBERS | FRACTIONS.filter(lambda text: "e" not in text) | HOSTS)
def test_others_are_of_the_same_form(token: str) -> None:
    form = line_tokens.form(token)
    assert re.fullmatch(form, token)
    assert all(re.fullmatch(form, other) for other in line_tokens.others(token))


def test_ids_that_are_shown_otherwise_when_they_are_long(tmp_path: Path) -> None:
    ids = [f"{n:x}c" * (40 if n % 7 == 0 else 3) for n in range(16, 90)]
    lines = (f"2026-11-22 10:00:01,500 INFO ws conn={one} pong latency=3.5ms" for one in ids)
    assert_same(item_of(written(tmp_path, lines)), learn_at=3)


def test_a_secret_among_ids_of_its_form(tmp_path: Path) -> None:
    chance, secret = random.Random(4), "AKIA2OSFODNN7EXAMPLE"
    ids = ["Q7" + "".join(chance.choices("BDFGHJ23456789", k=18)) for _ in range(1500)]
    ids[1234] = secret
    lines = (
        f"2026-11-22 10:00:01,500 INFO ws conn={one} connection open channel=room-{one}"
        for one in ids
    )
    item = item_of(written(tmp_path, lines))
    assert_same(item)
    shown = text_log.read(item, Config()).events.write_csv()
    assert ids[0] in shown
    assert secret not in shown


def test_a_pattern_of_the_user_hides_in_all_lines(tmp_path: Path) -> None:
    own = Policy(patterns=(Pattern(name="ticket", match=r"Q7\d{3}"),))
    numbers = [6_000 + n % 999 for n in range(1_500)]
    numbers[1_234] = 7_123
    lines = (
        f"2026-11-22 10:00:01,500 INFO ws conn=Q{n} connection open channel=room-Q{n}"
        for n in numbers
    )
    item = item_of(written(tmp_path, lines))
    with redact.hiding(own):
        assert_same(item)
        assert "Q7123" not in text_log.read(item, Config()).events.write_csv()
