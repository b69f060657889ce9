"""What a line of an application says, and what it is about."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property

from wsdiag.sources.line import field_names, field_pairs, quantities, shown_values
from wsdiag.sources.line import fields as of
from wsdiag.sources.prose import mentions
from wsdiag.sources.prose import vocabulary as v

READ = 2_000
"""Characters of a message that are read; what follows is payload or a stack."""

_EVENT_FIELDS = (
    *("event", "evt", "ev", "event_type", "eventType", "type", "action", "op", "what", "at"),
    "kind",
)
_SAYING_FIELDS = (
    *("err", "error", "err.message", "error.message", "exception", "exc", "cause", "reason"),
    "value",
)
_STACK_FIELDS = (
    *("stack_trace", "stacktrace", "stackTrace", "stack", "trace", "exc_info", "err.stack"),
    *("error.stack", "error.stack_trace", "exception.stacktrace", "exception.stack_trace"),
)
_CAUSED_BY = re.compile(r"^Caused by: (.+)$", re.MULTILINE)
_LOGFMT = re.compile(r"^[\w.]+=\S*(?: [\w.]+=|$)")
_EVENT_NAME = re.compile(
    r"^(?![a-z]+\.[a-z.]*\w+Exception$)[A-Za-z]+(?:[_.:-][A-Za-z]+)*(?=$|\s+\w+[=:])"
)
"""Not the full name of a Java exception: its dots join a name, not words."""

_JOINT = re.compile(r"[_.:-]|(?<=[a-z])(?=[A-Z])")
_TAGS = re.compile(r"^(?:\[[A-Za-z_:. -]{1,60}\]\s*)+(?=\S)")
_WEBSOCKET_TAG = re.compile(r"\b(?:ws|wss|websocket|web-?socket)\b")
_BARE = re.compile(
    r"^(?:[a-z]{3,20}(?: #?|[-_#])\d{1,9}:? )?"
    r"(?:(?:[\w.$:]*(?:error|exc|err|read|write|exception)\w*|upgrade|socket|client|ws|os|io"
    r"|link|line|channel|trouble|problem)\W+)*"
    r"(?:[a-z]\w*\.){0,6}(?:connect |read |write |dial tcp |read tcp |write tcp |\[errno |econn"
    r"|connection re|eof|socket hang up|software caused connection|unexpected eof|net::err_)"
)
"""Nothing but an error of the network, so it is as much about a WebSocket as the log is."""


class Line:
    """One line, and what it is about; the costly questions are answered when first asked."""

    def __init__(self, message: str, fields: Mapping[str, object]) -> None:
        self.message = message
        self.fields = fields
        text = statement(message, fields)
        if _LOGFMT.match(message):
            stated = self.pairs.get("msg") or self.pairs.get("message") or ""
            text = statement(stated, {**self.pairs, **fields}) or text
        tags = _TAGS.match(text)
        self.tags = tags[0].lower() if tags else ""
        self.text = text[len(self.tags) :]
        if _WEBSOCKET_TAG.search(self.tags):
            self.text = f"ws {self.text}"  # "[ws] open feed=orders" leaves the subject to its tag
        self.low = lower(self.text)

    @cached_property
    def pairs(self) -> dict[str, str]:
        pairs = field_pairs.split_fields(self.message)
        stated = pairs.get("msg") or pairs.get("message") or ""
        return {**field_pairs.split_fields(stated), **pairs} if "=" in stated else pairs

    @cached_property
    def said(self) -> dict[str, str]:
        return field_pairs.spread(self.fields, self.pairs)

    @cached_property
    def around(self) -> str:
        """The line with its tags and its logger, which tell of whom it speaks."""
        loggers = (self.said[name].lower() for name in field_names.WHERE if name in self.said)
        return " ".join((self.low, self.tags, *loggers))

    @cached_property
    def foreign(self) -> bool:
        return bool(v.FOREIGN.search(self.around))

    @cached_property
    def websocket(self) -> bool:
        path = field_pairs.first(self.said, field_names.PATH) or ""
        return bool(v.ABOUT_WEBSOCKET.search(f"{self.around} {path.lower()}"))

    @cached_property
    def business(self) -> bool:
        return bool(v.BUSINESS.search(self.low))

    @cached_property
    def pointed(self) -> bool:
        """True when the line points at a WebSocket or at one connection."""
        return bool(
            self.websocket
            or of.names_a_connection(self.said)
            or (self._coded and not self.business)
            or _BARE.match(self.low)
            or mentions.CLIENT_ID.search(self.text)
            or mentions.peer(self.text)
        )

    @property
    def tells_close_of_one(self) -> bool:
        """True when fields have the id of a connection and a close code, and none is of HTTP."""
        if of.close_code(self.said) is None or self.business:
            return False
        return of.names_one_connection(self.said)

    @cached_property
    def speaker(self) -> str | None:
        """The name behind which a client writes each of its lines: `[dev-07] link is up`."""
        found = v.SPEAKER.match(self.low)
        return shown_values.connection_id(self.text[slice(*found.span("who"))]) if found else None

    @property
    def _coded(self) -> bool:
        """True when a close stands beside a field with a close code, or one for it and empty."""
        if not ("clos" in self.low or "disconnect" in self.low):
            return False
        stated = field_pairs.first(self.said, field_names.CODE)
        if stated is not None:
            return quantities.number(stated, 1000, 4999) is not None
        return any(
            name.lower() in {"code", "close_code", "closecode"}
            for name in {*self.fields, *self.pairs}
        )


def fields_tell(fields: Mapping[str, object]) -> bool:
    """True when a field that can carry a statement may hold a phrase."""
    for name in (*_EVENT_FIELDS, *_SAYING_FIELDS):
        value = fields.get(name)
        if isinstance(value, str) and v.GATE.search(value[:READ].lower()):
            return True
    told = (text[:READ].lower() for text in _of_stacks(fields))
    return any(map(v.GATE.search, told)) or of.tells_memory(fields) or bool(_of_a_library(fields))


def statement(message: str, fields: Mapping[str, object]) -> str:
    """What the line says: the message (or the event's name), its error and reason fields, and what
    a library says in others."""
    text = message[:READ].strip()
    if fields:
        if not text:
            named = (fields.get(name) for name in _EVENT_FIELDS)
            text = next((str(value)[:READ].strip() for value in named if value), "")
        for name in _SAYING_FIELDS:
            value = fields.get(name)
            if isinstance(value, str) and value and value not in text:
                text = f"{text}; {value[:READ]}"
        for value in (*_of_a_library(fields), *_of_stacks(fields)):
            if value not in text:
                text = f"{text}; {value}"
    event = _EVENT_NAME.match(text)
    return _JOINT.sub(" ", event[0]) + text[event.end() :] if event else text


def _of_a_library(fields: Mapping[str, object]) -> list[str]:
    """The fields, under whatever names, in which a library speaks."""
    told = (value[:READ] for value in fields.values() if isinstance(value, str))
    return [text for text in told if v.GATE.search(low := text.lower()) and v.LIBRARY.search(low)]


def _of_stacks(fields: Mapping[str, object]) -> list[str]:
    """What a record's stacks say: their errors and the deepest cause, without the calls."""
    said: list[str] = []
    for name in _STACK_FIELDS:
        value = fields.get(name)
        if not isinstance(value, str) or "\n" not in value:
            continue
        lines = value.strip().splitlines()
        said.append((lines[-1] if value.lstrip().startswith("Traceback ") else lines[0])[:READ])
        said.extend(_CAUSED_BY.findall(value)[-1:])
    return said


def lower(text: str) -> str:
    """Lower case without a change of length, so that places in it are places in the text."""
    low = text.lower()
    if len(low) == len(text):
        return low
    return "".join(small if len(small := char.lower()) == 1 else char for char in text)
