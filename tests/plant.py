"""Evidence with secrets and hostile text planted in every field that a stranger can fill."""

from __future__ import annotations

import base64
import gzip
import importlib
import json
import sys
import zipfile
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

sys.path.append(str(Path(__file__).parent / "capture"))
craft = importlib.import_module("craft")


def b64(text: str) -> str:
    """Base64 as tokens have it."""
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


CLAIMS = {"sub": "dora.jwt@corp.example", "iat": 1_774_000_000, "exp": 1_774_003_600}
JWT = ".".join((b64('{"alg":"HS256","typ":"JWT"}'), b64(json.dumps(CLAIMS)), "Sg7nAtUr3OfTheJwt"))
OPAQUE = "Zx8kQ2vW9pLm4Rt7"
BEARER = "Br5yH1nTqEw6Uo3C"
COOKIE = "Ck4sDfG7hJk2Lz9X"
API_KEY = "Ak1QwErTy8UiOp5A"
SESSION = "Se6MnBvCxZ3LkJh0"
PASSWORD = "Pw0rdTr0ub4dorXy"
USERINFO = "Ui7aSdFgHjKl2QwE"
BASIC_PLAIN = "erin:Bs3cPlainW0rdQq"
BASIC = base64.b64encode(BASIC_PLAIN.encode()).decode()
EMAIL = "alice.planted@mail.example"
USER = "Us3rNamePlanted9"
QUERY = "Qv9ValueOfRoomXy"

SECRETS = {
    "jwt": JWT,
    "jwt's claims": JWT.split(".")[1],
    "jwt's signature": JWT.split(".")[2],
    "jwt's subject": "dora.jwt",
    "opaque token": OPAQUE,
    "bearer token": BEARER,
    "cookie": COOKIE,
    "API key": API_KEY,
    "session id": SESSION,
    "password": PASSWORD,
    "password of a URL": USERINFO,
    "Basic": BASIC,
    "Basic's password": "Bs3cPlainW0rdQq",
    "e-mail": EMAIL,
    "e-mail's local part": "alice.planted",
    "user": USER,
    "query value": QUERY,
}
PIECE = 9
"""So many characters in a row of a secret are a leak, too."""


def leaks(text: str | bytes) -> list[str]:
    """Which secrets, or pieces of them, stand in `text`; also in hexadecimal or base64."""
    data = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    low = data.lower()
    found = []
    for name, secret in SECRETS.items():
        pieces = {secret[at : at + PIECE] for at in range(max(len(secret) - PIECE, 0) + 1)}
        if name == "jwt":
            pieces = {JWT}  # its header is no secret, the other parts are looked for by themselves
        encoded = {secret.encode().hex(), base64.b64encode(secret.encode()).decode().rstrip("=")}
        if any(piece.lower() in low for piece in pieces) or any(one in data for one in encoded):
            found.append(name)
    return found


REQUEST = (
    f"/ws/chat?token={OPAQUE}&room={QUERY}&access_token={JWT}&user={EMAIL.replace('@', '%40')}"
)
REFERER = f"https://bob:{USERINFO}@app.example/login?session_id={SESSION}"


def nginx_access() -> str:
    """The combined format."""
    return "\n".join(
        (
            f'192.0.2.7 - - [04/Mar/2026:10:00:05 +0000] "GET {REQUEST} HTTP/1.1" 101 26 '
            f'"{REFERER}" "app/1.0 (api_key={API_KEY}; {EMAIL})"',
            f'192.0.2.8 - {USER} [04/Mar/2026:10:00:06 +0000] "GET {REQUEST} HTTP/1.1" 401 0 '
            f'"-" "password={PASSWORD}"',
            f'192.0.2.9 - {EMAIL} [04/Mar/2026:10:01:06 +0000] "GET {REQUEST} HTTP/1.1" 502 0 '
            '"-" "-"',
        )
    )


