"""Sentences: what applications and client libraries write, and what must not be taken for it."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from wsdiag import redact
from wsdiag.event import EVENTS, events
from wsdiag.sources.context.only_if import ONLY_IF, OnlyIf
from wsdiag.sources.line.field_pairs import split_fields
from wsdiag.sources.prose import vocabulary
from wsdiag.sources.prose.sentences import rows_of, speaks_as_client

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJib2IiLCJleHAiOjE3OTU0MDAwMDB9.c2lnbmF0dXJlLW9mLWl0"
EXPIRY = datetime.fromtimestamp(1795400000, UTC)

# message, fields, and for each expected row the columns that matter.
SAID: list[tuple[str, dict[str, object], list[dict[str, object]]]] = [
    # -- what a dialler says of the other side, and what an answer was --
    (
        "websocket proxy: dial tcp 10.42.68.36:8080: getsockopt: no route to host",
        {},
        [{"kind": "refused"}],
    ),
    (
        "websocket read error: read tcp 10.0.0.1:50->10.0.0.9:80: no route to host",
        {},
        [{"kind": "error"}],
    ),
    ("dial tcp 10.42.68.36:5432: connect: no route to host (postgres)", {}, []),
    (
        "websocket connect err: websocket: could not find connection header with token 'upgrade'",
        {},
        [{"kind": "rejected", "code": 400}],
    ),
    (
        "Error dialing dev.example: websocket: bad handshake with resp: 200 200 OK",
        {},
        [{"kind": "rejected", "code": 200}],
    ),
    ("failed: websocket: bad handshake, status code: 403", {}, [{"kind": "rejected", "code": 403}]),
    (
        "Can't connect: Http(Response { status: 400, version: HTTP/1.1, headers: {}, body: None })",
        {},
        [{"kind": "rejected", "code": 400}],
    ),
    ("Response { status: 400, version: HTTP/1.1, headers: {}, body: None }", {}, []),
    ("WebSocket: HTTP error: 403 Forbidden", {}, [{"kind": "rejected", "code": 403}]),
    ("REST call failed: HTTP error: 404 Not Found", {}, []),
    ("HTTP session closed, session expired after 30m", {}, []),
    (
        "ws conn=7 closed: token expired",
        {},
        [{"kind": "end", "conn": "7", "reason": "closed: token expired"}],
    ),
    ("ws conn=7 closed: invalid token", {}, [{"kind": "end", "reason": "invalid token"}]),
    ("ws conn=7 closed, read ECONNRESET", {}, [{"kind": "end"}]),
    ("token expired; database connection closed", {}, []),
    ("Authenticate response: status:FAILURE", {}, [{"kind": "rejected"}]),
    ("Authenticate response: status:SUCCESS", {}, []),
    ("POST http://chat.socket.io/ [HTTP/1.1 400 Bad Request 33ms]", {}, []),
    ("Failed all reconnect attempts (5)", {}, [{"kind": "error"}]),
    ("All reconnection attempts succeeded", {}, []),
    (
        "Channel shutting down with message: access token has expired",
        {},
        [{"kind": "auth", "reason": "shutting down with message: access token has expired"}],
    ),
    (
        'It was most likely caused due to an unsupported subprotocol "graphql-ws" requested by the '
        "client.",
        {},
        [{"kind": "rejected"}],
    ),
    ('the unsupported subprotocol "mqtt" is listed in the manual', {}, []),
    (
        'Received "disconnect" (reason: too_many_websockets) message - will attempt reconnect',
        {},
        [{"kind": "rejected", "reason": "too_many_websockets"}],
    ),
    (
        "Failed to reconnect to the Socket Mode server: Failed to connect to the Socket Mode API "
        "endpoint. (status: 429, error: ratelimited)",
        {},
        [{"kind": "rejected", "code": 429}],
    ),
    ("Failed to connect to the billing API endpoint. (status: 429)", {}, []),
    (
        "Invalid session Vfa5Ul5cdE23LNbpAAAD (further occurrences of this error will be logged "
        "with level INFO)",
        {},
        [{"kind": "error", "reason": "Invalid session"}],
    ),
    (
        "SSL error: unable to get local issuer certificate (preverify_ok=0;err=20;depth=2)",
        {},
        [{"kind": "error", "reason": "unable to get local issuer certificate"}],
    ),
    ("lws_ssl_get_error: 0xb11ca2c0 -1 -> 2 (errno 11)", {}, []),
    (
        "JS Allocation failed - process out of memory",
        {},
        [{"kind": "server_stop"}],
    ),
    (
        "** (exit) exited in: Phoenix.Endpoint.CowboyWebSocket.resume()",
        {},
        [{"kind": "error"}],
    ),
    ("** (exit) exited in: GenServer.call(Mailer, :send, 5000)", {}, []),
    (
        "shutting down websocket connection: Error Domain=NSPOSIXErrorDomain Code=60 "
        '"Operation timed out" UserInfo={_kCFStreamErrorCodeKey=60}',
        {},
        [{"kind": "error", "reason": "Operation timed out"}],
    ),
    (
        'websocket failed: Error Domain=NSPOSIXErrorDomain Code=61 "Connection refused"',
        {},
        [{"kind": "refused"}],
    ),
    ('photo upload: Error Domain=NSURLErrorDomain Code=-1001 "The request timed out."', {}, []),
    (
        "Received bad response code from server: 401.",
        {},
        [{"kind": "rejected", "code": 401}],
    ),
    (
        "HubException: The server closed the connection with the following error: Connection "
        "closed with an error. InvalidDataException: The maximum message size of 32768B was "
        "exceeded. The message size can be configured in AddHubOptions.",
        {},
        [{"kind": "close", "dir": "s2c"}],
    ),
    ("Shutting down", {}, [{"kind": "server_stop"}]),
    ("Shutting down the server", {}, [{"kind": "server_stop"}]),
    ("shutting down the channel of room:1", {}, []),
    # -- homes, brokers, nodes, calls --
    ("WebSocket was closed. Reason [1006]", {}, [{"kind": "close", "code": 1006}]),
    (
        "API-WS: disconnected from ws://198.51.100.1:9944: 1006:: connection failed",
        {},
        [{"kind": "close", "code": 1006}],
    ),
    (
        "ConnectionClosed in SyncClient._listening with code 1011: no audio",
        {},
        [{"kind": "close", "code": 1011, "reason": "no audio"}],
    ),
    ("code: 1006,", {}, [{"kind": "close", "code": 1006}]),
    ("New IDENTIFIED websocket state from signald DISCONNECTED", {}, [{"kind": "end"}]),
    ("WebSocket state changed from CONNECTING to OPEN", {}, [{"kind": "open"}]),
    ("Accepting Rocket WS connection from 203.0.113.9", {}, [{"kind": "open"}]),
    ("Got 'ws' WebSockets handshake", {}, [{"kind": "open"}]),
    ("got invalid websocket handshake from 203.0.113.9", {}, []),
    (
        "<0.4623.0> accepting Web MQTT connection <0.4623.0> (172.17.0.1:556 -> 172.17.0.2:156)",
        {},
        [{"kind": "open", "conn": "0.4623.0"}],
    ),
    (
        "<0.4623.0> closing Web MQTT connection <0.4623.0> (172.17.0.1:556 -> 172.17.0.2:156)",
        {},
        [{"kind": "end", "conn": "0.4623.0"}],
    ),
    ("Client 8tW8aN64SiIAwDAYBSXr has RTT of 76 ms (76.6ms)", {}, [{"kind": "pong"}]),
    ("10.0.0.7 has RTT of 76 ms", {}, []),
    (
        "Unable to build WebSocket connection WS Error <Capacity>: "
        "Unable to add another connection to the event loop.",
        {},
        [{"kind": "rejected"}],
    ),
    ("WS Error <Protocol>: Unable to parse WebSocket key.", {}, [{"kind": "rejected"}]),
    ("Did not receive X-Remoting-Capability header", {}, [{"kind": "rejected"}]),
    ("Connecting to proxy", {"url": "wss://r.example/v3/connect"}, [{"kind": "attempt"}]),
    ("Connecting to proxy", {"url": "http://proxy.example:3128"}, []),
    ("Start secure connection: wss://203.0.113.133:80/ws", {}, [{"kind": "attempt"}]),
    ("Signaling: Connecting WS ws://localhost", {}, [{"kind": "attempt"}]),
    (
        "Websocket Error: Client network socket disconnected before secure TLS connection was "
        "established",
        {},
        [{"kind": "error", "reason": "disconnected before secure TLS connection was established"}],
    ),
    ("http: concurrent write to websocket connection (GET /ws HTTP/1.1", {}, [{"kind": "error"}]),
    ("panic: concurrent write to websocket connection", {}, [{"kind": "server_stop"}]),
    ("throw er; // Unhandled 'error' event", {}, [{"kind": "server_stop"}]),
    ("triggerUncaughtException(err, true /* fromPromise */);", {}, [{"kind": "server_stop"}]),
    ("process.on('uncaughtException', handler)", {}, []),
    ("Closing websocket server", {}, []),
    (
        "ws: did not receive audio data or text within the timeout window",
        {},
        [{"kind": "timeout"}],
    ),
    ("Try to connect", {}, [{"kind": "attempt"}]),
    ("Try to connect again later", {}, []),
    (
        "jsonrpsee_server::server: Too many connections. Please try again later.",
        {},
        [{"kind": "rejected", "reason": "Too many connections. Please try again later"}],
    ),
    ("mysqld: Too many connections. Please try again later.", {}, []),
    ("Error: Unexpected server response: 200", {}, [{"kind": "rejected", "code": 200}]),
    ("unexpected response: 200", {}, []),
    (
        "(WS) Closed /127.0.0.1:39418 with exit code 1006 additional info: ",
        {},
        [{"kind": "close", "code": 1006}],
    ),
    ("worker closed with exit code 1", {}, []),
    ("WebSocket for Bot 3766189156 closed by peer", {}, [{"kind": "end", "conn": "3766189156"}]),
    (
        "No clients have pinged for 30s, closing socket",
        {},
        [{"kind": "heartbeat_timeout", "reason": "No clients have pinged for 30s"}],
    ),
    # -- other languages --
    ("WebSocket 连接成功", {}, [{"kind": "open"}]),
    ("已连接到 wss://a.example/ws", {}, [{"kind": "open", "name": "/ws"}]),
    ("正在连接到 wss://a.example/ws", {}, [{"kind": "attempt", "name": "/ws"}]),
    ("WebSocket连接断开，状态码：1006，正在重连", {}, [{"kind": "close", "code": 1006}]),
    ("WebSocket 连接失败", {}, []),
    ("WebSocket 服务已关闭", {}, []),
    ("数据库连接已断开", {}, []),
    ("[ws] 心跳超时，断开连接", {}, [{"kind": "end"}, {"kind": "heartbeat_timeout"}]),
    ("节点 7 心跳超时", {}, []),
    ("WebSocketに接続しました", {}, [{"kind": "open"}]),
    ("WebSocket接続が切断されました (code 1006)", {}, [{"kind": "close", "code": 1006}]),
    ("WebSocket-Verbindung zu wss://a.example hergestellt", {}, [{"kind": "open"}]),
    ("WebSocket nicht verbunden", {}, []),
    ("Verbindung zum Server verloren, WebSocket wird neu verbunden", {}, []),
    ("Verbindung zum WebSocket-Server wurde unterbrochen", {}, [{"kind": "end"}]),
    ("Verbindung zum Drucker wurde unterbrochen", {}, []),
    ("WebSocket-Verbindung getrennt (Code 1006)", {}, [{"kind": "close", "code": 1006}]),
    ("Conectado al servidor WebSocket", {}, [{"kind": "open"}]),
    ("No conectado al servidor WebSocket", {}, []),
    ("Conexión WebSocket cerrada, código: 1001", {}, [{"kind": "close", "code": 1001}]),
    ("connexion WebSocket perdue", {}, [{"kind": "end"}]),
    ("Соединение WebSocket закрыто", {}, [{"kind": "end"}]),
    # -- what plainly fails, in the words of many libraries --
    (
        "System.Net.WebSockets.WebSocketException (0x80004005): Invalid state 'Aborted'",
        {},
        [{"kind": "error", "reason": "Invalid state 'Aborted'"}],
    ),
    ("websocket dial failed: deadline", {}, [{"kind": "error", "reason": "deadline"}]),
    ("Error: WebSocket was closed before the connection was established", {}, [{"kind": "error"}]),
    ("could not establish WebSocket connection", {}, [{"kind": "error"}]),
    (
        "a.WebSocketHandshakeException: Invalid handshake response getStatus: 302 Found",
        {},
        [
            {"kind": "rejected", "code": 302},
        ],
    ),
    (
        "Blocked websocket connection from disallowed origin https://a.example",
        {},
        [
            {"kind": "rejected", "reason": "disallowed origin https://a.example"},
        ],
    ),
    (
        "WebSocket upgrade rejected: Origin not in allowlist",
        {},
        [
            {"kind": "rejected", "reason": "Origin not in allowlist"},
        ],
    ),
    ("handle_read_frame error: websocketpp.transport:7 (End of File)", {}, [{"kind": "end"}]),
    (
        "Disconnect close local:[1006,End of File] remote:[1006]",
        {},
        [
            {"kind": "close", "code": 1006, "reason": "End of File"},
        ],
    ),
    ("Disconnect close local:[1000] remote:[1001,bye]", {}, [{"kind": "close", "code": 1001}]),
    (
        r"WebSocket error: fin=1 opcode=8 data=b'\x03\xe8closing'",
        {},
        [
            {"kind": "close", "code": 1000, "reason": "closing"},
        ],
    ),
    (
        "ws[/ws][3] error(1002): Invalid UTF-8 in text frame",
        {},
        [
            {"kind": "close", "code": 1002, "conn": "3"},
        ],
    ),
    (
        "There is already existing websocket connection for this device. Replacing.",
        {},
        [
            {"kind": "close", "reason": "already existing"},
        ],
    ),
    ("Send buffer for client '10.0.0.7:51022' is full, dropping", {}, [{"kind": "backpressure"}]),
    (
        "No data received on websocket for 60s, reconnecting",
        {},
        [
            {"kind": "heartbeat_timeout", "ms": 60000.0},
        ],
    ),
    # -- those who come and leave, in an application's own words --
    (
        "viewer #38 walked out after 10.5s, code=1001 (5 left)",
        {},
        [{"kind": "close", "code": 1001, "conn": "38"}, {"kind": "end", "ms": 10500.0}],
    ),
    (
        "participant 51ee6670 left room r1 (1012)",
        {},
        [{"kind": "close", "code": 1012, "conn": "51ee6670"}],
    ),
    (
        "valet :: parking board #6 left code=1001 boards=4",
        {},
        [{"kind": "close", "code": 1001, "conn": "6"}],
    ),
    (
        "shore hung up with 1000 'berth time used up' after 40.1 s",
        {},
        [
            {"kind": "close", "code": 1000, "reason": "berth time used up"},
            {"kind": "end", "ms": 40100.0},
        ],
    ),
    ("subscriber 4 off the line, code 1006 ", {}, [{"kind": "close", "code": 1006, "conn": "4"}]),
    ("viewer 7 gone, code=4408", {}, [{"kind": "close", "code": 4408}]),
    ("bye s0006 (1001) after 29 s", {}, [{"kind": "close", "code": 1001}, {"kind": "end"}]),
    (
        "client s0005 disconnected, code 1000, was here 1035 ms",
        {},
        [{"kind": "close", "code": 1000, "conn": "s0005"}, {"kind": "end", "ms": 1035.0}],
    ),
    ("participant 51ee6670 entered room r1", {}, [{"kind": "open", ONLY_IF: OnlyIf.IT_ENDS}]),
    ("viewer #3 walked in, board=b7 ip=10.0.0.4 (3 here now)", {}, [{"kind": "open"}]),
    ("guest left", {"seat": 4, "status": 1001}, [{"kind": "close", "code": 1001}]),
    (
        "",
        {"evt": "sock.down", "wsc": 1006, "up_ms": 5000},
        [{"kind": "close", "code": 1006}, {"kind": "end", "ms": 5000.0}],
    ),
    (
        "",
        {"what": "session_end", "sess": "s03", "why.num": 4003, "why.txt": "auth lapsed"},
        [{"kind": "close", "code": 4003, "reason": "auth lapsed"}],
    ),
    ("screen #12 (lobby) stopped watching, 1006", {}, [{"kind": "close", "code": 1006}]),
    ("viewer v1 (room-5) out 1001, 3 viewers", {}, [{"kind": "close", "conn": "v1"}]),
    (
        "watcher left",
        {"watcher_id": 22, "hall": "k2", "code": 1012},
        [{"kind": "close", "conn": "22"}],
    ),
    ("viewer left", {"viewer_id": "v-22", "code": 1001}, [{"kind": "close", "conn": "v-22"}]),
    ("watcher left", {"watcher": "west", "code": 1012}, [{"kind": "close", "code": 1012}]),
    ("watcher left", {"w": 21, "code": 1012}, [{"kind": "close", "speaker": "21"}]),
    ("watcher joined", {"w": 21}, [{"kind": "open", "speaker": "21", ONLY_IF: OnlyIf.IT_ENDS}]),
    ("watcher joined", {"watcher": 22}, [{"kind": "open", "conn": "22", ONLY_IF: OnlyIf.IT_ENDS}]),
    ("", {"evt": "sock.up", "n": 3}, [{"kind": "open", ONLY_IF: OnlyIf.IT_ENDS}]),
    # -- what a library says, in a field of whatever name --
    (
        "panel talks rubbish",
        {"fault": "WS_ERR_EXPECTED_MASK", "detail": "Invalid WebSocket frame: MASK must be set"},
        [{"kind": "error", "reason": "WS_ERR_EXPECTED_MASK"}],
    ),
    (
        "turned one away",
        {"grounds": "The token is not yet valid (nbf)"},
        [{"kind": "auth", "reason": "token is not yet valid"}],
    ),
    ("comment saved", {"body": "the websocket closed on me with 1006 again"}, []),
    ("session_end", {"goodbye": 1006, "sock": "s7"}, [{"kind": "close", "code": 1006}]),
    # -- what carries messages between servers --
    ("message bus unreachable", {}, [{"kind": "error"}]),
    ("the bus is down for maintenance", {}, []),
    (
        "could not fan out a message of member 4: Connection closed by server.",
        {},
        [{"kind": "error"}],
    ),
    (
        "fan-out stream broke: Error 111 connecting to localhost:7914. "
        "Connect call failed ('127.0.0.1', 7914).",
        {},
        [{"kind": "error", "peer": None}],
    ),
    # -- close codes, as libraries write them --
    (
        "read: websocket: close 1000 (normal): bye",
        {},
        [{"kind": "close", "code": 1000, "reason": "bye"}],
    ),
    ("read: websocket: close 4401", {}, [{"kind": "close", "code": 4401}]),
    ("Connection to socket was closed! (1006 | )", {}, [{"kind": "close", "code": 1006}]),
    (
        "Socket closed: CloseReason[1001,Idle Timeout]",
        {},
        [{"kind": "close", "code": 1001, "reason": "Idle Timeout"}, {"kind": "timeout"}],
    ),
    (
        "Websocket closed with reason Heartbeat was not answered and code 1001 by client!",
        {},
        [
            {"kind": "close", "code": 1001, "dir": "c2s"},
            {"kind": "heartbeat_timeout"},
        ],
    ),
    (
        "1006 Connection dropped by remote peer.",
        {},
        [{"kind": "close", "code": 1006}],
    ),
    (
        'closed with code 1000 and message "Idle for 61000ms > 60000ms"',
        {},
        [{"kind": "close", "code": 1000}, {"kind": "timeout", "ms": 61000.0}],
    ),
    ('Connection id "0H7D" reset.', {}, [{"kind": "end", "reason": "rst", "conn": "0H7D"}]),
    ("error: lost connection to pod", {}, [{"kind": "end"}]),
    ('WebSocket received pong from Slack server (data: "7")', {}, [{"kind": "pong"}]),
    ("posted to slack: connection closed", {}, []),
    (
        "action WS_CLIENT_DISCONNECTED @ 10:00:00.100",
        {},
        [{"kind": "end"}],
    ),
    (
        "websockets.exceptions.ConnectionClosed: code = 1009 (message too big), no reason",
        {},
        [{"kind": "close", "code": 1009}],
    ),
    (
        "Client pad-7 already connected, closing old connection.",
        {},
        [{"kind": "close", "conn": "pad-7", "reason": "already connected, closing old connection"}],
    ),
    ("Error: Close code 1006 is not valid.", {}, [{"kind": "error"}]),
    (
        'close { target: WebSocket, isTrusted: true, wasClean: true, code: 1001, reason: "" }',
        {},
        [{"kind": "close", "code": 1001}],
    ),
    (
        "CloseEvent {isTrusted: true, wasClean: false, code: 4002, reason: 'bye', type: 'close'}",
        {},
        [{"kind": "close", "code": 4002, "reason": "bye"}],
    ),
    (
        "Closing SockJS session id=k3x9, CloseStatus [code=1002, reason=null]",
        {},
        [{"kind": "close", "code": 1002, "conn": "k3x9"}],
    ),
    ("WSMessage(type=<WSMsgType.CLOSE: 8>, data=4001, extra='')", {}, [{"code": 4001}]),
    ("    Event Code     : 4004", {}, [{"kind": "close", "code": 4004}]),
    (
        'ws failed: Error Domain=NSURLErrorDomain Code=-1005 "The network connection was lost."',
        {},
        [{"kind": "end", "code": None}],
    ),
    (
        "java.net.SocketException: Software caused connection abort",
        {},
        [{"kind": "end", "reason": "rst"}],
    ),
    (
        'Connection "7f20" to the service was dropped.',
        {},
        [{"kind": "end"}],
    ),
    ("Closed a WebSocket connection (12 left)", {}, [{"kind": "end"}]),
    (
        "proxy ws: copying: read tcp 10.0.0.2:443->10.0.0.9:51022: read: connection timed out",
        {},
        [{"kind": "end", "reason": "etimedout"}],
    ),
    ("ws error: read ETIMEDOUT", {}, [{"kind": "end", "reason": "etimedout"}]),
    (
        'Request failed error="context canceled" connIndex=3 dest=https://a.example/ws type=ws',
        {},
        [{"kind": "end", "reason": None}],
    ),
    (
        'Request failed error="context canceled" connIndex=3 dest=https://a.example/ type=http',
        {},
        [],
    ),
    (
        "websocket_client: esp_transport_write() returned 0, transport_error=ESP_OK, errno=0",
        {},
        [{"kind": "end", "reason": "eof"}],
    ),
    (
        "WebSocket(8): opened",
        {},
        [{"kind": "open"}],
    ),
    ("WebSocket(7): failure  Message:", {}, [{"kind": "error"}]),
    ("upgraded websocket connection for CP01 from 203.0.113.24", {}, [{"kind": "open"}]),
    (
        "client CP01 already exists, closing duplicate client",
        {},
        [{"kind": "close", "conn": "CP01", "reason": "already exists"}],
    ),
    (
        "websocket.close",
        {"conn_id": "w7", "close_code": "GoingAway", "close_text": "client side closed socket"},
        [{"kind": "close", "code": 1001, "conn": "w7"}],
    ),
    (
        "start(ad) - Exception ConnectionClosed - error_msg: code = 1001 (going away), no reason",
        {},
        [{"kind": "close", "code": 1001}],
    ),
    (
        "AMQ229014: Did not receive data from 10.0.0.9:19598 within the 20,000ms connection TTL.",
        {},
        [{"kind": "heartbeat_timeout", "reason": "Did not receive data from"}],
    ),
    (
        "Channel was inactive for too (>30000) long: tcp://10.0.0.9:61613",
        {},
        [{"kind": "heartbeat_timeout", "ms": 30_000.0}],
    ),
    (
        "Data stall detected - no data for 90s - forcing reconnect",
        {},
        [{"kind": "heartbeat_timeout", "reason": "no data", "ms": 90_000.0}],
    ),
    (
        "Warning: No message on channel 'trade' within 60 seconds, reconnecting...",
        {},
        [{"kind": "heartbeat_timeout", "ms": 60_000.0}],
    ),
    ("no data from the meter for 30s", {}, []),
    ("no updates for 3 days", {}, []),
    ("redis: no messages for 30s, reconnecting", {}, []),
    (
        "Error { kind: WebSocket, source: Some(Protocol(ResetWithoutClosingHandshake)) }",
        {},
        [{"kind": "end", "reason": "eof"}],
    ),
    (
        'level=error msg="peer trouble" device=7 value="websocket: close 1012"',
        {},
        [{"kind": "close", "code": 1012}],
    ),
    ("http: client 10.0.0.4 disconnected before response was sent", {}, []),
    (
        "publish to room:7 failed: Error: Connection is closed.",
        {},
        [{"kind": "error", "reason": "publish to room:7 failed: Error: Connection is closed."}],
    ),
    (
        "[id: 0x5c2f9a01, L:/10.0.0.2:8080 ! R:/10.0.0.1:51234] session closed",
        {},
        [{"kind": "end", "conn": "0x5c2f9a01"}],
    ),
    ("pam_unix(sshd:session): session closed for user root", {}, []),
    ("session closed", {}, []),
    (
        "The WebSocket session [1c] timeout expired",
        {},
        [{"kind": "timeout", "conn": "1c", "reason": "timeout expired"}],
    ),
    (
        "The WebSocket session [1c] read idle timeout expired",
        {},
        [{"kind": "timeout", "conn": "1c"}],
    ),
    ("read: websocket: close 1001 (going away)", {}, [{"kind": "close", "code": 1001}]),
    (
        "read: websocket: close 1006 (abnormal closure): unexpected EOF",
        {},
        [{"kind": "close", "code": 1006, "reason": "unexpected EOF"}],
    ),
    (
        "read from 127.0.0.1:52110 failed: failed to get reader: received close frame: "
        'status = StatusNormalClosure and reason = "bye" (CloseStatus=1000)',
        {},
        [{"kind": "close", "code": 1000, "reason": "bye", "peer": "127.0.0.1:52110"}],
    ),
    (
        "APP exc ConnectionClosedError(Close(code=4401, reason='token expired')) received 4401 "
        "(private use) token expired; then sent 4401 (private use) token expired",
        {},
        [{"kind": "close", "code": 4401, "reason": "token expired", "dir": None}],
    ),
    (
        "received 1012 (service restart) restart; then sent 1012 (service restart) restart",
        {},
        [{"kind": "close", "code": 1012, "reason": "restart"}],
    ),
    (
        "sent 1011 (unexpected error) keepalive ping timeout; no close frame received",
        {},
        [
            {"kind": "close", "code": 1011, "reason": "keepalive ping timeout"},
            {"kind": "heartbeat_timeout"},
        ],
    ),
    (
        "Connection disconnected with error 'Error: WebSocket closed with status code: 1006 "
        "(no reason given).'.",
        {},
        [{"kind": "close", "code": 1006, "reason": None}],
    ),
    (
        "Connection disconnected with error 'Error: WebSocket closed with status code: 1012 "
        "(restart).'.",
        {},
        [{"kind": "close", "code": 1012, "reason": "restart"}],
    ),
    ("Websocket closed with 1006 ()", {}, [{"kind": "close", "code": 1006, "reason": None}]),
    (
        "Connection closed (code 4401): token expired - goodbye",
        {},
        [{"kind": "close", "code": 4401, "reason": "token expired"}],
    ),
    ("APP on_close 1000 bye", {}, [{"kind": "close", "code": 1000, "reason": "bye"}]),
    (
        'failing WebSocket connection (code=1009): "message exceeds payload limit"',
        {},
        [{"kind": "close", "code": 1009, "reason": "message exceeds payload limit"}],
    ),
    (
        "starlette.websockets.WebSocketDisconnect: (<CloseCode.ABNORMAL_CLOSURE: 1006>, '')",
        {},
        [{"kind": "close", "code": 1006}],
    ),
    (
        "StandardWebSocketSession[id=7f, uri=ws://h/x] closed with CloseStatus[code=1001, "
        "reason=null]",
        {},
        [{"kind": "close", "code": 1001, "reason": None, "conn": "7f"}],
    ),
    (
        "Client closed connection with status code 'EndpointUnavailable' ().",
        {},
        [{"kind": "close", "code": 1001, "dir": "c2s"}],
    ),
    (
        "server > Frame(fin=True, opcode=8, data=b'\\x0f\\xa1bye', rsv1=False)",
        {},
        [{"kind": "close", "code": 4001, "reason": "bye", "dir": "s2c"}],
    ),
    (
        "client > Frame(fin=True, opcode=9, data=b'\\x01\\x02', rsv1=False)",
        {},
        [{"kind": "ping", "trace": "0102", "dir": "c2s"}],
    ),
    ('Pusher :  : [{"type":"PusherError","data":{"code":1006}}]', {}, [{"code": 1006}]),
    # -- close codes, as applications write them --
    ("close 127.0.0.1:45650 1000 bye", {}, [{"code": 1000, "peer": "127.0.0.1:45650"}]),
    ("close 4429 slow down", {}, [{"kind": "close", "code": 4429, "reason": "slow down"}]),
    ("disconnected: 1001 going away", {}, [{"kind": "close", "code": 1001}]),
    ("ws closed code=1006 clients=88", {}, [{"kind": "close", "code": 1006, "reason": None}]),
    ("ws closed", {"code": 1006, "remote": "127.0.0.1:50000"}, [{"peer": "127.0.0.1:50000"}]),
    ("closed", {"code": 1006, "conn": "w1"}, [{"kind": "close", "code": 1006, "conn": "w1"}]),
    (
        "",
        {"event": "ws_close", "ws.close_code": 4401, "reason": "expired", "conn_id": "c1"},
        [{"kind": "close", "code": 4401, "reason": "expired", "conn": "c1"}],
    ),
    ("wsClosed", {"closeCode": 4408, "closeReason": "idle"}, [{"code": 4408, "reason": "idle"}]),
    (
        'timestamp=2026-11-22T23:50:00Z level=info event="ws closed" code=1006 client=127.0.0.1:5 '
        'reason="going away"',
        {},
        [{"kind": "close", "code": 1006, "reason": "going away", "peer": "127.0.0.1:5"}],
    ),
    (
        'onclose {code: 1006, reason: "", wasClean: false}',
        {},
        [{"kind": "close", "code": 1006, "reason": None}],
    ),
    (
        "Connection abc-12 closed: code 4401, reason: token expired",
        {},
        [{"kind": "close", "code": 4401, "reason": "token expired", "conn": "abc-12"}],
    ),
    (
        'ws close client=c04 code=1011 reason="keepalive ping timeout" wasClean=true',
        {},
        [
            {"kind": "close", "code": 1011, "reason": "keepalive ping timeout", "conn": "c04"},
            {"kind": "heartbeat_timeout"},
        ],
    ),
    ("Connection closed by client (1001)", {}, [{"code": 1001, "dir": "c2s"}]),
    ("connection closed by server (timeout)", {}, [{"reason": "timeout", "dir": "s2c"}]),
    ("sending close frame 1001", {}, [{"kind": "close", "code": 1001, "dir": None}]),
    (
        "connection closed",
        {"code": 1000, "duration_ms": 60003, "conn": "c1"},
        [{"kind": "close", "code": 1000}, {"kind": "end", "ms": 60003.0, "conn": "c1"}],
    ),
    ("disconnect: slow (3008)", {}, [{"kind": "close", "code": 3008, "reason": "slow"}]),
    ("[140201] Disconnected", {}, [{"kind": "end", "conn": "140201"}]),
    ("disconnect code=None", {}, [{"kind": "end"}]),
    ("websocket closed code=0 exc=None", {}, [{"kind": "end"}]),
    # -- socket.io's words --
    (
        "disconnect eNduu7AMSpNGLnzYAAAH client namespace disconnect undefined",
        {},
        [{"kind": "close", "dir": "c2s", "conn": "eNduu7AMSpNGLnzYAAAH"}],
    ),
    (
        "APP disconnect kGJVsiAeNoQ1xzZAAAD1 transport close",
        {},
        [{"kind": "close", "reason": "transport close", "conn": "kGJVsiAeNoQ1xzZAAAD1"}],
    ),
    (
        "kick disconnect undefined io server disconnect undefined",
        {},
        [{"kind": "close", "reason": "io server disconnect", "dir": "s2c"}],
    ),
    (
        "socket.io:client client close with reason ping timeout",
        {},
        [{"kind": "close", "reason": "ping timeout"}, {"kind": "heartbeat_timeout"}],
    ),
    (
        "client b2f7 disconnected: transport close, lifetime 4100 ms",
        {},
        [{"kind": "close", "conn": "b2f7"}, {"kind": "end", "ms": 4100.0, "conn": "b2f7"}],
    ),
    # -- ends --
    ("upgrade socket error read ECONNRESET", {}, [{"kind": "end", "reason": "rst"}]),
    (
        "read: read tcp 127.0.0.1:9401->127.0.0.1:60940: read: connection reset by peer",
        {},
        [{"kind": "end", "reason": "rst", "peer": "127.0.0.1:60940"}],
    ),
    (
        "read: read tcp 127.0.0.1:9401->127.0.0.1:60940: i/o timeout",
        {},
        [{"kind": "end", "reason": "timeout"}, {"kind": "heartbeat_timeout"}],
    ),
    ("Connection to remote host was lost. - goodbye", {}, [{"kind": "end", "reason": "eof"}]),
    ("no close frame received or sent", {}, [{"kind": "end", "reason": "eof"}]),
    (
        "read from 127.0.0.1:5001 failed: failed to get reader: failed to read frame header: EOF",
        {},
        [{"kind": "end", "reason": "eof"}],
    ),
    ("user 42 disconnected", {}, [{"kind": "end", "user": redact.user("42")}]),
    ("client disconnected", {"conn": "c1", "err": "read ECONNRESET"}, [{"reason": "rst"}]),
    ("WebSocket closed for ['127.0.0.1', 35422]", {}, [{"peer": "127.0.0.1:35422"}]),
    ("connection lost", {"logger": "app.ws", "connId": "q"}, [{"kind": "end", "conn": "q"}]),
    # -- opens --
    (
        "connection 127.0.0.1:45650 /ws/echo?token=s3cr3t&user=alice",
        {},
        [
            {
                "kind": "open",
                "peer": "127.0.0.1:45650",
                "name": "/ws/echo",
                "user": redact.user("alice"),
                "token": redact.token("s3cr3t"),
            }
        ],
    ),
    ("client connected 127.0.0.1:51000 /ws/close/4401", {}, [{"kind": "open"}]),
    ("accepted 127.0.0.1:51000 /ws/echo", {}, [{"kind": "open", "name": "/ws/echo"}]),
    (
        "WebSocket connected to ws://127.0.0.1:9081/hub-kill?id=tok-secret-7s.",
        {},
        [{"kind": "open", "name": "/hub-kill", "peer": None}],
    ),
    ("WebSocket ['127.0.0.1', 35422] open and established", {}, [{"peer": "127.0.0.1:35422"}]),
    ("RWS> open event", {}, [{"kind": "open"}]),
    ("Web Socket Opened...", {}, [{"kind": "open"}]),
    (
        "client connection established",
        {"client": "42717bb9", "transport": "websocket"},
        [{"kind": "open", "conn": "42717bb9"}],
    ),
    (
        "connect",
        {"cid": "9", "user": "bob", "token_exp": 1795400000},
        [{"kind": "open", "conn": "9", "user": redact.user("bob"), "expires": EXPIRY}],
    ),
    ("", {"type": "open", "connectionId": "L0SM9=", "handshake_ms": 45}, [{"ms": 45.0}]),
    ("ws open client=c01 user=ana@example.com ms=3.4", {}, [{"kind": "open", "ms": 3.4}]),
    # -- attempts: one for each try --
    (
        f"ws connecting client=c01 url=ws://10.9.0.10/live?token={JWT}",
        {},
        [{"kind": "attempt", "name": "/live", "token": redact.token(JWT), "expires": EXPIRY}],
    ),
    ("RWS> connect { url: 'ws://127.0.0.1:9081/kill', protocols: [] }", {}, [{"name": "/kill"}]),
    ("Reconnect attempt number 1 will start in 200 ms.", {}, [{"kind": "attempt"}]),
    ("reconnecting attempt=3 delay=1.8s", {}, [{"kind": "attempt"}]),
    ("Opening Web Socket...", {}, [{"kind": "attempt"}]),
    ("hold0 manager reconnect_attempt 2", {}, [{"kind": "attempt"}]),
    # -- refused and rejected --
    (
        "onClose: code=1002 reason=Invalid status code received: 200",
        {},
        [{"kind": "rejected", "code": 200}, {"kind": "close", "code": 1002}],
    ),
    (
        "java.net.ProtocolException: Expected HTTP 101 response but was '404 Not Found'",
        {},
        [{"kind": "rejected", "code": 404, "reason": "Not Found"}],
    ),
    (
        "Connection to 'https://rt.example.org/ws#' was not upgraded to websocket, "
        "HTTP status code: 502",
        {},
        [{"kind": "rejected", "code": 502}],
    ),
    (
        "The HTTP response from the server [403] did not permit the HTTP upgrade to WebSocket",
        {},
        [{"kind": "rejected", "code": 403}],
    ),
    (
        'http: proxy error: backend tried to switch protocol "" when "websocket" was requested',
        {},
        [{"kind": "rejected", "code": 502}],
    ),
    (
        'ERR Request failed error="Unable to reach the origin service: EOF" type=ws',
        {},
        [{"kind": "rejected", "code": 502}],
    ),
    (
        "[C7][S12] Sending local reply with details upgrade_failed",
        {},
        [{"kind": "rejected", "code": 403, "reason": "upgrade_failed"}],
    ),
    ("ws: response does not implement http.Hijacker", {}, [{"kind": "rejected"}]),
    (
        "hold0 connect_error undefined Error websocket error null desc=connect ECONNREFUSED "
        "127.0.0.1:9301",
        {},
        [{"kind": "refused", "peer": None}],
    ),
    *(  # bytes that Python never wrote so
        (f"error from callback: fin=1 opcode=8 data=b'{odd}'", {}, [{"kind": "close"}])
        for odd in ("\\xZZ", "é", "a\0b")
    ),
    (
        "tablet-4: no luck, xhr post error 400",
        {},
        [{"kind": "error", "reason": "xhr post error 400", "speaker": "tablet-4"}],
    ),
    ("[Errno 111] Connection refused - goodbye", {}, [{"kind": "refused"}]),
    ("ws connect failed client=c01 error=ECONNREFUSED", {}, [{"kind": "refused", "conn": "c01"}]),
    ("Error: Unexpected server response: 403", {}, [{"kind": "rejected", "code": 403}]),
    ('ws connect failed client=c1 error="unexpected response 502"', {}, [{"code": 502}]),
    (
        "server rejected WebSocket connection: HTTP 401",
        {},
        [{"kind": "rejected", "code": 401}],
    ),
    ("Handshake status 403 Forbidden", {}, [{"kind": "rejected", "code": 403}]),
    (
        "Failed to complete negotiation with the server: Error: Unauthorized: Status code '401'",
        {},
        [{"kind": "rejected", "code": 401}],
    ),
    (
        "WebSocket connection to 'wss://x.example/ws' failed: Error during WebSocket handshake: "
        "Unexpected response code: 502",
        {},
        [{"kind": "rejected", "code": 502, "name": "/ws"}],
    ),
    (
        "upgrade: websocket: request origin not allowed by Upgrader.CheckOrigin",
        {},
        [{"kind": "rejected", "code": 403}],
    ),
    (
        "upgrade: websocket: the client is not using the websocket protocol: 'upgrade' token not "
        "found in 'Connection' header",
        {},
        [{"kind": "rejected", "code": 400}],
    ),
    ("wsClientError Missing or invalid Sec-WebSocket-Key header", {}, [{"code": 400}]),
    (
        "handshake rejected",
        {"status": 401, "reason": "token expired", "path": "/ws?x=1", "addr": "10.1.0.7:501"},
        [{"kind": "rejected", "code": 401, "reason": "token expired", "name": "/ws"}],
    ),
    ("Request origin not allowed: https://evil.example", {}, [{"kind": "rejected"}]),
    ("engine: 'https://e.example' is not an accepted origin.", {}, [{"kind": "rejected"}]),
    # -- heartbeats --
    ("heartbeat timeout, terminating", {}, [{"kind": "heartbeat_timeout"}]),
    (
        "A pong wasn't received from the server within 5000ms",
        {},
        [{"kind": "heartbeat_timeout", "ms": None}],
    ),
    (
        "Client pad-7 has exceeded timeout, disconnecting.",
        {},
        [{"kind": "heartbeat_timeout", "conn": "pad-7", "reason": "exceeded timeout"}],
    ),
    (
        "sent ping but didn't receive pong within 30000ms (after 4 successful ping/pongs)",
        {},
        [{"kind": "heartbeat_timeout", "ms": 30000.0}],
    ),
    ("Heartbeat ACK not received in time", {}, [{"kind": "heartbeat_timeout"}]),
    (
        "Shard ID 7 has stopped responding to the gateway. Closing and restarting.",
        {},
        [{"kind": "heartbeat_timeout"}],
    ),
    ("Connection Pruned ........ 498.122", {}, [{"kind": "heartbeat_timeout"}]),
    (
        "Can't keep up, shard ID 7 websocket is 31.9s behind.",
        {},
        [{"kind": "stall", "ms": 31900.0}],
    ),
    ("no pong for 20000ms", {"conn": "c3"}, [{"kind": "heartbeat_timeout", "ms": 20000.0}]),
    (
        "ping: failed to ping: failed to wait for pong: context deadline exceeded",
        {},
        [{"kind": "heartbeat_timeout"}],
    ),
    (
        "dropping connection to peer tcp4:127.0.0.1:35422 with abort=True: WebSocket ping timeout "
        "(peer did not respond with pong in time)",
        {},
        [{"kind": "end", "peer": "127.0.0.1:35422"}, {"kind": "heartbeat_timeout"}],
    ),
    ("did not receive server activity for the last 2007ms", {}, [{"ms": 2007.0}]),
    ("client c9 missed 3 heartbeats", {}, [{"kind": "heartbeat_timeout", "conn": "c9"}]),
    ("closing stale connection c4", {}, [{"kind": "heartbeat_timeout", "conn": "c4"}]),
    (
        "TUU9UBzxNvBRB0xAAAA1: Sending packet PING data None",
        {},
        [{"kind": "ping", "conn": "TUU9UBzxNvBRB0xAAAA1"}],
    ),
    ("pong received conn=c1 rtt=12ms", {}, [{"kind": "pong", "ms": 12.0, "conn": "c1"}]),
    ("pong", {"conn": "c1", "rtt_ms": 12}, [{"kind": "pong", "ms": 12.0}]),
    ("push: phoenix heartbeat (undefined, 4) {}", {}, [{"kind": "ping"}]),
    # -- stalls, backpressure, timers, errors --
    ("event loop blocked for 5.2s", {}, [{"kind": "stall", "ms": 5200.0}]),
    ("event_loop_lag_ms=5200", {}, [{"kind": "stall", "ms": 5200.0}]),
    (
        "[info][gc] GC(7) Pause Full (Allocation Failure) 471M->463M(512M) 602.114ms",
        {},
        [{"kind": "stall", "ms": 602.114}],  # 463M is no time
    ),
    (
        "[Full GC (Ergonomics) [PSYoungGen: 2048K->0K(2560K)] 6993K->5202K(9728K), 1.25 secs]",
        {},
        [{"kind": "stall", "ms": 1250.0}],
    ),
    ("[gc,start] GC(7) Pause Full (Allocation Failure)", {}, []),  # its end tells how long
    (
        "Executing <Task pending name='Task-7' coro=<ws()>> took 2.345 seconds",
        {},
        [{"kind": "stall", "ms": 2345.0}],
    ),
    ('Heartbeat took longer than "00:00:02" at "11/22/2026"', {}, [{"ms": 2000.0}]),
    (
        "slow consumer c7: send queue full (1024 messages)",
        {},
        [{"kind": "backpressure", "conn": "c7"}],
    ),
    (
        "Buffer size 700000 bytes for session 'q9' exceeds the allowed limit 524288",
        {},
        [{"kind": "backpressure", "bytes": 700000, "conn": "q9"}],
    ),
    ("Idle timeout expired: 45000/45000 ms", {}, [{"kind": "timeout", "ms": 45000.0}]),
    (
        "Closing 1000/Idle for 61000ms > 60000ms",
        {},
        [{"kind": "close", "code": 1000}, {"kind": "timeout", "ms": 61000.0}],
    ),
    ("error 10.1.0.1:501 RangeError: Max payload size exceeded", {}, [{"kind": "error"}]),
    # -- in other languages --
    (
        "caixa-07 ligação caiu (1006), tento de novo",
        {},
        [{"kind": "close", "code": 1006, "conn": "caixa-07"}],
    ),
    ("Verbindung zum Hub verloren (1011)", {}, [{"kind": "close", "code": 1011}]),
    ("conexión cerrada: código 4001", {}, [{"kind": "close", "code": 4001}]),
    (
        "",
        {"gebeurtenis": "verbinding verbroken", "code": 1009, "reden": "te groot"},
        [{"kind": "close", "code": 1009}],
    ),
    # -- timers of their own --
    ("RTG-4 presumed idle, seat released", {}, [{"kind": "timeout", "conn": "RTG-4"}]),
    (
        "[RTG-4] feed ended by quay, 1000 no reason; dialling again",
        {},
        [{"kind": "close", "code": 1000, "conn": "RTG-4"}],
    ),
    (
        "Sat Nov 22 23:45:40 2026 - *** HARAKIRI ON WORKER 4 (pid: 7389, try: 1) ***",
        {},
        [{"kind": "stall", "reason": "HARAKIRI ON WORKER"}],
    ),
    (
        '10.1.0.1:501 - wid:7 - "v1:js:depot" - maximum payload exceeded: 70001 vs 65536',
        {},
        [{"kind": "error", "reason": "maximum payload exceeded"}],
    ),
    (
        "",
        {"gebeurtenis": "fout", "tekst": "-ERR 'Maximum Payload Violation'"},
        [{"kind": "error"}],
    ),
    (
        "The client is using an unsupported version of the Socket.IO or Engine.IO protocols",
        {},
        [{"kind": "error"}],
    ),
    ("java.io.EOFException", {}, [{"kind": "end", "reason": "eof"}]),
    ("cannot read config.yaml: java.io.EOFException", {}, []),
    (
        "It seems you are trying to reach a Socket.IO server in v2.x with a v3.x client, but they "
        "are not compatible",
        {},
        [{"kind": "error"}],
    ),
    ("read: no handler for opcode 10", {}, [{"kind": "error"}]),
    (
        "dial wss://rt.example.org/ws: x509: certificate signed by unknown authority",
        {},
        [{"kind": "error", "reason": "certificate signed by unknown authority"}],
    ),
    (
        "handle_transport_init received error: sslv3 alert certificate unknown",
        {},
        [{"kind": "error", "reason": "sslv3 alert certificate unknown"}],
    ),
    (
        "connect failed; reconnecting in 3 seconds: [Errno 101] Network is unreachable",
        {},
        [{"kind": "error", "reason": "Network is unreachable"}],
    ),
    (
        "Outgoing messages are being dropped for client pad-7.",
        {},
        [{"kind": "backpressure", "conn": "pad-7"}],
    ),
    ("accept4: too many open files", {}, [{"kind": "error", "reason": "too many open files"}]),
    ("read: websocket: bad MASK", {}, [{"kind": "error", "reason": "bad MASK"}]),
    ("WebSocket opening handshake was canceled", {}, [{"kind": "error"}]),
    ("Establishing a tunnel via proxy server failed.", {}, [{"kind": "error"}]),
    ("Unsupported upgrade request.", {}, [{"kind": "error"}]),
    ("Liveness probe failed: HTTP probe failed", {}, [{"kind": "error"}]),
    # -- credentials --
    (
        "authentication failed for client c1: jwt expired",
        {},
        [{"kind": "auth", "reason": "jwt expired", "conn": "c1"}],
    ),
    ("auth ok conn=c1 user=al token_exp=1795400000", {}, [{"kind": "auth", "expires": EXPIRY}]),
    (
        "token refreshed",
        {"user": "alice", "expires_at": "2026-11-23T02:13:20Z"},
        [{"kind": "token", "expires": EXPIRY, "user": redact.user("alice")}],
    ),
    # -- the process --
    ("listening 9201", {}, [{"kind": "server_start"}]),
    ("Started server process [123]", {}, [{"kind": "server_start"}]),
    ("Shutting down", {}, [{"kind": "server_stop"}]),
    ("SIGTERM received, closing 412 connections", {}, [{"kind": "server_stop"}]),
    ("Out of memory: Killed process 1234 (node)", {}, [{"kind": "server_stop"}]),
    ("Backend successfully reloaded.", {}, [{"kind": "reload"}]),
    ("stats", {"rss": 123456789, "heapUsed": 1}, [{"kind": "memory", "bytes": 123456789}]),
    # -- traffic with a figure --
    ("message delivered", {"conn": "c1", "latency_ms": 12.5}, [{"kind": "message", "ms": 12.5}]),
    ("ws message client=c00 type=chat.ack id=3 rtt_ms=2.9", {}, [{"kind": "message", "ms": 2.9}]),
    ("processed message in 340 ms conn=c1", {}, [{"kind": "message", "ms": 340.0}]),
    ("client c1 subscribed to room:42", {}, [{"kind": "subscribe", "topic": "room:42"}]),
    ("connect", {"conn": "c1"}, [{"kind": "open", "only_if": "it lives"}]),
    # Programs with a noun of their own for who connects.
    (
        "bidder 17 joined the room (4 present)",
        {},
        [{"kind": "open", "conn": "17", "only_if": "it ends"}],
    ),
    (
        "turnstile #8 registered (peer port 40212)",
        {},
        [{"kind": "open", "conn": "8", "only_if": "it ends"}],
    ),
    (
        "bidder 17 left the room, close code 1000 (3 present)",
        {},
        [{"kind": "close", "conn": "17", "code": 1000}],
    ),
    (
        "scanner 204 detached after 31s (status 1006); 5 attached",
        {},
        [{"kind": "close", "conn": "204", "code": 1006}, {"kind": "end", "ms": 31_000.0}],
    ),
    ("turnstile #8 deregistered, status=1006", {}, [{"kind": "close", "conn": "8", "code": 1006}]),
    (
        "desk session 1f closed: 1009 The decoded text message was too big, open=4",
        {},
        [{"kind": "close", "conn": "1f", "code": 1009}],
    ),
    (
        "[till-07] link is up took_ms=4",
        {},
        [{"kind": "open", "conn": "till-07", "only_if": "it ends"}],
    ),
    (
        "till-07 line closed (1006), dialing again",
        {},
        [{"kind": "close", "conn": "till-07", "code": 1006}],
    ),
    (
        "- member 9W7o3QqljAaCBSIpAAAA leaves: ping timeout",
        {},
        [
            {"kind": "close", "conn": "9W7o3QqljAaCBSIpAAAA", "reason": "ping timeout"},
            {"kind": "heartbeat_timeout"},
        ],
    ),
    (
        "at=stream.evict",
        {"cid": "5e4a", "code": 4401, "why": "session credential lapsed"},
        [{"kind": "close", "code": 4401, "dir": "s2c", "reason": "session credential lapsed"}],
    ),
    (
        "viewer is out",
        {"sock": "L2", "rc": 1008, "note": "ticket ran out"},
        [{"kind": "close", "conn": "L2", "code": 1008, "reason": "ticket ran out"}],
    ),
    (
        "scanner 204: no answer to our ping for 8s, giving it up",
        {},
        [{"kind": "heartbeat_timeout", "conn": "204", "ms": 8000.0}],
    ),
    ("watchdog: timer came 9955 ms late", {}, [{"kind": "stall", "ms": 9955.0}]),
    ("till-07: shop unavailable: certificate has expired", {}, [{"kind": "error"}]),
    # -- handshakes that phones, Kubernetes and Go turn down --
    (
        'WSError(type: ErrorType.upgradeError, message: "Invalid HTTP upgrade", code: 429)',
        {},
        [{"kind": "rejected", "code": 429}],
    ),
    (
        'Error Domain=WebSocket Code=404 "Invalid HTTP upgrade" UserInfo={}',
        {},
        [{"kind": "rejected", "code": 404}],
    ),
    ('Error Domain=Websocket Code=1 "Invalid HTTP upgrade"', {}, [{"kind": "rejected"}]),
    ("HTTPUpgradeError.notAnUpgrade(403)", {}, [{"kind": "rejected", "code": 403}]),
    (
        "error: unable to upgrade connection: 404 page not found",
        {},
        [{"kind": "rejected", "code": 404, "reason": "404 page not found"}],
    ),
    (
        'unable to upgrade connection: container not found ("app")',
        {},
        [{"kind": "rejected", "code": None, "reason": 'container not found ("app")'}],
    ),
    (
        "Unable to hijack the connection: the ResponseWriter doesn't support the Hijacker",
        {},
        [{"kind": "rejected"}],
    ),
    (
        "upgrade: websocket: response does not implement http.Hijacker",
        {},
        [{"kind": "rejected", "reason": "response does not implement http.Hijacker"}],
    ),
    (
        'lvl=warn msg="Request Origin is not authorized" logger=live origin=http://10.0.0.5:3000',
        {},
        [{"kind": "rejected", "code": 403, "reason": "Request Origin is not authorized"}],
    ),
    # -- the Pusher protocol --
    (
        'sends {"event":"pusher:error","data":{"message":"Over quota","code":4004}}',
        {},
        [{"kind": "close", "code": 4004, "dir": "s2c", "reason": "Over quota"}],
    ),
    (
        r'{"event":"pusher:error","data":"{\"code\":4001,\"message\":\"Unknown app key\"}"}',
        {},
        [{"kind": "close", "code": 4001, "reason": "Unknown app key"}],
    ),
    (
        "",
        {"event": "pusher:error", "data.code": 4001, "data.message": "App key k1 does not exist"},
        [{"kind": "close", "code": 4001, "dir": "s2c", "reason": "App key k1 does not exist"}],
    ),
    # -- how it ended, as libraries and programs write it --
    (
        "[139984005164640] Ann from 10.0.0.5 (Home Assistant/2026.1 (Android 15)): Disconnected: "
        "Did not receive auth message within 10 seconds",
        {},
        [
            {"kind": "close", "dir": "s2c", "conn": "139984005164640"},
            {"kind": "timeout", "ms": 10000.0},
        ],
    ),
    (
        r"receiveFrame(CLOSE@5a[len=5,fin=true,m=0]DirectByteBuffer@7f[p=0]={<<<\x03\xE9bye>>>}"
        ":{1001=SHUTDOWN,bye}, Connection$1@30) - state=SessionState@5b{OPEN,c=null}",
        {},
        [{"kind": "close", "code": 1001, "reason": "bye"}],
    ),
    (
        "Fatal|WebSocketException: The header of a frame cannot be read from the stream.",
        {},
        [{"kind": "end", "reason": "eof"}],
    ),
    (
        "stream ended",
        {"error": "failed to get reader: failed to read frame header: EOF"},
        [{"kind": "end", "reason": "eof"}],
    ),
    (
        "Ranch listener 'mqtt:ws' had connection process started with cowboy_clear:start_link/4 "
        "at <0.17.0> exit with reason: {error,remote}",
        {},
        [{"kind": "end", "conn": "0.17.0"}],
    ),
    (
        "Ranch listener http had connection process started with cowboy_clear:start_link/3 "
        "at <0.450.0> exit with reason: {{badmatch,7},[{cowboy_websocket,call,6}]}",
        {},
        [{"kind": "error", "conn": "0.450.0"}],
    ),
    (  # what is written to a socket that has gone breaks the process: its end came first
        "Ranch listener http had connection process started with cowboy_clear:start_link/3 "
        "at <0.451.0> exit with reason: {{badmatch,{error,closed}},[{cowboy_websocket,reply,3}]}",
        {},
        [{"kind": "end", "conn": "0.451.0"}],
    ),
    (
        "crasher: initial call: cowboy_clear:connection_process/4, pid: <0.450.0>, "
        "registered_name: [], error: {function_clause,[{cowboy_websocket,call,6,[]}]}",
        {},
        [{"kind": "error", "conn": "0.450.0"}],
    ),
    (
        'WebSocket send: Error Domain=NSPOSIXErrorDomain Code=57 "Socket is not connected"',
        {},
        [{"kind": "error", "reason": "Socket is not connected"}],
    ),
    (
        "/gems/actioncable-7.0/lib/action_cable/subscription_adapter/redis.rb:72:in `listen'",
        {},
        [{"kind": "error"}],
    ),
    # -- other programs --
    ("New connection to session from 203.0.113.4", {}, [{"kind": "open"}]),
    (
        "Socket error on client mqttjs_7f01, disconnecting.",
        {},
        [{"kind": "end", "conn": "mqttjs_7f01"}],
    ),
    ("Socket error on client <unknown>, disconnecting.", {}, [{"kind": "end", "conn": None}]),
    (
        'Tungstenite(Io(Os { code: 104, message: "Connection reset by peer" }))',
        {},
        [{"kind": "end", "reason": "rst"}],
    ),
    ("WebSocket from 203.0.113.4 for session closed", {}, [{"kind": "end"}]),
    (
        "Closed connection: client id 9 code 1005 reason No status code",
        {},
        [{"kind": "close", "code": 1005}],
    ),
    (
        "WebSocket disconnected reason=token_expired duration_s=3600",
        {},
        [{"kind": "close", "reason": "token_expired"}, {"kind": "end", "ms": 3600000.0}],
    ),
    ("Pusher error: cURL error 7: Failed to connect to localhost", {}, [{"kind": "refused"}]),
    # -- client libraries whose handshake fails --
    (
        "The status code of the opening handshake response is not '101 Switching Protocols'. "
        "The status line is: HTTP/1.1 302 Found",
        {},
        [{"kind": "rejected", "code": 302}],
    ),
    ("TRANSPORT_WS: Sec-WebSocket-Accept not found", {}, [{"kind": "rejected"}]),
    (
        'WebSocket protocol error: No "Upgrade: websocket" header',
        {},
        [{"kind": "rejected", "reason": 'No "Upgrade: websocket" header'}],
    ),
    ("WebSocket protocol error: Handshake not finished", {}, [{"kind": "end", "reason": "eof"}]),
    (
        "203.0.113.5 is at the maximum allowable sockets per IP, "
        "rejecting request for another websocket",
        {},
        [{"kind": "rejected", "reason": "maximum allowable sockets per IP"}],
    ),
    (
        "rejecting 203.0.113.5:4122, connection limit reached",
        {},
        [{"kind": "rejected", "reason": "connection limit reached"}],
    ),
    # -- ends in other words --
    (
        "Failed when connecting: Failed to connect to server( (code: 1006))",
        {},
        [{"kind": "close", "code": 1006}],
    ),
    (
        "WebSocket client `203.0.113.5:5465` has disconnected with code `4009` and reason: bad",
        {},
        [{"kind": "close", "code": 4009, "reason": "bad"}],
    ),
    (
        "CloseCode(4014 / Disallowed intents)",
        {},
        [{"kind": "close", "code": 4014, "reason": "Disallowed intents"}],
    ),
    ('[reason: {:remote, 1001, "bye"}]', {}, [{"kind": "close", "code": 1001, "reason": "bye"}]),
    ("exception exit: {remote,closed}", {}, [{"kind": "end", "reason": "eof"}]),
    ("Stream Errored (conflict)", {}, [{"kind": "close", "reason": "conflict", "dir": "s2c"}]),
    (
        "An error occurred (GoneException) when calling the PostToConnection operation",
        {},
        [{"kind": "end"}],
    ),
    (
        "write tcp 10.0.0.2:8080->203.0.113.5:52796: i/o timeout",
        {},
        [{"kind": "end", "reason": "timeout"}],
    ),
    (
        "WS was inactive for too long",
        {},
        [{"kind": "timeout", "reason": "WS was inactive for too long"}],
    ),
    # -- what a stack says first or last --
    (
        "SockJSSocket exception",
        {"stack_trace": "io.vertx.core.VertxException: Connection was closed\n\tat a.B.c(B:1)"},
        [{"kind": "end"}],
    ),
    (
        "websocket relay failed",
        {"exc_info": "Traceback (most recent call last):\n  x\nEOFError: unexpected EOF"},
        [{"kind": "end", "reason": "eof"}],
    ),
    ("request failed", {"trace": "4bf92f3577b34da6a3ce929d0e0e4736"}, []),
    # -- what went wrong, in the words of libraries --
    (
        "error reading from websocket: Space limit exceeded: Message too long: 21596 > 16777",
        {},
        [{"kind": "error", "reason": "Message too long: 21596 > 16777"}],
    ),
    (
        "io.netty.handler.codec.CorruptedFrameException: Max frame length of 65536 exceeded",
        {},
        [{"kind": "error"}],
    ),
    (
        "io.netty.handler.codec.CorruptedFrameException: unmasked client to server frame",
        {},
        [{"kind": "error", "reason": "unmasked client to server frame"}],
    ),
    (
        "WebSocket protocol error: Reserved bits are non-zero",
        {},
        [{"kind": "error", "reason": "WebSocket protocol error: Reserved bits are non-zero"}],
    ),
    (
        "start_send error: WebSocket protocol error: Sending after closing is not allowed",
        {},
        [{"kind": "error", "reason": "Sending after closing is not allowed"}],
    ),
    (
        "java.lang.IllegalStateException: The remote endpoint was in state [STREAM_WRITING] "
        "which is an invalid state for called method",
        {},
        [{"kind": "error"}],
    ),
    (
        "(chat) lib/chat/socket.ex:41: Chat.Socket.websocket_handle/2",
        {},
        [{"kind": "error", "reason": ".websocket_handle/2"}],
    ),
    ("[HPM] Upgrading to WebSocket", {}, [{"kind": "attempt"}]),
    ("Opening websockets listen socket on port 9001.", {}, [{"kind": "server_start"}]),
    ("Out of memory: Kill process 2211 (node) score 812", {}, [{"kind": "server_stop"}]),
    (
        "Killed process 2211 (node) total-vm:1034232kB, anon-rss:801220kB, file-rss:0kB",
        {},
        [
            {
                "kind": "server_stop",
                "reason": "Killed process 2211 (node) total-vm:1034232kB, anon-rss",
            }
        ],
    ),
]

# What the same program says once more in another layer, and schedules of tries to come.
SILENT = [
    "Verbindung zur Datenbank verloren (1006)",
    "conexión terminada en 1003 ms",
    "La connexion de 12 clients (1001) est perdue",
    "conexão com 1006 itens",
    "HARAKIRI !!! worker 4 status !!!",
    "account considered inactive since 2019",
    "Connection reconnecting because of error 'Error: WebSocket closed with status code: 1006'.",
    "HubConnection reconnected successfully.",
    "ping: failed to ping: failed to write control frame opPing: WebSocket closed: EOF",
    "client state connected -> connecting",
    "reconnecting in 3s",
    "will retry in 5000 ms",
    "reconnect after 299 milliseconds",
    "ws reconnect client=c05 attempt=1 delay=0.95s",
    "STOMP: scheduling reconnection in 300ms",
    "send PING every 1000ms",
    "RWS> next delay 1300",
    "connection handler failed",
    "Error: WebSocket is not open: readyState 3 (CLOSED)",
]

NOISE = """\
card reader connection closed unexpectedly, will retry
order 17 left warehouse 3, code=1001
pump 12 stopped, 1006 litres
order 12 went out, 1006
screen 4 left, 1000
viewer 3 left 1001 points
board 6 left, zip code=10115
opened with 1000 'points' after 5 s of loading bar for order 7
kernel: eth0: link up
unable to upgrade the database connection
too many sessions in the pool, connection rejected by redis
order rejected: too many open orders
sendto: Message too long
failed to connect to server (code: 1045)
write tcp 10.0.0.1:3306->10.0.0.2:51000: i/o timeout
the client was inactive for 3 days, mail sent
the plan could not be upgraded: Invalid plan upgrade
Opening ipv4 listen socket on port 1883.
Starting websocket server listener
crasher: initial call: cowboy_clear:init/4, pid: <0.7.0>, error: {{badmatch,{error,closed}},[]}
connection process started with esockd:start_link/3 at <0.7.0> exit with reason: {badarg,[]}
DEPRECATION: pool (called from action_cable/subscription_adapter/redis.rb:12:in `initialize')
RuntimeError at action_cable/channel/base.rb:72:in `listen_to_others'
New connection to database session from 10.0.0.5
{"event":"pusher:error","data":{"message":"Client event rejected","code":4301}}
node 3 joined the cluster
consumer 4 left group, code 1001
driver 77 finished ride, status 4512
bus line 7 is up
user 12 left team (1001)
user 12 left channel general (1001 members remain)
guest 7 checked out, code=1001
order 15 dropped, code=1001
driver 77 finished ride, code 4512
member 4 removed (1000 points)
GET /api/orders -> 500 psycopg.OperationalError: server closed the connection unexpectedly
sqlalchemy.exc.DBAPIError: connection was closed in the middle of operation
consumer: Connection to broker lost. Trying to re-establish the connection...
failed to publish post 12: title is too long
order closed
order 4401 closed by customer
ticket 4401 closed
ticket #1006 closed: going away
close price 1006.5
closing price 4400 USD
AAPL close 1006 open 1010 high 1020
closed 1500 orders in batch
Closing 4000 accounts
position closed 4400 at market
user opened the page
user 42 opened page /settings
user closed the modal
port 9000 open
door 4000 closed
connected to redis
Connected to redis at 10.0.0.5:6379
disconnected from redis
Redis connection lost, retrying in 2s
redis: connection closed
connected to postgres database orders
PostgreSQL connection established
Database connection closed
database session closed
connection to server at "db", port 5432 failed: Connection refused
connect ECONNREFUSED 127.0.0.1:5432
Error: connect ECONNREFUSED 10.0.3.7:6379
dial tcp 10.0.0.9:3306: connect: connection refused
Kafka consumer disconnected from broker 3
kafka: client has run out of available brokers: EOF
Connected to kafka cluster
rabbitmq connection closed: 320 CONNECTION_FORCED
AMQP connection reset by peer
HikariPool-1 - Connection is not available, request timed out after 30000ms
HTTP connection pool is full, discarding connection: api.example.com
Resetting dropped connection: api.stripe.com
Starting new HTTPS connection (1): api.github.com:443
GET /api/orders HTTP/1.1 200 12ms
GET /api/tickets/4401 404 in 3ms
POST /login 401 Unauthorized
request failed with status 503
upstream returned 502 for /api/cart
payment gateway returned 403 forbidden
Unauthorized access to /admin from 10.0.0.4
user 42 logged in
user alice logged out
user signed up for newsletter
user subscribed to premium plan
subscribed to kafka topic orders
token bucket refilled
tokens used: 4401
email message sent in 300 ms
processed message from queue orders in 340 ms
Message broker ready
job 1006 closed
closed its beta program
company closed 1001 stores
deal closed: 4500 EUR
PR #1009 closed
issue 4400 closed as duplicate
pam_unix(sshd:session): session closed for user root
pam_unix(sudo:session): session opened for user root by (uid=0)
sshd[1234]: Connection closed by 10.0.0.9 port 4000 [preauth]
sshd[1234]: Received disconnect from 10.0.0.9 port 41012:11: disconnected by user
Connection from UDP: [10.0.0.1]:161->[10.0.0.2]:161
systemd[1]: Started Session 4401 of user root.
systemd[1]: Stopped target Network.
kernel: eth0: link up
usb 1-1: USB disconnect, device number 4
bluetooth device disconnected
VPN client connected
printer connected
cache miss for session abc
Session 1234 expired, redirecting to login
session opened for checkout 5512
health check ok in 3ms
ping google.com: 12ms
liveness probe succeeded
shipping label printed in 120 ms
mapping complete
heartbeat interval set to 30000 ms
pingInterval: 25000, pingTimeout: 20000
idle timeout: 60s
config: ping_timeout=20 ping_interval=20 max_size=1048576
Loaded 14 routes
compiled successfully in 1.2s
slow query took 5.2 seconds
Slow query: 1520 ms SELECT * FROM orders
worker pool size 8
queue length 1006
queue orders is empty
user 1006 updated profile
imported 1006 rows
invoice 1009 too big for page
file upload too large: 12MB
file closed
window closed by user
survey closed
cron: job finished
backup finished in 1006 s
memory cache warmed
starting migration 0042
server time is 12:00:01
new client onboarded: ACME
client ACME signed the contract
accepted invitation from bob
accepted terms and conditions
market opened at 09:30
store opened
account 4003 closed by user request
ticket reopened
open orders: 4401
network request to https://api.example.com failed: timeout
SMTP connection closed unexpectedly
LDAP server disconnected
mail delivered in 1.2s
S3 upload aborted: connection reset by peer
elasticsearch: connection refused
pg: terminating connection due to administrator command
retrying in 3s: payment capture failed
will retry in 5s: webhook delivery to https://hooks.example.com returned 500
Reconnecting to database (attempt 3)
reconnect attempt 2 to redis://cache:6379
TLS certificate renewed for example.com
certificate expires at 2026-01-01
feature flag websocket_enabled=true
websocket documentation updated
rendering page ws-docs
windows update finished
rows fetched: 1001
news feed refreshed
User connected Google account
device registered
cart abandoned by client 77
customer lost connection to support chat agent assigned
rss feed fetched
Listening for events on queue orders
listening to topic payments
reading file /var/ws/data.csv
nginx: configuration file test is successful
transaction aborted
lock wait timeout exceeded; try restarting transaction
stream processing started
client error: invalid form field email
origin warehouse not allowed for sku 12
broadcast email to 4000 users finished
WebSocketException handler registered
creating websocket connection pool
websocket timeout raised to 30 s
the duplicate session cookie was replaced
no data received on ws-import for 3 days
order 7 refers to an unknown origin
write buffer for table orders is full
""".splitlines()

NOISE_WITH_FIELDS: list[tuple[str, dict[str, object]]] = [
    ("guest left", {"table": 4, "bill": 1001}),
    ("session ended", {"course": "x", "score": 1001}),
    ("session ended", {"user": "a", "status": 200}),
    ("stream stopped", {"number": 1006, "video": "x"}),
    ("order closed", {"orderId": 4401, "code": 1006, "session": "abc"}),
    ("connection lost", {"component": "redis"}),
    ("connection closed", {"logger": "com.zaxxer.hikari.pool.HikariPool", "code": 1006}),
    ("request completed", {"method": "GET", "path": "/api", "status": 503, "client": "10.0.0.1"}),
    ("unauthorized", {"method": "GET", "path": "/api", "status": 401, "remote": "10.0.0.1"}),
    ("message", {"conn": "c1", "type": "chat", "bytes": 120}),
    ("ticket updated", {"id": 4401, "status": "closed", "user": "bob"}),
    ("session started", {"session": "9f3c2a77", "user": "bob"}),
    ("connected", {"service": "billing"}),
    ("disconnected", {"component": "scheduler"}),
    ("the payment service stopped responding", {}),
    ("failed to connect", {"host": "db1", "logger": "postgres"}),
    ("handshake complete", {"logger": "tls", "host": "10.0.0.1"}),
    ("", {}),
]


@pytest.mark.parametrize(
    ("message", "kinds"),
    [
        ("[orders] open via xhr-streaming", ["open"]),
        ("sockjs: opened over xhr-polling", ["open"]),
        ("open via websocket", ["open"]),
        ("door opened via xhr-polling", []),
        ("ticket open via e-mail", []),
        ("tunnel open over ssh", []),
    ],
)
def test_an_opening_with_its_transport(message: str, kinds: list[str]) -> None:
    assert [row["kind"] for row in rows_of(message, {})] == kinds


@pytest.mark.parametrize(("message", "fields", "expected"), SAID, ids=[row[0][:50] for row in SAID])
def test_a_sentence_gives_its_rows(
    message: str, fields: dict[str, object], expected: list[dict[str, object]]
) -> None:
    rows = rows_of(message, fields)
    assert len(rows) == len(expected), rows
    for row, want in zip(rows, expected, strict=True):
        assert {name: row.get(name) for name in want} == want


# What programs call these things in fields and in prose, whatever separates the words.
CALLED: dict[str, tuple[str, ...]] = {
    "open": (
        *("connection opened", "client connected", "connected", "socket opened", "ready"),
        *("connection established", "connection accepted", "new connection", "session started"),
        *("handshake complete", "user connected"),
    ),
    "close": (
        *("connection closed", "client disconnected", "disconnected", "socket closed", "close"),
        *("close frame received", "close frame sent", "received close frame", "close received"),
        *("connection lost", "connection terminated", "connection closed by peer"),
        *("close handshake complete", "session ended", "connection dropped"),
    ),
    "ping": ("ping sent", "sent ping", "sending ping", "ping received", "received ping"),
    "pong": ("pong received", "pong sent", "got pong"),
    "heartbeat_timeout": (
        *("ping timeout", "pong timeout", "heartbeat missed", "no pong received"),
        *("heartbeat timed out", "client unresponsive"),
    ),
    "rejected": ("handshake failed", "upgrade rejected", "connection rejected", "upgrade failed"),
    "refused": ("connection refused",),
    "error": ("connect failed", "connection failed", "failed to connect", "handshake error"),
    "attempt": ("connecting", "connect attempt", "connection attempt", "reconnect attempt"),
    "auth": ("authentication failed", "token expired", "token rejected", "unauthorized"),
}


@pytest.mark.parametrize("form", ["prose", "logfmt", "snake", "dotted"])
@pytest.mark.parametrize(("kind", "words"), [(k, w) for k, said in CALLED.items() for w in said])
def test_a_thing_is_known_in_any_form(kind: str, words: str, form: str) -> None:
    known = {"conn": "ab12"} | ({"code": 1001} if kind == "close" else {})
    pairs = " ".join(f"{name}={value}" for name, value in known.items())
    message, fields = {
        "prose": (f"[ws] {words.capitalize()} {pairs}", {}),
        "logfmt": (f'level=info logger=ws msg="ws {words}" {pairs}', {}),
        "snake": ("", {"ev": f"ws_{words.replace(' ', '_')}", **known}),
        "dotted": ("", {"event": f"websocket.{words.replace(' ', '.')}", **known}),
    }[form]
    rows = rows_of(message, fields)
    assert [row["kind"] for row in rows] == [kind], rows
    assert rows[0].get("code") == known.get("code")


@pytest.mark.parametrize("message", SILENT)
def test_echoes_and_schedules_give_no_row(message: str) -> None:
    assert rows_of(message, {}) == []


@pytest.mark.parametrize("message", NOISE)
def test_business_and_infrastructure_give_no_row(message: str) -> None:
    assert rows_of(message, {}) == []


@pytest.mark.parametrize(("message", "fields"), NOISE_WITH_FIELDS)
def test_structured_noise_gives_no_row(message: str, fields: dict[str, object]) -> None:
    rows = rows_of(message, fields)
    assert [row for row in rows if ONLY_IF not in row] == []


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ('a=1 b=two c="three four"', {"a": "1", "b": "two", "c": "three four"}),
        ('{code: 1006, reason: "", wasClean: false}', {"code": "1006", "wasClean": "false"}),
        ("{'sid': 'x1', 'upgrades': []}", {"sid": "x1"}),
        ("conn: abc, reason: going away, code: 1006", {"reason": "going away", "conn": "abc"}),
        ("GET http://h:80/ at 10:00:05", {}),
        ('event="ws \\"x\\"" code=1', {"event": 'ws "x"', "code": "1"}),
    ],
)
def test_pairs_are_split(message: str, expected: dict[str, str]) -> None:
    found = split_fields(message)
    assert expected.items() <= found.items()
    assert expected or not found


@pytest.mark.parametrize(
    "message",
    [
        "Reconnect attempt number 1 will start in 200 ms.",
        'onclose {code: 1006, reason: "", wasClean: false}',
        "connecting to wss://chat.example.com/ws",
        "retrying in 3s",
        "Error: Unexpected server response: 403",
        'Error Domain=NSPOSIXErrorDomain Code=57 "Socket is not connected"',
        "kick disconnect undefined io server disconnect undefined",
    ],
)
def test_a_client_is_known_by_its_speech(message: str) -> None:
    assert speaks_as_client(message, {})


@pytest.mark.parametrize(
    "message", ["client connected", "reconnecting to redis", "close 127.0.0.1:45650 1006", ""]
)
def test_a_server_is_not_taken_for_a_client(message: str) -> None:
    assert not speaks_as_client(message, {})


@pytest.mark.parametrize(
    ("message", "kinds"),
    [
        ("GET /rooms/forbidden 200 3ms", set()),
        ("checked https://status.example.org/unauthorized in 3 ms", set()),
        ("wss://app.example.org/socket closed code=1006", {"close"}),
        ("ws /rooms/7 forbidden", {"auth"}),
    ],
)
def test_a_word_in_a_path_is_no_statement(message: str, kinds: set[str]) -> None:
    assert {row["kind"] for row in rows_of(message, {})} == kinds


def test_the_gate_lets_every_phrase_through() -> None:
    for family in vocabulary.PHRASES:
        for phrase in family:
            assert phrase.writer
            assert all(vocabulary.GATE.search(stem) for stem in phrase.stems), phrase.writer


_WORDS = """ws websocket client connection closed close code 1006 4401 reason token expired ping
    pong timeout heartbeat conn=c1 user=bob connected disconnected handshake failed 403 ECONNREFUSED
    reconnect attempt=2 in 3s took 12ms 10.0.0.1:5000 8.8.8.8:5000 subscribed to room:1 rss=1GB
    server listening on :80 shutting down { } ( ) " ' : ; , = [ ] token_exp=1e300 exp=99999999999
    ms=-1 duration=9e999 code=99999 latency_ms=nan Frame(fin=True, server > İ"""
WORDS = st.sampled_from(_WORDS.split())
TEXTS = st.one_of(st.text(), st.lists(WORDS, max_size=14).map(" ".join))
VALUES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), WORDS)
NAMES = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ["code", "conn", "event", "error", "reason", "peer", "port", "ip", "exp", "rss", "latency"]
    ),
)


@settings(max_examples=400, deadline=None)
@given(TEXTS, st.dictionaries(NAMES, VALUES, max_size=6))
@example("server > Frame(fin=True, opcode=8, data=b'\\x', rsv1=False)", {})
@example("ws open", {"exp": float("inf"), "handshake_ms": float("nan"), "ip": "::1", "port": "x"})
def test_any_text_gives_rows_that_fit_the_frame(text: str, fields: dict[str, object]) -> None:
    rows = rows_of(text, fields)
    for row in rows:
        assert row.keys() <= EVENTS.keys() | {ONLY_IF}
    assert events(rows).height == len(rows)
    speaks_as_client(text, fields)
    split_fields(text)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(WORDS, max_size=6).map(" ".join),
    st.sampled_from(
        [
            f"token={JWT}",
            f"conn={JWT}",
            f"reason=bad {JWT}",
            f"ws closed 4401 {JWT}",
            f"ws connecting url=ws://h/x?access_token={JWT}",
            f"Authorization: Bearer {JWT}",
            f"ws open /ws/{JWT}/x",
            f"client {JWT} disconnected",
            f"subscribed to {JWT}",
            f"request_id={JWT}",
        ]
    ),
    st.sampled_from(
        ["conn", "token", "reason", "error", "topic", "path", "user", "request_id", "id"]
    ),
)
def test_a_secret_is_never_shown(words: str, planted: str, field: str) -> None:
    signature = JWT.rsplit(".", 1)[1]
    for message, fields in ((f"{words} {planted}", {}), (f"ws open {words}", {field: JWT})):
        shown = repr(rows_of(message, fields))
        assert signature not in shown
        assert JWT[:40] not in shown


@pytest.mark.parametrize(
    "piece",
    ["ws://h/::::", "clos", "connection ", "ws ", "closed ((", '"x": ', "socket: ", "a=", "'"],
)
def test_a_hostile_line_costs_little(piece: str) -> None:
    line = "ws closed " + piece * (1_000_000 // len(piece))
    began = time.process_time()
    rows_of(line, {})
    speaks_as_client(line, {})
    assert time.process_time() - began < 1.0


def test_public_addresses_become_pseudonyms() -> None:
    (row,) = rows_of("client connected", {"ip": "8.8.4.4", "port": 5000})
    assert row["peer"] == f"{redact.address('8.8.4.4')}:5000"
    (row,) = rows_of("ws closed code=1000 client=8.8.4.4", {})
    assert row["conn"] == redact.address("8.8.4.4")
    (row,) = rows_of("client connected", {"addr": "::ffff:10.0.0.9", "port": 0})
    assert "peer" not in row


@pytest.mark.parametrize(
    ("fields", "column", "value"),
    [
        ({"closeStatus": 1006}, "code", 1006),
        ({"closeStatusCode": "1006"}, "code", 1006),
        ({"code": 1001, "closeStatusDescription": "bye"}, "reason", "bye"),
        ({"code": 1001, "playerId": "p7"}, "user", redact.user("p7")),
        ({"code": 1001, "enduser.id": "p7"}, "user", redact.user("p7")),
        ({"code": 1001, "transportId": "Kd3fXy"}, "conn", "Kd3fXy"),
        (
            {"network.peer.address": "192.0.2.7", "network.peer.port": 51000},
            "peer",
            "192.0.2.7:51000",
        ),
    ],
)
def test_the_names_that_fields_have(fields: dict[str, object], column: str, value: object) -> None:
    (row,) = rows_of("websocket closed", fields)
    assert row[column] == value


def test_a_lifetime_in_a_field_that_names_its_unit() -> None:
    rows = rows_of("websocket closed", {"code": 1001, "elapsedMs": 61234})
    assert [(row["kind"], row.get("ms")) for row in rows] == [("close", None), ("end", 61234.0)]
