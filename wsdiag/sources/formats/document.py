"""What a log format file may say, and whether it says it rightly.

One format is one TOML file:

    id = "nginx-error"              # the file's name
    title = "nginx error log"
    vantage = "proxy"               # server, proxy or client: who writes such a log; either: both
                                    # write it, and a row's `dir` may be "sent" or "received"
    stack = "nginx"
    reads = "line"                  # line; message: what follows time, level and logger;
                                    # record: a JSON object
    needs = ["#", "*"]              # cheap gate: one of these stands in every such line
    pattern = '''^(?P<time>…) …'''  # its named groups are those of words.py
    common = '''^(?P<time>…) …'''   # may be left out: the form in which nearly all lines are
                                    # written, which is read faster than all that there may be
    find = ['''request: "(?P<request>[^"]*)"''']   # further words, each searched anywhere
    time = "event"                  # what the line's time means: event, start or end
    access = true                   # each line is of one HTTP request, as in an access log
    fallback = true                 # … of any program: formats of one program are asked first

    [[rule]]                        # the first rule that holds gives its rows, and no other
    where = { status = "101" }      # a word equals; is one of a list; "~…" matches a regex
    match = 'timed out'             # searched in the word `message`; its groups are words too
    rows = [{ kind = "open", at = "start" }, { kind = "end", code = "{status}" }]

    [[sample]]                      # a test: what a real line must give; [] = nothing
    line = '''…'''
    events = [{ kind = "open", ts = "2026-11-22T23:45:36Z" }]

A row names columns of the event frame; all words of the line that are columns come along, unless
the row names the column itself ("" leaves it out). `at` is `start` or `end` where the line
states a duration; without it the row has the line's own time. `only_if` is `its path opens` where
the row counts only if its path opens WebSockets in the same log, `nothing else opens` where it does
only if no other line of the log tells of any. A record has `fields` (word →
dotted name in the object, or several) in place of `pattern`. `anonymous`: the lines name no
connection, so they belong to the only one that is open, if it is the only one; "states" where the
format states each opening and closing, "explains" where it only says why another line's closing
came.

Of an access line (`access`) is known beside its rules: an answer to a poll or a negotiation is a
`response`. And what a rule says of a request that asked for an upgrade (`websocket = "yes"`) holds
of any GET that was refused, where its path opens WebSockets in the same log: a path need not look
like a WebSocket's. So such a format needs a rule for those that asked. It is not for programs that
write for each request whether it is a WebSocket's. What a `fallback` tells counts only where no
other line of the log tells the same. It reads a record, or a line of whose time its pattern tells
nothing, only where that says nothing as a sentence either.

`misreports` (close code → when) are codes that the program also writes, or hands to the application
that logs them, where no Close frame with that code came: they are kept, but not believed.

Patterns stay in what Python and Rust regexes have in common: no lookaround, no backreference.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec

from wsdiag.config import ConfigError
from wsdiag.event import EVENTS, Kind
from wsdiag.sources.context.only_if import ONLY_IF, OnlyIf
from wsdiag.sources.formats.words import ASKING, CHOICES, POLLED, WORDS

_CONDITIONS = (OnlyIf.ITS_PATH_OPENS.value, OnlyIf.NOTHING_ELSE_OPENS.value)
"""What a row's `only_if` may say."""

_UNCOMMON = re.compile(r"\(\?(?:=|!|<=|<!|P=)|\\[1-9]")
_REFERENCE = re.compile(r"\{(\w+)\}")
_NO_SID = "(?:&(?:[^s&]|s[^i&])[^&]*)*"
"""The rest of a query that names no session: the clients write that behind the transport."""

_REFUSALS = (
    *("400", "401", "403", "426", "429", "500", "502", "503", "504"),
    *("520", "521", "522", "523", "524", "525", "526"),  # Cloudflare's, of an origin in trouble
)
"""Statuses with which handshakes are refused on a path that opens WebSockets otherwise."""