def nginx_timed() -> str:
    """With $request_time and captured headers; an idle cut, so that its line is cited."""
    return "\n".join(
        f'192.0.2.7:4000{i} - {USER} [2026-03-04T10:0{i}:05+00:00] "GET {REQUEST} HTTP/1.1" 101 0 '
        f'"app" rt=60.00{i} urt=60.001 ua=127.0.0.1:9100 us=101 conn={i} rid=r{i} auth="Bearer '
        f'{BEARER}" cookie="sid={COOKIE}; theme=dark"'
        for i in range(1, 6)
    )


def nginx_json() -> str:
    """A log_format of JSON that somebody made too rich."""
    return "\n".join(
        json.dumps(
            {
                "time": f"2026-03-04T10:0{i}:05+00:00",
                "remote_addr": "192.0.2.7",
                "remote_user": USER,
                "request": f"GET {REQUEST} HTTP/1.1",
                "status": status,
                "request_time": 60.002,
                "upstream_addr": "127.0.0.1:9100",
                "upstream_status": str(status),
                "http_cookie": f"sid={COOKIE}",
                "http_authorization": f"Basic {BASIC}",
                "http_referer": REFERER,
                "http_upgrade": "websocket",
            }
        )
        for i, status in enumerate((101, 101, 101, 403))
    )


def nginx_error() -> str:
    """Idle cuts and refusals, which quote request and referrer."""
    return "\n".join(
        f"2026/03/04 10:0{i}:05 [{level}] 11#11: *{i} {told}, client: 192.0.2.7, server: x, "
        f'request: "GET {REQUEST} HTTP/1.1", upstream: "http://127.0.0.1:9100{REQUEST}", '
        f'host: "app.example", referrer: "{REFERER}"'
        for i, (level, told) in enumerate(
            (
                (
                    "info",
                    "upstream timed out (110: Connection timed out) while proxying upgraded "
                    "connection",
                ),
                (
                    "error",
                    "connect() failed (111: Connection refused) while connecting to upstream",
                ),
                ("info", f'user "{USER}" was not found in "/etc/htpasswd"'),
            )
        )
    )


def haproxy() -> str:
    """httplog with captured headers: Host, Authorization, Cookie, Sec-WebSocket-Protocol."""
    return "\n".join(
        f"<134>Mar  4 10:0{i}:05 haproxy[9]: 192.0.2.7:4100{i} [04/Mar/2026:10:0{i}:00.105] "
        f"fe app/app1 0/0/0/45/60046 {status} 178 - - {flags} 1/1/0/0/0 0/0 "
        f"{{app.example|Bearer {BEARER}|sid={COOKIE}; a=b|graphql-ws, {OPAQUE}}} {{websocket}} "
        f'"GET {REQUEST} HTTP/1.1"'
        for i, (status, flags) in enumerate(((101, "cD--"), (101, "cD--"), (503, "SC--")))
    )


