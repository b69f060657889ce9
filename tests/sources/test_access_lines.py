"""Access lines: a refusal on a path that opens WebSockets in the same log is a handshake's."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from tests.sources.test_line_silence import assert_same, item_of
from wsdiag.config import Config
from wsdiag.event import EVENTS
from wsdiag.sources import text_log
from wsdiag.sources.formats.line_format import Format, all_formats

ACCESS = [made for made in all_formats() if made.document.access]


@pytest.fixture(params=ACCESS, ids=lambda made: made.id)
def lines(request: pytest.FixtureRequest) -> list[str]:
    """A format's own: `/live` opens; then a GET of it is refused, of another path, and a POST."""
    made: Format = request.param
    return next(one.lines for one in made.document.sample if any("/live" in at for at in one.lines))


def _read(tmp_path: Path, lines: list[str]) -> pl.DataFrame:
    path = tmp_path / "proxy.log"
    path.write_text("".join(f"{line}\n" for line in lines))
    assert_same(item_of(path))
    events = text_log.read(item_of(path), Config()).events.lazy().collect()
    assert events.columns == EVENTS.names()
    return events


def test_a_refusal_on_a_path_that_opens_is_a_handshakes(tmp_path: Path, lines: list[str]) -> None:
    events = _read(tmp_path, lines)
    refused = events.filter(events["pos"] == 2)
    assert set(events["pos"]) == {1, 2}
    assert set(events["name"]) == {"/live"}
    assert refused["kind"].to_list()[-1] == "rejected"
    assert refused["code"].to_list()[-1] in {401, 403, 502, 503, 504, 522}


def test_the_same_is_none_where_nothing_opens(tmp_path: Path, lines: list[str]) -> None:
    assert _read(tmp_path, lines[1:]).is_empty()


def test_an_answer_to_a_poll_on_such_a_path_is_none(tmp_path: Path, lines: list[str]) -> None:
    polled = [line.replace("room=8", "transport=polling&room=8") for line in lines]
    events = _read(tmp_path, polled)
    assert events.filter(events["pos"] == 2)["kind"].to_list() == ["response"]
    assert set(events["pos"]) == {1, 2}


def test_a_post_is_no_handshake_whatever_its_path_is_called(
    tmp_path: Path, lines: list[str]
) -> None:
    named = [line.replace("/live", "/ws") for line in lines]
    events = _read(tmp_path, named)
    assert set(events["pos"]) == {1, 2}
    assert _read(tmp_path, named[1:]).filter(kind="rejected")["name"].to_list() == ["/ws"]


def test_what_an_application_tells_itself_is_not_counted_twice(tmp_path: Path) -> None:
    at = '{"time":"2026-11-22T23:45:%02dZ",%s}'
    asked = '"msg":"request","method":"GET","path":"%s","status":%d'
    said = '"msg":"websocket handshake rejected","path":"/ws","status":%d'
    statuses = [("/ws", 101), ("/ws", 401), ("/ws", 502), ("/api", 502), ("/wsx", 400)]
    requests = [asked % request for request in statuses]
    records = [at % (n, text) for n, text in enumerate(requests)]
    alone = _read(tmp_path, records)
    assert alone.select("kind", "code").rows() == [
        ("open", None),
        ("rejected", 401),
        ("rejected", 502),
    ]
    beside = _read(tmp_path, [*records, at % (9, said % 401)])
    assert beside.select("pos", "kind", "code").rows() == [
        (1, "open", None),
        (3, "rejected", 502),
        (6, "rejected", 401),
    ]


TUNNEL = (
    "10.8.4.31:52100 [11/Mar/2025:08:12:40.118] ws_in ws_be/ws1 0/0/1/9/61500 101 48211 - - ---- "
    '41/41/40/20/0 0/0 "GET /live HTTP/1.1"'
)
OF_A_DATABASE = (
    "10.8.4.32:52101 [11/Mar/2025:08:12:41.118] pg_in pg_be/db1 1/2/3600004 4821 cD 4/4/4/2/0 0/0"
)


@pytest.mark.parametrize(("beside", "places"), [([TUNNEL], {1}), ([], {1})])
def test_a_tcp_connection_is_no_websocket_where_others_are(
    tmp_path: Path, beside: list[str], places: set[int]
) -> None:
    """One HAProxy logs its WebSockets with `option httplog`, its database with `option tcplog`."""
    events = _read(tmp_path, [*beside, OF_A_DATABASE])
    assert set(events["pos"]) == places
    assert ("timeout" in events["kind"].to_list()) is not bool(beside)


@pytest.mark.parametrize(
    ("line", "peer"),
    [
        ('10.0.0.7:5001 [TIME] "GET /live HTTP/1.1" 101 3 rt=9.1 up=10.0.0.9:96', "10.0.0.7:5001"),
        ('10.0.0.7 push.test:80 - [TIME] "GET /live HTTP/1.1" 101 3 "-" "-" 17', None),
        ('10.0.0.7 10.0.0.5:80 - [TIME] "GET /live HTTP/1.1" 101 3 "-" "-" 17', None),
        ('[TIME] 10.0.0.7 "GET /live HTTP/1.1" 101 3 15.283 10.0.0.9:9602', None),
    ],
)
def test_neither_host_nor_backend_is_the_client(
    tmp_path: Path, line: str, peer: str | None
) -> None:
    events = _read(tmp_path, [line.replace("TIME", "22/Nov/2026:23:46:36 +0000")])
    assert events["peer"].unique().to_list() == [peer]
