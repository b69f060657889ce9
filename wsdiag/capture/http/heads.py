"""Heads of HTTP/1.1 messages as nearly all are written, read at once.

Read are whole heads of a GET and of a 101 without a body. Any other message, and whatever is
written in an unusual way, is left to h11: it takes thirty times as long, and gives the same here.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_END = b"\r\n\r\n"
_REQUEST = re.compile(r"GET ([!-~]+) HTTP/1\.1")
_SWITCHING = re.compile(r"HTTP/1\.1 101(?: ([ -~]*))?")
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2}(?: [ -~]*)?)")
# RFC 9110 §5.5: visible ASCII, with blanks inside only.
_FIELD = re.compile(r"([-!#$%&'*+.^_`|~0-9A-Za-z]+):[ \t]*((?:[!-~]+(?:[ \t]+[!-~]+)*)?)[ \t]*")
_ABOUT_BODIES = frozenset({"content-length", "transfer-encoding", "expect"})


class Head(NamedTuple):
    """A head: the target of a request or the phrase of an answer, the headers by lower-case name,
    repeated ones joined by commas, and what follows it.
    """

    told: str
    headers: dict[str, str]
    rest: bytes


def request(data: bytes) -> Head | None:
    """The GET that `data` starts with; None where h11 has to read it."""
    head = _head(data, _REQUEST)
    # A host has to be there once (RFC 9112 §3.2): h11 refuses all else.
    return head if head and "," not in head.headers.get("host", ",") else None


def switching(data: bytes) -> Head | None:
    """The answer 101 that `data` starts with; None where h11 has to read it."""
    return _head(data, _SWITCHING)


def cut_request(data: bytes) -> Head | None:
    """What `data` tells of a GET whose head was cut off behind it; the target is empty where it
    is cut as well. Of a target cut within its query, the path is known."""
    line, _, lines = data.partition(b"\r\n")
    if not line.startswith(b"GET /") or not line.isascii():
        return None
    target, blank, _ = line.decode("ascii")[len("GET ") :].partition(" ")
    if not blank:
        target = target.partition("?")[0] if "?" in target else ""
    return Head(target, _whole_lines(lines), b"")


def cut_answer(data: bytes) -> Head | None:
    """What `data` tells of an answer whose head was cut off behind it: status and phrase."""
    line, _, lines = data.partition(b"\r\n")
    if not (told := _STATUS.match(line)):
        return None
    return Head(told[1].decode("ascii"), _whole_lines(lines), b"")


def _whole_lines(data: bytes) -> dict[str, str]:
    """The headers that stand in `data` to their ends."""
    headers = dict[str, str]()
    for line in data.split(b"\r\n")[:-1]:
        if line.isascii():
            _add(headers, line.decode("ascii"))
    return headers


def _add(headers: dict[str, str], line: str) -> bool:
    """Add a line to the headers, if it is one."""
    field = _FIELD.fullmatch(line)
    if field is not None:
        name, value = field[1].lower(), field[2]
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return field is not None


def _head(data: bytes, first: re.Pattern[str]) -> Head | None:
    end = data.find(_END)
    if end < 0 or not data[:end].isascii():
        return None
    start, *lines = data[:end].decode("ascii").split("\r\n")
    told = first.fullmatch(start)
    if told is None:
        return None
    headers = dict[str, str]()
    if not all(_add(headers, line) for line in lines) or not _ABOUT_BODIES.isdisjoint(headers):
        return None
    return Head(told[1] or "", headers, data[end + len(_END) :])