def uvicorn(level: str) -> str:
    """uvicorn's own lines; headers from debug, the ASGI scope from trace."""
    lines = [
        f'INFO:     192.0.2.7:50436 - "WebSocket {REQUEST}" [accepted]',
        f'INFO:     192.0.2.7:50437 - "WebSocket {REQUEST}" 403',
        "INFO:     connection open",
    ]
    if level in ("debug", "trace"):
        lines += [
            "DEBUG:    = connection is CONNECTING",
            f"DEBUG:    < GET {REQUEST} HTTP/1.1",
            "DEBUG:    < host: app.example",
            f"DEBUG:    < authorization: Bearer {BEARER}",
            f"DEBUG:    < cookie: sid={COOKIE}; theme=dark",
            f"DEBUG:    < sec-websocket-protocol: access_token, {OPAQUE}",
            "DEBUG:    < sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
            "DEBUG:    > HTTP/1.1 101 Switching Protocols",
            f"DEBUG:    > set-cookie: session={SESSION}; HttpOnly",
            "DEBUG:    = connection is OPEN",
            f'DEBUG:    < TEXT \'{{"type":"auth","token":"{OPAQUE}"}}\' [50 bytes]',
            f'DEBUG:    < TEXT \'{{"type":"login","password":"{PASSWORD}","email":"{EMAIL}"}}\''
            " [9 bytes]",
            f"DEBUG:    > CLOSE 4401 (private use) token {OPAQUE} expired [40 bytes]",
        ]
    if level == "trace":
        lines += [
            "TRACE:    192.0.2.7:50436 - ASGI [2] Started scope={'type': 'websocket', 'path': "
            f"'/ws/chat', 'query_string': b'token={OPAQUE}&room={QUERY}', 'headers': [(b'host', "
            f"b'app.example'), (b'authorization', b'Bearer {BEARER}'), "
            f"(b'cookie', b'sid={COOKIE}'), (b'x-api-key', b'{API_KEY}')]}}",
            "TRACE:    192.0.2.7:50436 - ASGI [2] Receive {'type': 'websocket.receive', 'text': "
            f'\'{{"password":"{PASSWORD}"}}\'}}',
            "TRACE:    192.0.2.7:50436 - ASGI [2] Send {'type': 'websocket.close', 'code': 4401, "
            f"'reason': 'token={OPAQUE}'}}",
        ]
    lines += [
        f"ERROR:    closing handshake failed: https://bob:{USERINFO}@app.example/",
        "INFO:     connection closed",
    ]
    return "\n".join(lines)


def websockets_debug() -> str:
    """The frames of the websockets library."""
    at = "2026-03-04 10:00:0{},120 DEBUG websockets.server"
    return "\n".join(
        (
            f"{at.format(1)} = connection is CONNECTING",
            f"{at.format(1)} < GET {REQUEST} HTTP/1.1",
            f"{at.format(1)} < Authorization: Basic {BASIC}",
            f"{at.format(1)} < Cookie: sid={COOKIE}",
            f"{at.format(1)} < X-Api-Key: {API_KEY}",
            f"{at.format(1)} < Sec-WebSocket-Protocol: bearer, {BEARER}",
            f"{at.format(1)} < Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            f"{at.format(1)} > HTTP/1.1 101 Switching Protocols",
            f"{at.format(1)} = connection is OPEN",
            f'{at.format(2)} < TEXT \'{{"op":"login","user":"{USER}","password":"{PASSWORD}"}}\''
            " [80 bytes]",
            f"{at.format(2)} < TEXT 'authenticate with token {OPAQUE} for {EMAIL}' [55 bytes]",
            f"{at.format(3)} < PING '' [0 bytes]",
            f"{at.format(3)} > CLOSE 4001 (private use) session_id={SESSION} revoked [40 bytes]",
            f"{at.format(3)} < CLOSE 4001 (private use) session_id={SESSION} revoked [40 bytes]",
            f"{at.format(3)} = connection is CLOSED",
        )
    )


def socketio_debug() -> str:
    """What DEBUG=* prints on a Socket.IO server and client."""
    at = "2026-03-04T10:00:0{}.881Z"
    return "\n".join(
        (
            f'{at.format(1)} engine handshaking client "Kq3xT0aZbYcXdWeV"',
            f'{at.format(1)} engine intercepting request for path "/socket.io/?EIO=4'
            f'&transport=websocket&token={OPAQUE}"',
            f'{at.format(1)} engine:ws received "40{{\\"token\\":\\"{OPAQUE}\\",'
            f'\\"user\\":\\"{USER}\\"}}"',
            f'{at.format(1)} socket.io-parser decoded 0{{"token":"{OPAQUE}"}} as '
            f'{{"type":0,"nsp":"/","data":{{"token":"{OPAQUE}"}}}}',
            f'{at.format(2)} engine:socket packet received {{"type":"message",'
            f'"data":"2[\\"login\\",'
            f'{{\\"email\\":\\"{EMAIL}\\",\\"password\\":\\"{PASSWORD}\\"}}]"}}',
            f'{at.format(2)} socket.io:socket emitting event ["login",{{"password":"{PASSWORD}"}}]',
            f"{at.format(3)} socket.io:client client close with reason transport close",
        )
    )


