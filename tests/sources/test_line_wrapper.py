"""What carries a log line is peeled off, and its time kept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsdiag.sources.line.wrapper import Unwrapper, strip_colours

TEXT = 'INFO:     127.0.0.1:50436 - "WebSocket /ws/echo" [accepted]'


@pytest.mark.parametrize(
    ("head", "time"),
    [
        ("", None),
        ("Nov 22 23:50:33 web1 uvicorn[4321]: ", "1904-11-22T23:50:33"),
        ("févr. 01 08:35:45 web1 uvicorn[4321]: ", "1904-02-01T08:35:45"),
        ("Okt 22 23:50:33 web1 uvicorn[4321]: ", "1904-10-22T23:50:33"),
        ("Nov 22 23:50:33.906000 web1 uvicorn[4321]: ", "1904-11-22T23:50:33.906000"),
        ("Nov 22 23:55:20 vm wsapp[4321] ", "1904-11-22T23:55:20"),
        ("2026-11-23T00:50:33+0100 web1 uvicorn[4321]: ", "2026-11-23T00:50:33+01:00"),
        ("2026-11-22T23:55:20+00:00 vm wsapp: ", "2026-11-22T23:55:20+00:00"),
        ("Sun 2026-11-22 23:50:33 UTC web1 wsapp.service[4321]: ", "2026-11-22T23:50:33+00:00"),
        ("1795391433.906000 web1 uvicorn[4321]: ", "2026-11-22T23:50:33.906000+00:00"),
        ("[ 1205.772000] web1 uvicorn[4321]: ", None),
        ("<134>Nov 22 23:45:37 haproxy[27820]: ", "1904-11-22T23:45:37"),
        ("<132>1 2026-11-22T23:55:20.9+00:00 vm app 4321 - - ", "2026-11-22T23:55:20.900000+00:00"),
        (
            '<132>1 2026-11-22T23:55:20+00:00 vm app 4321 X [a@1 b="]"][c d="\\""] ',
            "2026-11-22T23:55:20+00:00",
        ),
        ("2016-10-06T00:17:09.669794202Z stdout F ", "2016-10-06T00:17:09.669794+00:00"),
        ("2026-11-22T23:50:33.906000000Z ", "2026-11-22T23:50:33.906000+00:00"),
        ("web-1  | ", None),
        ("0|chat-api  | ", None),
        ("[pod/x/c] ", None),
        ("[nginx-ingress-2zbxs] ", None),
        (
            "[pod/x/c] 2016-10-06T00:17:09Z stderr F Nov 22 23:50:33 web1 app[1]: ",
            "1904-11-22T23:50:33",
        ),
    ],
)
def test_peel(head: str, time: str | None) -> None:
    peeled = Unwrapper().peel(head + TEXT)
    assert peeled is not None
    assert peeled.text == TEXT
    assert (peeled.stamp.at.isoformat() if peeled.stamp else None) == time


@pytest.mark.parametrize(
    "line",
    [
        "2026-11-22 23:45:36,500 INFO app ws closed",
        "Oct 29 07:13:58: [ERROR] x",
        "INFO:     connection open",
        "[12:34:56] ws open",
        "[ActionCable] WebSocket onopen event",
        "[socket-error] ws closed",
        "error: connect ECONNREFUSED",
        "",
    ],
)
def test_not_wrapped(line: str) -> None:
    peeled = Unwrapper().peel(line)
    assert peeled is not None
    assert (peeled.text, peeled.stamp) == (line, None)


def test_a_guessed_wrapper_keeps_what_may_be_content() -> None:
    peeled = Unwrapper().peel("Nov 22 23:50:33 socket closed: 1006")
    assert peeled is not None
    assert peeled.spoken.strip() == "socket closed: 1006"


def test_parts_of_a_container_line_are_joined() -> None:
    unwrapper = Unwrapper()
    head = "2016-10-06T00:17:09.669794202Z stdout"
    other = "2016-10-06T00:17:09.669794202Z stderr F other"
    assert unwrapper.peel(f"{head} P one ") is None
    assert unwrapper.peel(other).text == "other"  # type: ignore[union-attr]
    assert unwrapper.peel(f"{head} P two ") is None
    assert unwrapper.peel(f"{head} F three").text == "one two three"  # type: ignore[union-attr]
    assert unwrapper.peel(f"{head} F four").text == "four"  # type: ignore[union-attr]


def test_escapes_of_rsyslog_and_colours() -> None:
    peeled = Unwrapper().peel("Nov 22 23:50:33 web1 app[1]: #033[32mINFO#033[0m:     one#012two")
    assert peeled is not None
    assert peeled.text == "INFO:     one\ntwo"
    assert strip_colours("\x1b[32mINFO\x1b[0m: \x1b]0;title\x07x") == "INFO: x"


def test_the_line_of_a_service_in_a_swarm() -> None:
    peeled = Unwrapper().peel("proxy.1.kf3@node-1    | ws closed 1006")
    assert peeled is not None
    assert peeled.text == "ws closed 1006"


def test_the_line_inside_heroku_s() -> None:
    peeled = Unwrapper().peel("2026-11-22T23:50:33.604+00:00 app[web.1]: ws closed 1006")
    assert peeled is not None
    assert peeled.text == "ws closed 1006"
    assert peeled.stamp is not None


@given(st.lists(st.text(max_size=80), max_size=5))
def test_any_lines(lines: list[str]) -> None:
    unwrapper = Unwrapper()
    for line in lines:
        plain = strip_colours(line)
        peeled = unwrapper.peel(plain)
        assert peeled is None or len(peeled.text) <= len(plain)
