"""Part a log line into time, level and message, whatever program wrote it."""

from __future__ import annotations

import re
from typing import NamedTuple

from wsdiag.sources.line import stamps
from wsdiag.sources.line.stamps import Lacks, Stamp

_LEVELS = (
    "TRACE|DEBUG|DBG|INFO|INF|INFORMATION|NOTICE|WARN|WRN|WARNING|ERROR|ERR|CRITICAL|CRIT|FATAL"
    "|SEVERE|FINE|FINER|FINEST|VERBOSE|DEBU|ERRO|FAIL"
)
_BEFORE = re.compile(rf"\s*\[?(?P<level>{_LEVELS})\b\]?[:,]?\s*", re.IGNORECASE)
_AFTER = re.compile(
    rf"[\s\])}}|:;,>\"'#-]*?(?:\[?\s*(?P<level>{_LEVELS})\s*\]?(?:[\s:|-]+|(?=\[)|$)"
    r"|\[\d+\]\s*|\(\d+\)\s*:?\s*|\((?:MainThread|SyncWorker_\d+|Thread-\d+)\)\s*(?=\[)"
    r"|\d+ (?=\[))",
    re.IGNORECASE,
)
_BRACKET = re.compile(r"[^\[\]]{1,40}\]")
# Where a browser's console says that the line was written: `app.js:12 `, `(index):7:3 `, `VM88:1 `.
_SCRIPT = re.compile(r"(?:[\w.@/-]+\.(?:[cm]?[jt]sx?|html?|vue)|\(index\)|VM\d+)(?::\d+){1,2} +")
# Behind a time without year, as Android's logcat writes: `1604 16072 D Tag: `, `D/Tag(961): `.
_LOGCAT = re.compile(
    r"(?:\d+[- ]+\d+(?:[/?-]\S*)? +)?[VDIWEF][/ ][\w.$-]+ *(?:\( *\d+\))?: +(?=\S)"
)
_LINE_OF = re.compile(r" \([\w.@-]{1,40}, line \d+\)$")  # as Safari's console writes it
# The logger's name as loguru's users write it; whatever else stands before a bar is said.
_LOGGER = re.compile(
    r"(?:uvicorn|gunicorn|hypercorn|daphne|granian|werkzeug|websockets|aiohttp|nonebot)"
    r"(?:\.\w+)* \| "
)
_LEAD_WORD = re.compile(r"\s*([A-Za-z][\w.@/-]*)[\s:|-]+[\[(]?$")


class Head(NamedTuple):
    """A line in parts; `message` still begins with the logger's name, where one is written.

    `stamp` has its place in the line.
    """

    stamp: Stamp | None
    level: str
    message: str


def part(line: str) -> Head:
    """Time, level (upper case, may be empty) and message of a line."""
    first = _BEFORE.match(line) if line[:1] in "TDINWECFSVtdinwecfsv[ " else None
    level, rest = "", line
    if first:
        level, rest = first["level"].upper(), line[first.end() :]
    stamp = stamps.find(rest)
    if not stamp:
        return Head(None, level, _unplaced(rest.strip()))
    before = len(line) - len(rest)
    placed = stamp._replace(start=before + stamp.start, end=before + stamp.end)
    if stamp.end >= len(rest.rstrip()) and stamp.start > 0:
        return Head(placed, level, rest[: stamp.start].rstrip(" ([").removesuffix(" at"))
    if rest[: stamp.start].rstrip("\"'").endswith("="):  # logfmt: the pairs are read as such
        return Head(placed, level, rest)
    message = rest[stamp.end :]
    if "[" in rest[: stamp.start] and (rest_of_bracket := _BRACKET.match(message)):
        message = message[rest_of_bracket.end() :]  # the bracket holds more than the time
    for _ in range(4):
        found = _AFTER.match(message)
        if not found or not found.end():
            break
        level = level or (found["level"] or "").upper()
        message = message[found.end() :]
    message = _unplaced(_unbracketed(message))
    if level and (logger := _LOGGER.match(message)):
        message = message[logger.end() :]
    if stamp.lacks == Lacks.YEAR and (logcat := _LOGCAT.match(message)):
        message = message[logcat.end() :]
    lead = _LEAD_WORD.match(rest[: stamp.start])
    if lead and len(lead[1]) > 1 and not _BEFORE.match(lead[1]):
        message = f"{lead[1]} {message}"
    return Head(placed, level, message.rstrip())


def _unbracketed(message: str) -> str:
    """Drop what closes the time's own brackets; keep a transcript's `> ` and `- ` marks."""
    text = message.lstrip(" \t")
    while text and text[0] in "])}|:;,\"'":
        text = text[1:].lstrip(" \t")
    if text.startswith("-> "):  # Arduino's serial monitor
        text = text[3:].lstrip()
    if text.startswith("- ") and not text.startswith("- timed out"):
        text = text[2:].lstrip()
    return text


def _unplaced(message: str) -> str:
    """Drop the place in a script that a browser's console writes before or behind the text."""
    found = _SCRIPT.match(message)
    text = message[found.end() :] if found else message
    return _LINE_OF.sub("", text) if text.endswith(")") and ", line " in text[-48:] else text
