"""HAR exports as events."""

from __future__ import annotations

import base64
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsdiag import redact, sources
from wsdiag.config import Config
from wsdiag.event import EVENTS
from wsdiag.evidence import InputFile, Reading
from wsdiag.sources import har

SHARED = Path(__file__).parents[3] / "shared"
MITMPROXY = SHARED / "corpus" / "har" / "mitmproxy"
PLAYWRIGHT = SHARED / "real-logs" / "chromium" / "playwright.har"
STARTED = datetime(2026, 11, 22, 23, 50, 33, 500_000, tzinfo=UTC)
KEY = "dGhlIHNhbXBsZSBub25jZQ=="


def as_input(path: Path) -> InputFile:
    return InputFile(name=path.name, path=path, sha256="", bytes=path.stat().st_size)


def read(content: object, folder: Path) -> Reading:
    path = folder / "network.har"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return har.read(as_input(path), Config())


def entry(
    *messages: dict[str, Any],
    status: int = 101,
    url: str = "wss://example.test/ws?user=alice&token=s3cr3tvalue",
    time: float = 40.0,
    **response: str,
) -> dict[str, Any]:
    return {
        "startedDateTime": "2026-11-22T23:50:33.500Z",
        "time": time,
        "request": {
            "method": "GET",
            "url": url,
            "headers": [{"name": "Sec-WebSocket-Key", "value": KEY}],
        },
        "response": {"status": status, **response},
        "_resourceType": "websocket",
        "_webSocketMessages": list(messages),
    }


def log(*entries: object) -> dict[str, Any]:
    return {"log": {"version": "1.2", "creator": {"name": "x"}, "entries": list(entries)}}


def at(seconds: float) -> float:
    return (STARTED + timedelta(seconds=seconds)).timestamp()


def sent(seconds: float, data: str, opcode: int = 1) -> dict[str, Any]:
    return {"type": "send", "time": at(seconds), "opcode": opcode, "data": data}


def received(seconds: float, data: str, opcode: int = 1) -> dict[str, Any]:
    return {**sent(seconds, data, opcode), "type": "receive"}


def test_a_connection(tmp_path: Path) -> None:
    plain = {
        "request": {"method": "GET", "url": "https://example.test/"},
        "response": {"status": 200},
        "startedDateTime": "",
    }
    binary = base64.b64encode(b"\x00\x01\x02").decode()
    talk = entry(
        sent(0.1, '{"type":"subscribe","id":1,"topic":"orders:42"}'),
        received(0.2, binary, opcode=2),
        received(9.0, "grüße"),
    )
    reading = read(log(plain, talk, plain), tmp_path)
    assert (reading.format, reading.vantage, reading.unread_lines) == ("har", "client", 0)
    assert reading.events.schema == EVENTS
    shown = [
        {name: value for name, value in row.items() if value is not None}
        for row in reading.events.drop("vantage", "source").iter_rows(named=True)
    ]
    conn = {"conn": "entry 2"}
    who = {
        **conn,
        "key": KEY,
        "name": "/ws",
        "user": redact.user("alice"),
        "token": redact.token("s3cr3tvalue"),
    }

    def ts(seconds: float) -> datetime:
        return STARTED + timedelta(seconds=seconds)

    assert shown == [
        {"ts": ts(0), "pos": 2, "kind": "attempt", **who},
        {"ts": ts(0.04), "pos": 2, "kind": "open", "dir": "s2c", "code": 101, "ms": 40.0, **who},
        {
            "ts": ts(0.1),
            "pos": 3,
            "kind": "message",
            "dir": "c2s",
            "bytes": 47,
            "name": "subscribe",
            "topic": "orders:42",
            "trace": "1",
            **conn,
        },
        {"ts": ts(0.2), "pos": 4, "kind": "message", "dir": "s2c", "bytes": 3, **conn},
        {"ts": ts(9), "pos": 5, "kind": "message", "dir": "s2c", "bytes": 7, **conn},
        {"ts": ts(9), "pos": 5, "kind": "end", "reason": "evidence-stops", **conn},
    ]


def test_times_in_milliseconds(tmp_path: Path) -> None:
    talk = entry(sent(1.25, "x"))
    talk["_webSocketMessages"][0]["time"] *= 1000
    found = read(log(talk), tmp_path).events.filter(kind="message")
    assert found["ts"].to_list() == [STARTED + timedelta(seconds=1.25)]


def test_no_message_comes_before_the_101(tmp_path: Path) -> None:
    found = read(log(entry(sent(0.01, "x"), time=400.0)), tmp_path).events.filter(kind="open")
    assert found.select("ts", "ms").rows() == [(STARTED + timedelta(seconds=0.01), 400.0)]


