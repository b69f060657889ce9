"""Two lines of one connection as each logger writes them: what happened, when, and to whom."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

import wsdiag

OPENED = "websocket client connected id=ab12cd"
CLOSED = "websocket client disconnected id=ab12cd code=1006"

# %S is the second; where a number counts them, it counts from the same minute.
LOGGERS = {
    "log4j": "2026-11-22 10:00:%S,123 [http-nio-8080-exec-1] INFO  c.e.chat.WsHandler - %M",
    "logback": "10:00:%S.123 [main] INFO  com.example.Ws - %M",
    "spring": (
        "2026-11-22T10:00:%S.123Z  INFO 1 --- [nio-8080-exec-1] c.e.chat.WsHandler  "
        "             : %M"
    ),
    "serilog": "[10:00:%S INF] %M",
    "serilog2": "2026-11-22 10:00:%S.123 +00:00 [INF] %M",
    "dotnet-ts": "2026-11-22T10:00:%S.1234567Z info: Chat.WsHub[0] %M",
    "pylog2": "2026-11-22 10:00:%S,123 - chat.ws - INFO - %M",
    "golog": "2026/11/22 10:00:%S %M",
    "golog-file": "2026/11/22 10:00:%S ws.go:42: %M",
    "golog-us": "2026/11/22 10:00:%S.123456 %M",
    "rust": "2026-11-22T10:00:%S.123456Z  INFO ws_server::conn: %M",
    "env_logger": "[2026-11-22T10:00:%SZ INFO  ws_server] %M",
    "elixir": "10:00:%S.123 [info] %M",
    "elixir2": "2026-11-22 10:00:%S.123 [info]  %M",
    "ruby": "I, [2026-11-22T10:00:%S.123456 #4242]  INFO -- : %M",
    "monolog": "[2026-11-22T10:00:%S.123456+00:00] app.INFO: %M [] []",
    "laravel": "[2026-11-22 10:00:%S] production.INFO: %M  ",
    "nest": "[Nest] 4242  - 11/22/2026, 10:00:%S AM     LOG [WsGateway] %M",
    "klog": "I1122 10:00:%S.123456       1 ws.go:42] %M",
    "zap": '{"level":"info","ts":17953416%S.123,"caller":"ws/conn.go:42","msg":"%M"}',
    "zap-console": "2026-11-22T10:00:%S.123Z\tINFO\tws/conn.go:42\t%M",
    "logrus": 'time="2026-11-22T10:00:%SZ" level=info msg="%M"',
    "bunyan": (
        '{"name":"chat","hostname":"h","pid":1,"level":30,"msg":"%M","time":"2026-11'
        '-22T10:00:%S.123Z","v":0}'
    ),
    "pino": '{"level":30,"time":17953416%S123,"pid":1,"hostname":"h","msg":"%M"}',
    "gcp": (
        '{"insertId":"x","textPayload":"%M","timestamp":"2026-11-22T10:00:%S.123Z","'
        'severity":"INFO"}'
    ),
    "gcp2": (
        '{"insertId":"x","jsonPayload":{"message":"%M"},"timestamp":"2026-11-22T10:0'
        '0:%S.123Z","severity":"INFO"}'
    ),
    "cloudwatch": "2026-11-22T10:00:%S.123Z\t8f1a-22\tINFO\t%M",
    "cloudwatch-csv": '17953416%S123,"%M"',
    "datadog": (
        '{"timestamp":"2026-11-22T10:00:%S.123Z","status":"info","service":"chat","message":"%M"}'
    ),
    "ecs": (
        '{"@timestamp":"2026-11-22T10:00:%S.123Z","log.level":"info","message":"%M",'
        '"ecs":{"version":"1.6"}}'
    ),
    "gelf": (
        '{"version":"1.1","host":"h","short_message":"%M","timestamp":17953416%S.123,"level":6}'
    ),
    "loki": '{"line":"%M","timestamp":"17953416%S123000000","fields":{}}',
    "java-jul": "Nov 22, 2026 10:00:%S AM com.example.WsEndpoint onOpen\nINFO: %M",
    "uwsgi": "[Sun Nov 22 10:00:%S 2026] %M",
    "syslog": "Nov 22 10:00:%S host chat[123]: %M",
    "de": "22.11.2026 10:00:%S %M",
    "us": "11/22/2026 10:00:%S AM - %M",
    "epoch": "17953416%S %M",
    "rabbit": "2026-11-22 10:00:%S.123456+00:00 [info] <0.123.0> %M",
    "docker-compose": "chat-1  | 2026-11-22T10:00:%S.123Z %M",
    "kubectl-ts": "2026-11-22T10:00:%S.123456789Z %M",
    "windows": "2026-11-22 10:00:%S.1234|INFO|Chat.Hub|%M",
    "nlog": "2026-11-22 10:00:%S.1234 INFO Chat.Hub %M",
    "glog-py": "[I 2026-11-22 10:00:%S,123 ws:42] %M",
    "ansi": "\x1b[90m10:00:%S\x1b[0m \x1b[32mINF\x1b[0m %M",
    "bracketed-json": "[10:00:%S] INFO (4242): %M",
    "pino-pretty": "[10:00:%S.123] \x1b[32mINFO\x1b[39m (4242): %M",
    "rustjson": (
        '{"timestamp":"2026-11-22T10:00:%S.123456Z","level":"INFO","fields":{"messag'
        'e":"%M"},"target":"ws"}'
    ),
    "us1": "11/22/2026, 1:00:%S PM %M",
    "graylog": "<14>Nov 22 10:00:%S host chat: %M",
}
UNDATED = ("logback", "serilog", "elixir", "ansi", "bracketed-json", "pino-pretty")


@pytest.mark.parametrize("logger", LOGGERS)
def test_the_lines_of_a_logger(tmp_path: Path, logger: str) -> None:
    form = LOGGERS[logger]
    lines = (form.replace("%S", s).replace("%M", m) for s, m in (("05", OPENED), ("45", CLOSED)))
    (tmp_path / "app.log").write_text("\n".join(lines) + "\n", encoding="utf-8")
    rows = wsdiag.read_events([tmp_path]).sort("ts").select("kind", "code", "conn").rows()
    assert rows == [("open", None, "ab12cd"), ("close", 1006, "ab12cd")]
    times = wsdiag.read_events([tmp_path]).sort("ts")["ts"].to_list()
    assert 39 < (times[1] - times[0]).total_seconds() < 41
    if logger not in UNDATED:
        assert times[0].astimezone(UTC).date() == datetime(2026, 11, 22).date()
