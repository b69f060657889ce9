"""Plain requests that only access logs tell of, beside messages that another input has."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.review.page import needed
from tests.review.service import BEGAN, Service, stamp

AGENT = '"-" "Mozilla/5.0"'


def signals(users: int = 3) -> Service:
    """Forty signals a user in bursts of four, each about order 7."""
    service = Service()
    for user in range(users):
        service.client(f"c{user}", f"u{user}", 0, 70)
        for n in range(40):
            at = 3 + 6 * (n // 4) + n % 4 / 10
            service.down(at, f"c{user}", {"type": "order.changed", "topic": "order:7", "id": 7})
    return service


def gets(line: Any, *, users: int = 3, path: str = "/api/orders/7") -> str:
    """The line of each GET: one for each signal."""
    asked = [(3.05 + 6 * (n // 4) + n % 4 / 10, user) for n in range(40) for user in range(users)]
    return "".join(f"{line(at, f'10.0.0.{user}', path)}\n" for at, user in sorted(asked))


def combined(at: float, host: str, path: str) -> str:
    time = (BEGAN + timedelta(seconds=at)).strftime("%d/%b/%Y:%H:%M:%S +0000")
    return f'{host} - - [{time}] "GET {path} HTTP/1.1" 200 512 {AGENT}'


def traefik(at: float, host: str, path: str) -> str:
    return (
        f'{{"StartUTC":"{stamp(at)}","ClientAddr":"{host}:5000","RequestMethod":"GET",'
        f'"RequestPath":"{path}","DownstreamStatus":200,"Duration":7000000}}'
    )


def pino(at: float, host: str, path: str) -> str:
    return (
        f'{{"level":30,"time":"{stamp(at)}","req":{{"method":"GET","url":"{path}",'
        f'"remoteAddress":"{host}"}},"res":{{"statusCode":200}},"responseTime":4,'
        '"msg":"request completed"}'
    )


def uvicorn_in_docker(at: float, host: str, path: str) -> str:
    line = f'INFO:     {host}:5000 - \\"GET {path} HTTP/1.1\\" 200 OK\\n'
    return f'{{"log":"{line}","stream":"stdout","time":"{stamp(at)}"}}'


@pytest.mark.parametrize("line", [combined, traefik, pino, uvicorn_in_docker])
def test_gets_of_an_access_log_follow_messages(line: Any, tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    log.write_text(gets(line))
    told = signals().review(tmp_path, None, log)
    assert told.facts.refetches == 120
    assert told.facts.refetch_ratio == 1.0
    assert (told.sync.in_use, told.sync.confidence) == ("invalidation", 0.7)
    assert needed(told) == {"debounce"}
    debounce = next(one for one in told.optimisations if one.id == "debounce")
    assert debounce.evidence[0].pointer.startswith("access.log:")
    undecided = {one.id for one in told.optimisations if one.verdict == "not-decidable"}
    assert "direct-update" in undecided


@pytest.mark.parametrize("path", ["/assets/7.js", "/health", "/socket.io/?transport=polling&id=7"])
def test_what_is_no_refetch(path: str, tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    log.write_text(gets(combined, path=path))
    told = signals().review(tmp_path, None, log)
    assert told.facts.refetches == 0
    assert needed(told) == set()