@pytest.mark.parametrize(
    ("status", "failure", "kind", "code"),
    [
        (-1, "Error during WebSocket handshake: Unexpected response code: 403", "rejected", 403),
        (0, "HTTP Authentication failed; no valid credentials available", "rejected", 401),
        (503, "", "rejected", 503),
        (0, "Error in connection establishment: net::ERR_CONNECTION_REFUSED", "refused", None),
        (0, "Error in connection establishment: net::ERR_NAME_NOT_RESOLVED", "error", None),
        (-1, "Connection closed before receiving a handshake response", "error", None),
    ],
)
@pytest.mark.parametrize("field", ["_failureText", "_error"])
def test_failures(
    status: int, failure: str, kind: str, code: int | None, field: str, tmp_path: Path
) -> None:
    failed = entry(status=status, time=-1, **({field: failure} if failure else {}))
    found = read(log(failed), tmp_path).events
    assert found.select("kind", "pos", "code").rows() == [("attempt", 1, None), (kind, 1, code)]
    assert (found["reason"][1] or "") == failure[: len(found["reason"][1] or "")]
    assert found["ts"].to_list() == [STARTED, STARTED]


def test_a_connection_without_an_answer(tmp_path: Path) -> None:
    found = read(log(entry(status=0)), tmp_path).events
    assert found.select("kind", "reason").rows() == [("attempt", None), ("end", "evidence-stops")]


def test_control_frames_where_a_recorder_has_them(tmp_path: Path) -> None:
    code = base64.b64encode(b"\x11\x31token expired").decode()
    talk = entry(
        received(1, base64.b64encode(b"hi").decode(), opcode=9),
        sent(2, base64.b64encode(b"hi").decode(), opcode=10),
        received(3, code, opcode=8),
    )
    found = read(log(talk), tmp_path).events.select("kind", "dir", "code", "reason", "trace")
    assert found.rows()[2:5] == [
        ("ping", "s2c", None, None, "6869"),
        ("pong", "c2s", None, None, "6869"),
        ("close", "s2c", 4401, "token expired", None),
    ]


def test_heartbeats_of_socket_io(tmp_path: Path) -> None:
    url = "wss://example.test/socket.io/?EIO=4&transport=websocket"
    found = read(log(entry(received(1, "2"), sent(2, "3"), url=url)), tmp_path).events
    assert found.select("kind", "dir").rows()[2:4] == [("ping", "s2c"), ("pong", "c2s")]


def test_polling(tmp_path: Path) -> None:
    poll = {
        "startedDateTime": "2026-11-22T23:50:33.500Z",
        "time": 25000,
        "request": {
            "method": "GET",
            "url": "https://example.test/socket.io/?EIO=4&transport=polling",
        },
        "response": {"status": 200},
    }
    found = read(log(poll), tmp_path).events.select("kind", "name", "code", "ms", "ts").rows()
    assert found == [
        ("request", "/socket.io/", None, None, STARTED),
        ("response", "/socket.io/", 200, 25000.0, STARTED + timedelta(seconds=25)),
    ]


def sockjs(transport: str, status: int, at: str, session: str = "pepyz20q") -> dict:
    """A request of SockJS at this second of a minute."""
    return {
        "startedDateTime": f"2026-11-22T23:50:{at}Z",
        "time": 20,
        "request": {
            "method": "POST",
            "url": f"https://example.test/orders/081/{session}/{transport}?t=1795895359077",
        },
        "response": {"status": status},
    }


def test_a_session_of_sockjs_that_the_next_server_does_not_know(tmp_path: Path) -> None:
    entries = [sockjs("xhr_streaming", 200, "33.500"), sockjs("xhr_send", 404, "36.000")]
    frame = read(log(*entries), tmp_path).events
    assert frame.select("kind", "name", "code", "reason").rows() == [
        ("request", "/orders/xhr_streaming", None, None),
        ("response", "/orders/xhr_streaming", 200, None),
        ("request", "/orders/xhr_send", None, None),
        ("response", "/orders/xhr_send", 404, "SockJS: session not found"),
    ]
    assert "pepyz20q" not in frame.write_csv()


@pytest.mark.parametrize(
    "entries",
    [
        pytest.param(
            [sockjs("xhr", 200, "13.500"), sockjs("xhr_send", 404, "36.000")], id="forgotten"
        ),
        pytest.param(
            [sockjs("xhr", 200, "33.500", "other"), sockjs("xhr_send", 404, "34.000")],
            id="another-session",
        ),
        pytest.param([sockjs("xhr", 200, "33.500"), sockjs("xhr", 404, "34.000")], id="a-poll"),
        pytest.param([sockjs("xhr", 200, "33.500"), sockjs("xhr_send", 500, "34.000")], id="500"),
    ],
)
def test_what_is_no_unknown_session_of_sockjs(entries: list[dict], tmp_path: Path) -> None:
    assert read(log(*entries), tmp_path).events["reason"].drop_nulls().is_empty()