class FormatError(ConfigError):
    """A format file that cannot be used; the text names the file and the field."""


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When it holds, its rows are what the line says."""

    rows: list[dict[str, str]]
    where: dict[str, str | list[str]] = {}
    match: str = ""


class Sample(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Real lines and the events they must give: for each event the columns that must agree."""

    events: list[dict[str, object]]
    line: str = ""
    lines: list[str] = []


class Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A format file as it is written."""

    id: str
    title: str
    vantage: Literal["server", "proxy", "client", "either"]
    stack: str
    reads: Literal["line", "message", "record"] = "line"
    needs: list[str]
    pattern: str = ""
    common: str = ""
    find: list[str] = []
    fields: dict[str, str | list[str]] = {}
    time: Literal["event", "start", "end"] = "event"
    anonymous: Literal["", "states", "explains"] = ""
    access: bool = False
    fallback: bool = False
    misreports: dict[str, str] = {}
    rule: list[Rule]
    sample: list[Sample]

    @property
    def is_last_resort(self) -> bool:
        """Whether it reads what else says nothing at all."""
        return self.fallback and "(?P<time>" not in self.pattern


def parse(text: str, file: str) -> Document:
    """The document in the text of its file, checked. Raises `FormatError` naming file and field."""
    written = _written(text, file)
    for told in _problems(written, file):
        raise FormatError(f"{file}: {told}")
    return _whole(written)


def trusted(text: str, file: str) -> Document:
    """The document in the text of a file that was checked before, as the package's own are.

    Raises `FormatError` where it is no such document at all.
    """
    return _whole(_written(text, file))


def _written(text: str, file: str) -> Document:
    try:
        return msgspec.convert(tomllib.loads(text), Document)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as problem:
        raise FormatError(f"{file}: {problem}") from None


def _whole(document: Document) -> Document:
    """The document with the rules that it shares with all of its sort."""
    rules = document.rule
    if document.fallback:
        rules = [_marked(rule, OnlyIf.UNTOLD) for rule in rules]
    if document.access:
        rules = [_of_old_engines(document), *rules, _of_polls(document)]
        rules += _of_opening_paths(document)
    return msgspec.structs.replace(document, rule=rules)


def _marked(rule: Rule, mark: OnlyIf) -> Rule:
    return msgspec.structs.replace(rule, rows=[row | {ONLY_IF: mark.value} for row in rule.rows])


def _of_polls(document: Document) -> Rule:
    """The answer to a poll or a negotiation: it is told when and by what name refusals are."""
    refusal = next(_refusals(document), {})
    told = {column: refusal[column] for column in ("at", "conn") if column in refusal}
    row = {"kind": Kind.RESPONSE.value, "code": "{status}"} | told
    return Rule(rows=[row], where={"path": f"~{POLLED}"})


def _of_old_engines(document: Document) -> Rule:
    """A 400 to what opens a session of Engine.IO 3: its version is what is to be known of it."""
    refusal = next(_refusals(document), {})
    told = {column: refusal[column] for column in ("at", "conn") if column in refusal}
    row = {"kind": Kind.REJECTED.value, "code": "{status}", "reason": "EIO=3"} | told
    path = f"~[?&]EIO=3&transport=(?:polling|websocket){_NO_SID}$"
    return Rule(rows=[row], where={"status": "400", "path": path})


def _of_opening_paths(document: Document) -> Iterator[Rule]:
    """What rules say of requests that asked for an upgrade, of those that may have asked for it."""
    mark = OnlyIf.ITS_PATH_OPENS_UNTOLD if document.fallback else OnlyIf.ITS_PATH_OPENS
    for rule in filter(_asked, document.rule):
        among = rule.where.get("status", "~")
        statuses = [status for status in _REFUSALS if _is_one_of(among, status)]
        if statuses:
            where = {"method": list(ASKING), **rule.where, "status": statuses}
            del where["websocket"]
            yield _marked(msgspec.structs.replace(rule, where=where), mark)


def _refusals(document: Document) -> Iterator[dict[str, str]]:
    rows = (row for rule in document.rule if _asked(rule) for row in rule.rows)
    return (row for row in rows if row.get("kind") == Kind.REJECTED)


def _asked(rule: Rule) -> bool:
    return rule.where.get("websocket") == "yes"


def _is_one_of(value: str | list[str], text: str) -> bool:
    if isinstance(value, str) and value.startswith("~"):
        return re.search(value[1:], text) is not None
    return text in value if isinstance(value, list) else text == value


def _problems(document: Document, file: str) -> Iterator[str]:
    if document.id != file.removesuffix(".toml"):
        yield f"id: {document.id!r} is not the file's name"
    if bool(document.pattern) == (document.reads == "record"):
        yield "pattern: a line or message has a pattern, a record has fields"
    if not document.needs:
        yield "needs: name at least one text that stands in every such line"
    if document.common and not _same_words(document.common, document.pattern):
        yield "common: it has the words of the pattern"
    if document.fallback and document.reads == "message":
        yield "fallback: only of lines and records"
    if document.access and not any(_refusals(document)):
        yield 'access: it needs a rule where websocket = "yes" with a row of kind "rejected"'
    for code in document.misreports:
        if not re.fullmatch(r"[1-4]\d{3}", code):
            yield f"misreports: {code!r} is no close code"
    words = set(document.fields)
    for field, text in _patterns(document):
        if _UNCOMMON.search(text):
            yield f"{field}: no lookaround and no backreference"
        try:
            words |= set(re.compile(text).groupindex)
        except re.error as problem:
            yield f"{field}: {problem}"
    used: set[str] = set()
    for number, rule in enumerate(document.rule, 1):
        used |= set(rule.where)
        for row in rule.rows:
            used.update(_REFERENCE.findall(" ".join(row.values())))
            yield from (f"rule {number}: rows: {problem}" for problem in _row_problems(row))
    for word in sorted((words - WORDS) - used):
        yield f"{word}: neither a word of wsdiag nor used by a rule"
    for word in sorted((used - words) - WORDS):
        yield f"{word}: used by a rule, but nothing captures it"


def _patterns(document: Document) -> Iterator[tuple[str, str]]:
    yield "pattern", document.pattern
    yield "common", document.common
    yield from ((f"find {n}", text) for n, text in enumerate(document.find, 1))
    for number, rule in enumerate(document.rule, 1):
        yield f"rule {number}: match", rule.match
        for word, value in rule.where.items():
            if isinstance(value, str) and value.startswith("~"):
                yield f"rule {number}: where.{word}", value[1:]


def _same_words(one: str, other: str) -> bool:
    words = [re.findall(r"\(\?P<(\w+)>", pattern) for pattern in (one, other)]
    return words[0] == words[1]


def _row_problems(row: Mapping[str, str]) -> Iterator[str]:
    if row.get("kind") not in set(Kind):
        yield f"kind: {row.get('kind')!r} is not a kind"
    if row.get("at", "start") not in ("start", "end"):
        yield f"at: {row['at']!r} is not start or end"
    if row.get(ONLY_IF, _CONDITIONS[0]) not in _CONDITIONS:
        yield f"{ONLY_IF}: {row[ONLY_IF]!r} is not one of {', '.join(_CONDITIONS)}"
    for column in sorted(row.keys() - EVENTS.keys() - {"at", ONLY_IF}):
        yield f"{column}: not a column"
    for column in sorted(row.keys() & CHOICES.keys()):
        value = row[column]
        if value and not _REFERENCE.search(value) and value not in CHOICES[column]:
            yield f"{column}: {value!r} is not one of {', '.join(sorted(CHOICES[column]))}"