def app_json() -> str:
    """JSON lines with nested records."""
    return "\n".join(
        json.dumps(record)
        for record in (
            {
                "time": "2026-03-04T10:00:01Z",
                "level": "info",
                "msg": "ws connected",
                "client": "192.0.2.7:50440",
                "req": {
                    "url": REQUEST,
                    "headers": {
                        "authorization": f"Bearer {BEARER}",
                        "cookie": f"sid={COOKIE}",
                        "x-api-key": API_KEY,
                    },
                    "user": {"email": EMAIL, "name": USER},
                },
            },
            {
                "time": "2026-03-04T10:00:02Z",
                "level": "error",
                "msg": f"ws closed: token {OPAQUE} expired",
                "client": "192.0.2.7:50440",
                "code": 4401,
                "reason": f"token={JWT}",
                "body": json.dumps(
                    {"password": PASSWORD, "nested": json.dumps({"secret": OPAQUE})}
                ),
            },
            {
                "time": "2026-03-04T10:00:03Z",
                "level": "warn",
                "msg": f"ws connection error: upstream wss://bob:{USERINFO}@db.example/ refused",
                "auth": {"basic": f"Basic {BASIC}", "session_id": SESSION},
                "code": 1006,
            },
        )
    )


def logfmt() -> str:
    """key=value lines."""
    return "\n".join(
        (
            'time=2026-03-04T10:00:01Z level=info msg="websocket connected" '
            f'remote=192.0.2.7:50441 path="{REQUEST}" user={EMAIL} token={OPAQUE}',
            f'time=2026-03-04T10:00:02Z level=warn msg="websocket closed" remote=192.0.2.7:50441 '
            f'code=4401 reason="bad password {PASSWORD}" cookie="sid={COOKIE}" api_key={API_KEY}',
        )
    )


def prose() -> str:
    """What people print."""
    return "\n".join(
        (
            f"2026-03-04 10:00:01 client 192.0.2.7:50442 connected to wss://app.example{REQUEST}",
            f"2026-03-04 10:00:02 websocket 192.0.2.7:50442 sent Authorization: Bearer {BEARER}",
            f"2026-03-04 10:00:03 WebSocket closed: code 1008, reason: user {EMAIL} token={OPAQUE}",
            f'2026-03-04 10:00:04 WebSocket error: login with password "{PASSWORD}" failed, '
            f"Cookie: sid={COOKIE}",
            f"2026-03-04 10:00:05 ws disconnected code=1006 after curl -u erin:{PASSWORD} "
            f"-H 'X-Api-Key: {API_KEY}' wss://bob:{USERINFO}@app.example/ws",
        )
    )


SPOKEN = (
    f'websocket closed code=4401 reason="token {OPAQUE} of {EMAIL} expired" password={PASSWORD} '
    f"url=wss://app.example{REQUEST}"
)


def wrapped() -> dict[str, str]:
    """One sentence in each wrapper."""
    iso = "2026-03-04T10:00:01.123456789Z"
    return {
        "klog.log": f"E0304 10:00:01.123456       1 proxy.go:52] {SPOKEN}",
        "syslog.log": f"Mar  4 10:00:01 web1 app[77]: {SPOKEN}\n"
        f"<134>1 {iso} web1 app 77 - - {SPOKEN}",
        "cri.log": f"{iso} stderr F {SPOKEN}\n{iso} stdout P {SPOKEN[:60]}\n"
        f"{iso} stdout F {SPOKEN[60:]}",
        "docker-json.log": json.dumps({"log": SPOKEN + "\n", "stream": "stderr", "time": iso}),
        "compose.log": f"app-1  | {SPOKEN}",
        "journal.json": json.dumps(
            {"MESSAGE": SPOKEN, "__REALTIME_TIMESTAMP": "1772618401000000", "_COMM": "app"}
        ),
        "kubectl.log": f"[pod/app-1/web] {iso} {SPOKEN}",
    }


