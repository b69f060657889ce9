"""What would have to be collected, as commands to paste, for the programs that were recognised."""

from __future__ import annotations

from collections.abc import Collection

CAPTURE = "sudo tcpdump -i any -s 0 -w wire.pcap 'tcp port 80 or tcp port 443'"
BROWSER = "chrome://net-export"
KEYS = "SSLKEYLOGFILE=$PWD/keys.log"

LEVELS = {
    "uvicorn": "uvicorn --log-level debug",
    "gunicorn": "gunicorn --log-level debug",
    "websockets": 'logging.getLogger("websockets").setLevel(logging.DEBUG)',
    "hypercorn": "hypercorn --log-level debug",
    "daphne": "daphne -v 2",
    "aiohttp": 'logging.getLogger("aiohttp").setLevel(logging.DEBUG)',
    "tornado": "--logging=debug",
    "socket.io": "DEBUG='engine*,socket.io*'",
    "signalr": "Logging:LogLevel:Microsoft.AspNetCore.SignalR = Debug",
    "spring": "logging.level.org.springframework.web.socket=DEBUG",
    "phoenix": "config :logger, level: :debug",
    "nginx": "error_log /var/log/nginx/error.log info;",
    "haproxy": "option httplog",
    "caddy": "log { level DEBUG }",
}
"""The directive by which each program's log tells more."""

NAMES = {
    "nginx": "log_format … key=$http_sec_websocket_key",
    "haproxy": "http-request capture req.hdr(Sec-WebSocket-Key) len 24",
    "websockets": 'connection.request.headers["Sec-WebSocket-Key"]',
    "uvicorn": 'dict(scope["headers"])[b"sec-websocket-key"]',
    "ws": "request.headers['sec-websocket-key']",
}
"""Where each program has the key that a handshake is known by."""

SERVERS = tuple(name for name in LEVELS if name not in ("nginx", "haproxy", "caddy"))


def level(stacks: Collection[str]) -> str:
    """The directive of the server program in use, as code; empty where none is known."""
    return next((f"`{LEVELS[name]}`" for name in SERVERS if name in stacks), "")


def server_log(stacks: Collection[str]) -> str:
    """What to collect where there is no server or proxy log."""
    known = level(stacks)
    return "To collect: the server's log at debug level" + (f", {known}" if known else "") + "."


def capture() -> str:
    """What to collect where there is no capture."""
    return f"To collect: `{CAPTURE}` on the server's machine, behind what ends TLS."


def client() -> str:
    """What to collect where no client tells."""
    return (
        f"To collect: `{BROWSER}` in Chrome, or DevTools → Network → Export HAR, opened before the "
        "page connects."
    )


def names(stacks: Collection[str]) -> str:
    """What a log must say so that its connections are known again elsewhere."""
    known = next((f" (`{NAMES[name]}`)" for name in NAMES if name in stacks), "")
    return f"log the Sec-WebSocket-Key{known} or the client's port with every connection"


def keys() -> str:
    """How encrypted connections become legible."""
    return f"`{KEYS}` at the client, then `--keylog keys.log`"