def test_nothing_secret_becomes_a_column(tmp_path: Path) -> None:
    talk = entry(sent(1, '{"type":"login alice@example.com","id":"sk_live_1234567890abcdef"}'))
    text = read(log(talk), tmp_path).events.write_csv()
    for secret in ("s3cr3tvalue", "alice", "sk_live_1234567890abcdef"):
        assert secret not in text


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'{"log": {"entries": [',
        b'{"log": {}}',
        b'{"log": 5}',
        b"[]",
        b"\xff\xfe\x00",
        b"[" * 100_000,
    ],
)
def test_what_is_not_a_whole_har(content: bytes, tmp_path: Path) -> None:
    reading = read(content, tmp_path)
    assert (len(reading.events), reading.unread_lines, len(reading.remarks)) == (0, 1, 1)
    assert reading.remarks[0].startswith("not a whole HAR")


def test_bad_entries_and_messages_are_counted_and_the_rest_is_used(tmp_path: Path) -> None:
    talk = entry({"type": "send", "time": "noon"}, sent(1, "x"))
    reading = read(log({"request": 5}, "text", talk), tmp_path)
    assert reading.unread_lines == 3
    assert reading.events["kind"].to_list() == ["attempt", "open", "message", "end"]
    assert reading.events["pos"].to_list() == [3, 3, 5, 5]


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    content = b"\xef\xbb\xbf" + json.dumps(log(entry())).encode()
    assert har.sniff(content[:100], "x") == 1.0
    assert read(content, tmp_path).unread_lines == 0


def test_sniff() -> None:
    assert har.sniff(b'{ "log" : {"version":"1.2","creator":{}}}', "x.json") == 1.0
    assert har.sniff(b'{"events":[]}', "network.har") == 0.8
    assert har.sniff(b'{"log":"a line of some logger"}', "app.log") == 0.0
    assert har.sniff(b"2026-01-01 INFO", "network.har") == 0.0


def test_excerpt(tmp_path: Path) -> None:
    path = tmp_path / "network.har"
    path.write_text(json.dumps(log(entry(sent(1, "hello"), received(2, "AAEC", 2)))))
    found = har.excerpt(as_input(path), [2], context=1)
    assert list(found) == [1, 2, 3]
    assert found[1].startswith("2026-11-22T23:50:33.500Z GET wss://example.test/ws?user=alice")
    assert found[1].endswith(f"→ 101 Sec-WebSocket-Key: {KEY}")
    assert found[2].endswith("send opcode 1 5 bytes hello")
    assert found[3].rstrip().endswith("receive opcode 2 3 bytes")


VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["request", "response", "status", "url", "headers", "time", "type", "data"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@given(st.lists(VALUES, max_size=3), VALUES, VALUES, VALUES)
@settings(max_examples=100, deadline=None)
def test_odd_values_never_raise(
    tmp_path_factory: pytest.TempPathFactory,
    entries: list[object],
    message: object,
    time: object,
    status: object,
) -> None:
    odd = entry(sent(1, "x"))
    odd["_webSocketMessages"] += [message, {**sent(1, "x"), "time": time, "opcode": status}]
    odd["time"], odd["startedDateTime"] = time, time
    odder = entry()
    odder["response"]["status"] = status
    folder = tmp_path_factory.mktemp("odd")
    reading = read(log(*entries, odd, odder), folder)
    assert reading.events.schema == EVENTS
    har.excerpt(as_input(folder / "network.har"), [1, 3], 2)


@pytest.mark.skipif(not MITMPROXY.is_dir(), reason="the public exports are not beside the checkout")
def test_public_exports() -> None:
    events = har.read(as_input(MITMPROXY / "websocket.har"), Config()).events
    kinds = Counter(events["kind"].to_list())
    assert kinds == {"attempt": 3, "open": 3, "message": 5, "end": 3}
    per_conn = events.filter(kind="message").group_by("conn", maintain_order=True).len()
    assert per_conn["len"].to_list() == [1, 1, 3]
    assert events.filter(kind="open")["key"].n_unique() == 3
    assert har.read(as_input(MITMPROXY / "firefox.har"), Config()).events.is_empty()


@pytest.mark.skipif(
    not PLAYWRIGHT.is_file(), reason="the recorded browser is not beside the checkout"
)
def test_a_recorded_browser() -> None:
    content = json.loads(PLAYWRIGHT.read_bytes())["log"]["entries"]
    sockets = [item for item in content if item.get("_resourceType") == "websocket"]
    reading = har.read(as_input(PLAYWRIGHT), Config())
    kinds = Counter(reading.events["kind"].to_list())
    assert reading.unread_lines == 0
    assert kinds["attempt"] == len(sockets)
    assert kinds["open"] == sum(item["response"]["status"] == 101 for item in sockets)
    assert kinds["message"] == sum(len(item.get("_webSocketMessages") or []) for item in sockets)
    assert kinds["attempt"] == kinds["open"] + kinds["rejected"] + kinds["refused"] + kinds["error"]
    texts = [item["response"].get("_failureText") or "" for item in sockets]
    codes = sorted(int(text[-3:]) for text in texts if "Unexpected response code" in text)
    codes += [401 for text in texts if text.startswith("HTTP Authentication failed")]
    assert sorted(reading.events.filter(kind="rejected")["code"]) == sorted(codes)


@pytest.mark.parametrize(
    ("method", "messages", "kind"),
    [
        ("CONNECT", [], "open"),
        ("GET", [{"type": "send", "time": at(1), "opcode": 1, "data": "x"}], "open"),
        ("GET", [], "rejected"),
    ],
)
def test_over_http_2_the_answer_is_200(
    method: str, messages: list[dict[str, Any]], kind: str, tmp_path: Path
) -> None:
    one = entry(*messages, status=200)
    one["request"]["method"] = method
    assert kind in read(log(one), tmp_path).events["kind"]


def test_headers_may_be_taken_out(tmp_path: Path) -> None:
    """A sanitised export of a browser, and what Safari and Charles leave out."""
    one = entry(sent(1, "x"))
    del one["request"]["headers"], one["_resourceType"]
    events = read(log(one), tmp_path).events
    assert events["kind"].to_list() == ["attempt", "open", "message", "end"]
    assert events["key"].null_count() == len(events)


def test_firefox_and_safari_leave_messages_out(tmp_path: Path) -> None:
    """The entries that their exporters write for a WebSocket, and a remark on what is not there."""
    firefox = {
        "startedDateTime": "2026-11-22T23:50:33.500+00:00",
        "request": {"method": "GET", "url": "wss://example.test/ws", "headers": []},
        "response": {"status": 101, "statusText": "Switching Protocols", "headers": []},
        "cache": {},
        "timings": {"blocked": 0, "dns": 1, "connect": 2, "ssl": 5, "send": 0, "wait": 9},
        "time": 17,
        "_securityState": "secure",
        "connection": "443",
        "pageref": "page_1",
    }
    safari = firefox | {
        "time": 21.5,
        "timings": {"blocked": 1, "dns": -1, "connect": -1, "ssl": -1, "send": 0, "wait": 20.5},
        "_fetchType": "Network Load",
    }
    failed = safari | {"response": {"status": 0, "headers": [], "_error": "Could not connect"}}
    reading = read(log(firefox, safari, failed), tmp_path)
    kinds = reading.events["kind"].to_list()
    assert [kinds.count(kind) for kind in ("attempt", "open", "end", "message")] == [3, 2, 2, 0]
    assert reading.events.filter(kind="open")["ms"].to_list() == [17.0, 21.5]
    assert any("Firefox and Safari leave them out" in remark for remark in reading.remarks)
    assert reading.unread_lines == 0


def test_a_har_with_messages_has_no_such_remark(tmp_path: Path) -> None:
    assert read(log(entry(sent(1, "x"))), tmp_path).remarks == ()
    assert read(log(entry()), tmp_path).remarks == ()


@pytest.mark.parametrize("name", ["a.chls", "A.CHLSJ", "a.chlsx", "a.chlz"])
def test_a_session_of_charles_says_what_to_export(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text('[{"status": "COMPLETE", "scheme": "wss", "host": "example.test"}]')
    reading = sources.read(as_input(path), Config())
    assert (reading.format, len(reading.events)) == ("charles", 0)
    assert "export it as HAR" in reading.remarks[0]


def test_a_host_that_answers_other_requests(tmp_path: Path) -> None:
    """Told where a WebSocket to it had failed before, and only there."""
    lost = entry(status=0, _error="net::ERR_CONNECTION_REFUSED")
    page, other, gone = (
        {k: v for k, v in entry(status=status, url=url).items() if k[0] != "_"}
        for status, url in (
            (404, "https://example.test/api/price"),
            (200, "https://cdn.example.test/logo"),
            (502, "https://example.test/api/price"),
        )
    )

    def told(*entries: object) -> list[tuple[str, int]]:
        rows = read(log(*entries), tmp_path).events.lazy().collect()
        return rows.filter(rows["kind"] == "page").select("reason", "pos").rows()

    assert told(lost, page, other) == [("page served", 2)]
    assert told(page, lost, other, gone) == []
    assert told(entry(), page) == []