def capture() -> bytes:
    """Three connections: a chat with secrets, one closed by the server, one refused by a 401."""
    headers = (
        f"Authorization: Bearer {BEARER}\r\nCookie: sid={COOKIE}; theme=dark\r\n"
        f"X-Api-Key: {API_KEY}\r\nSec-WebSocket-Protocol: access_token, {OPAQUE}\r\n"
        f"X-Request-ID: token={OPAQUE}\r\nReferer: {REFERER}\r\n"
    )
    chat = craft.Wire().handshake(REQUEST, headers, f"Set-Cookie: session={SESSION}\r\n")
    for side, text in (
        (craft.C2S, json.dumps({"type": "auth", "token": OPAQUE})),
        (craft.C2S, json.dumps({"type": "login", "password": PASSWORD, "email": EMAIL})),
        (craft.S2C, json.dumps({"event": f"welcome {EMAIL}", "channel": f"user:{EMAIL}"})),
        (
            craft.S2C,
            json.dumps(
                {"type": f"token={OPAQUE}", "topic": f"session={SESSION}", "id": f"Bearer {BEARER}"}
            ),
        ),
        (craft.C2S, f"40{json.dumps({'token': JWT})}"),
    ):
        chat.send(side, craft.frame(1, text.encode(), side=side))
    chat.send(craft.S2C, craft.close(4401, f"token={OPAQUE} of {EMAIL} expired"))
    chat.packet(craft.S2C, craft.FIN | craft.ACK)
    chat.packet(craft.C2S, craft.FIN | craft.ACK)
    denied = craft.Wire(client=("10.0.0.3", 40_001), ts=chat.ts)
    denied.syn()
    denied.packet(craft.S2C, craft.SYN | craft.ACK, at=0)
    denied.send(craft.C2S, craft.request(REQUEST, f"Authorization: Basic {BASIC}\r\n"))
    body = json.dumps({"error": f"token {OPAQUE} of {EMAIL} is not valid"})
    denied.send(
        craft.S2C,
        f"HTTP/1.1 401 No token={OPAQUE}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode(),
    )
    denied.packet(craft.S2C, craft.RST | craft.ACK)
    return craft.pcap(chat.packets + denied.packets)


def har() -> bytes:
    """What a browser saves, secrets and all."""
    headers = [
        {"name": "Authorization", "value": f"Bearer {BEARER}"},
        {"name": "Cookie", "value": f"sid={COOKIE}"},
        {"name": "X-Api-Key", "value": API_KEY},
        {"name": "Sec-WebSocket-Protocol", "value": f"access_token, {OPAQUE}"},
        {"name": "X-Request-ID", "value": f"token={OPAQUE}"},
        {"name": "Sec-WebSocket-Key", "value": f"password={PASSWORD}"},
    ]
    cookies = [{"name": "sid", "value": COOKIE}]
    said = [
        ("send", 1, json.dumps({"type": "login", "email": EMAIL, "password": PASSWORD})),
        ("receive", 1, json.dumps({"type": f"token={OPAQUE}", "topic": EMAIL, "id": JWT})),
        ("receive", 8, base64.b64encode(b"\x11\x31" + f"token={OPAQUE}".encode()).decode()),
        ("error", -1, f"failed for Authorization: Bearer {BEARER}"),
    ]
    started = "2026-03-04T10:00:01.000Z"
    socket = {
        "startedDateTime": started,
        "time": 180.0,
        "_resourceType": "websocket",
        "request": {
            "method": "GET",
            "url": f"wss://bob:{USERINFO}@app.example{REQUEST}",
            "headers": headers,
            "cookies": cookies,
            "queryString": [{"name": "token", "value": OPAQUE}],
        },
        "response": {"status": 101, "headers": headers, "cookies": cookies},
        "_webSocketMessages": [
            {"type": kind, "time": 1_772_618_401.5 + i, "opcode": opcode, "data": data}
            for i, (kind, opcode, data) in enumerate(said)
        ],
    }
    failed = {
        **socket,
        "response": {"status": 0, "_error": f"net::ERR_FAILED token={OPAQUE} {EMAIL}"},
        "_webSocketMessages": [],
    }
    posted = {
        "startedDateTime": started,
        "time": 30.0,
        "request": {
            "method": "POST",
            "url": f"https://app.example/socket.io/?EIO=4&transport=polling&sid={SESSION}",
            "headers": headers,
            "postData": {
                "mimeType": "application/x-www-form-urlencoded",
                "text": f"user={USER}&password={PASSWORD}",
                "params": [{"name": "password", "value": PASSWORD}],
            },
        },
        "response": {
            "status": 401,
            "content": {"mimeType": "application/json", "text": json.dumps({"token": OPAQUE})},
        },
    }
    entries = [socket, failed, posted]
    return json.dumps(
        {"log": {"version": "1.2", "creator": {"name": "x"}, "entries": entries}}
    ).encode()


def zipped(members: dict[str, bytes]) -> bytes:
    """A zip."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def secrets() -> dict[str, bytes]:
    """Every kind of evidence, by file name."""
    texts = {
        "nginx-access.log": nginx_access(),
        "nginx-timed.log": nginx_timed(),
        "nginx-json.log": nginx_json(),
        "nginx-error.log": nginx_error(),
        "haproxy.log": haproxy(),
        "uvicorn-info.log": uvicorn("info"),
        "uvicorn-debug.log": uvicorn("debug"),
        "uvicorn-trace.log": uvicorn("trace"),
        "websockets.log": websockets_debug(),
        "socketio.log": socketio_debug(),
        "app.jsonl": app_json(),
        "logfmt.log": logfmt(),
        "prose.log": prose(),
        **wrapped(),
    }
    files = {name: f"{text}\n".encode() for name, text in texts.items()}
    files |= {
        "wire.pcap": capture(),
        "network.har": har(),
        "packed.log.gz": gzip.compress(files["prose.log"]),
        "logs.zip": zipped(
            {f"export-{EMAIL}.log": files["logfmt.log"], "in/a.log": files["app.jsonl"]}
        ),
        f"export-{EMAIL}.log": files["prose.log"],
        f"dump token={OPAQUE}.log": files["logfmt.log"],
        f"{JWT[:120]}.log": files["prose.log"],
        f"junk-{EMAIL}.bin": bytes(range(256)) * 8,
        f"cut-{EMAIL}.zip": b"PK\x03\x04broken",
    }
    return files


# What a hostile peer sends to act on the reader's terminal, browser or ticket.
HOSTILE = (
    "\x1b[31mred\x1b[0m\x1b]0;owned\x07\x1b]8;;https://evil.example/\x07click\x1b]8;;\x07\x9b2J\x07"
    "\u202egnp.exe\u202c\u2066x\u2069\u200f <script>alert(1)</script> <img src=x onerror=alert(1)> "
    "[bold]loud[/bold] [link=https://evil.example]go[/link] ![pic](https://evil.example/p.png) "
    "[text](https://evil.example/) `tick` ``two`` ```three | pipe | @everyone #1 *star* $(id) "
    "{{7*7}}"
)


def hostile_files() -> dict[str, bytes]:
    """The same text in every field that evidence may fill, and in file names."""
    url = "/ws/%1b[31m<script>alert(1)</script>[bold]`tick`|![pic](https://evil.example/p.png)"
    short = "\x1b[31m\u202e<script>alert(1)</script> [bold]`t`|![p](https://evil.example)"
    wire = craft.Wire()
    wire.syn()
    wire.packet(craft.S2C, craft.SYN | craft.ACK, at=0)
    wire.send(craft.C2S, craft.request(url.replace(" ", "+"), f"X-Request-ID: {short}\r\n"))
    wire.send(craft.S2C, craft.switching())
    for _ in range(2):
        said = json.dumps({"type": short, "topic": short, "id": short}).encode()
        wire.send(craft.C2S, craft.frame(1, said, side=craft.C2S))
    wire.send(craft.S2C, craft.close(1011, short))
    wire.packet(craft.S2C, craft.FIN | craft.ACK)
    denied = craft.Wire(client=("10.0.0.3", 40_001), ts=wire.ts)
    denied.syn()
    denied.packet(craft.S2C, craft.SYN | craft.ACK, at=0)
    denied.send(craft.C2S, craft.request("/ws"))
    denied.send(craft.S2C, f"HTTP/1.1 403 {short}\r\nContent-Length: 0\r\n\r\n".encode())
    entry = {
        "startedDateTime": "2026-03-04T10:00:01.000Z",
        "time": 18.0,
        "_resourceType": "websocket",
        "request": {"method": "GET", "url": f"wss://h{url}", "headers": []},
        "response": {"status": 0, "_error": HOSTILE},
    }
    json_log = [
        {
            "time": f"2026-03-04T10:00:0{i}Z",
            "msg": f"ws closed {HOSTILE}",
            "code": 1011,
            "client": f"192.0.2.7:5044{i}",
            "reason": HOSTILE,
            "path": url,
            "id": HOSTILE,
        }
        for i in range(3)
    ]
    texts = {
        "error.log": "2026/03/04 10:00:05 [error] 11#11: *1 connect() failed (111: Connection "
        "refused) while connecting to upstream, client: 192.0.2.7, server: , request: "
        f'"GET {url} HTTP/1.1", '
        f'upstream: "http://127.0.0.1:9100{url}", host: "{HOSTILE}"',
        "uvicorn.log": f'INFO:     192.0.2.7:50436 - "WebSocket {url}" [accepted]\n'
        f'INFO:     192.0.2.7:50437 - "WebSocket {url}" 403\nERROR:    closing: {HOSTILE}',
        "websockets.log": "2026-03-04 10:00:01,120 DEBUG websockets.server = connection is OPEN\n"
        f"2026-03-04 10:00:03,120 DEBUG websockets.server > CLOSE 1011 (internal error) {HOSTILE} "
        "[9 bytes]\n2026-03-04 10:00:03,120 DEBUG websockets.server = connection is CLOSED",
        "prose.log": f"2026-03-04 10:00:03 WebSocket closed: code 1011, reason: {HOSTILE}\n"
        f"2026-03-04 10:00:04 WebSocket error: {HOSTILE}",
        "logfmt.log": 'time=2026-03-04T10:00:02Z msg="websocket closed" code=1011 '
        f'reason="{HOSTILE}"',
        "app.jsonl": "\n".join(map(json.dumps, json_log)),
        "raw.jsonl": "\n".join(json.dumps(one, ensure_ascii=False) for one in json_log),
        "name \x1b[31m\u202e[bold]`t`|![p](x)<b>.log": "2026-03-04 10:00:03 WebSocket closed: 1011",
        "line\nend \x1b]0;t\x07.log": "2026-03-04 10:00:03 WebSocket closed: code 1006",
    }
    files = {name: f"{text}\n".encode() for name, text in texts.items()}
    return files | {
        "wire.pcap": craft.pcap(wire.packets + denied.packets),
        "network.har": json.dumps(
            {"log": {"version": "1.2", "creator": {}, "entries": [entry]}}
        ).encode(),
        "junk \x1b[31m<script>.bin": bytes(range(256)),
    }


def write(folder: Path, files: dict[str, bytes]) -> Path:
    """Lay the files down."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def planted_in(data: Iterable[bytes]) -> set[str]:
    """Which secrets the evidence carries in clear: proof that there is something to find."""
    return {name for one in data for name in leaks(one)}
