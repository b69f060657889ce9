"""The EVENT rows that a phrase of a line states, with who, why and how long."""

from __future__ import annotations

import re
from collections.abc import Mapping

from wsdiag.event import Dir, Kind
from wsdiag.sources.context.open_connections import Row
from wsdiag.sources.context.speakers import SPEAKER
from wsdiag.sources.line import field_names, field_pairs, quantities, shown_values
from wsdiag.sources.line import fields as of
from wsdiag.sources.prose import mentions
from wsdiag.sources.prose import vocabulary as v
from wsdiag.sources.prose.meanings import ENDS, FAILED, Found
from wsdiag.sources.prose.statements import Line, lower
from wsdiag.sources.prose.vocabulary import Phrase

_LIFE = frozenset({Kind.ATTEMPT, Kind.OPEN, Kind.CLOSE, Kind.END})
_SPEAKING = "speaker"
"""The mark of a phrase that leaves it to the line's beginning whose connection it is."""

_BY = re.compile(
    r"\b(?:closed|terminated|disconnected|kicked|dropped|aborted) by "
    r"(?:the )?(?:remote )?(client|server)\b"
    r"|\b(client|server) (?:closed|(?:initiated|requested|sent) (?:the |a )?close)\b"
)
_STATUS_LINE = re.compile(
    r"\b([45]\d\d) (?:internal server error|bad gateway|bad request|unauthorized|forbidden"
    r"|not found|service (?:temporarily )?unavailable|gateway time-?out|upgrade required"
    r"|too many requests)"
)
_SHORTEST_STALL_MS = 50.0
_OF_THE_PROCESS = {Kind.SERVER_START, Kind.SERVER_STOP, Kind.RELOAD, Kind.MEMORY, Kind.STALL}
_FROM_A_PEER = {
    *(Kind.OPEN, Kind.REJECTED, Kind.CLOSE, Kind.END, Kind.HEARTBEAT_TIMEOUT, Kind.PING),
    *(Kind.PONG, Kind.AUTH, Kind.ERROR, Kind.BACKPRESSURE, Kind.TIMEOUT, Kind.MESSAGE),
}


def rows(phrase: Phrase, match: re.Match[str], line: Line) -> list[Row]:
    """The row of one phrase, and the `end` beside a `close` that states the lifetime."""
    text, said = line.text, line.said
    groups = {
        name.rstrip("0123456789"): text[slice(*match.span(name))]
        for name, value in match.groupdict().items()
        if value is not None
    }
    row: Row = {"kind": phrase.kind.value, **phrase.fixed}
    if groups.get("reason"):
        row["reason"] = shown_values.reason(groups["reason"])
    if "bytes" in groups:
        row["bytes"] = quantities.size(groups["bytes"])
    if "conn" in groups:
        row["conn"] = shown_values.id_told(match.group(), groups["conn"])
    stated = groups.get("wait") or (groups["ms"] + "ms" if "ms" in groups else None)
    row["ms"] = quantities.millis(stated) if stated else None
    if phrase.kind in ENDS:
        rows = _closing(row, groups, match, text, said)
    else:
        rows = [row] if _complete(row, phrase.kind, groups, match, text, said) else []
    who = row.pop("who", None)
    if "who" in groups:
        who = shown_values.id_told(match.group(), groups["who"])
    initialled = of.initialled(groups["noun"].lower(), said) if "noun" in groups else None
    for each in rows:
        each.pop("who", None)
        _add_identity(each, phrase.kind, text, said)
        if "noun" in groups and each.get("conn") is None:
            each["conn"] = of.id_of_a(groups["noun"].lower(), said)
        if who and each.get("conn") is None:
            each["conn"] = who if who != _SPEAKING else line.speaker or each.get("user")
        if phrase.kind in _FROM_A_PEER | _LIFE and not (each.get("conn") or each.get("peer")):
            each[SPEAKER] = initialled or line.speaker
    if who and phrase.kind is Kind.OPEN:
        rows = [each for each in rows if each.get("conn") or initialled]
    return [{name: value for name, value in each.items() if value is not None} for each in rows]


def explain(rows: list[Row], told: Mapping[Kind, Found], text: str) -> None:
    """A refusal that gives no reason has that of the weaker statement beside it; and so has what a
    credential ended."""
    for row in rows:
        if "reason" in row or row["kind"] not in FAILED | ENDS:
            continue
        for kind in (Kind.AUTH, Kind.ERROR) if row["kind"] in FAILED else (Kind.AUTH,):
            match = told[kind][1] if kind in told else None
            if match and match.groupdict().get("reason"):
                row["reason"] = shown_values.reason(text[slice(*match.span("reason"))])
                break


def _closing(
    row: Row,
    groups: Mapping[str, str],
    match: re.Match[str],
    text: str,
    said: Mapping[str, str],
) -> list[Row]:
    """A `close` when the line tells a code, a reason or who closed; else an `end`."""
    code = (
        quantities.number(groups.get("code"), 1000, 4999)
        or _named_code(groups.get("named") or field_pairs.first(said, field_names.CODE))
        or of.close_code(said)
    )
    by = _BY.search(match.string)
    side = groups.get("by", "").lower() or (by and (by[1] or by[2])) or ""
    given = field_pairs.first(said, field_names.REASON)
    lived = (
        row.pop("ms", None)
        or of.duration(said, field_names.LIFETIME, None)
        or mentions.lifetime(text)
    )
    if row["kind"] == Kind.END.value and not (code or given or side):
        return [{**row, "ms": lived}]
    spoken = groups.get("reason", "")
    if given and spoken in given and "code" not in groups:
        spoken = ""  # the field tells it whole
    reason = (
        (mentions.reason(groups["rest"]) if "rest" in groups else None)
        or mentions.said_reason(spoken)
        or shown_values.reason(given or "")
        or (
            shown_values.reason(match[0])
            if row["kind"] == Kind.END.value and "reason" in row
            else None
        )
        or shown_values.reason(field_pairs.first(said, field_names.ERROR) or "")
    )
    dir_ = {"client": Dir.C2S.value, "server": Dir.S2C.value}.get(side)
    row.update(kind=Kind.CLOSE.value, code=code, reason=reason, dir=dir_ or row.get("dir"))
    return [row, {"kind": Kind.END.value, "ms": lived}] if lived is not None else [row]


def _complete(
    row: Row,
    kind: Kind,
    groups: Mapping[str, str],
    match: re.Match[str],
    text: str,
    said: Mapping[str, str],
) -> bool:
    """Add the columns that this kind carries; False when the row says nothing without them."""
    if kind is Kind.REJECTED:
        line = _STATUS_LINE.search(match.string)
        row["code"] = (
            quantities.number(groups.get("code"), 200, 599)
            or quantities.number(field_pairs.first(said, field_names.STATUS), 300, 599)
            or row.get("code")
            or (int(line[1]) if line else None)
        )
        if not row.get("reason"):
            after = mentions.reason(text[match.end() :]) if "code" in groups else None
            stated = (
                field_pairs.first(said, field_names.REASON)
                or field_pairs.first(said, field_names.ERROR)
                or ""
            )
            row["reason"] = after or mentions.said_reason(stated)
    elif kind is Kind.OPEN:
        row["ms"] = of.duration(said, field_names.HANDSHAKE, "ms") or mentions.took(text)
    elif kind is Kind.PONG:
        row["ms"] = of.duration(said, field_names.LATENCY, "ms") or mentions.took(text)
    elif kind is Kind.MESSAGE:
        row["ms"] = (
            row["ms"] if row["ms"] is not None else of.duration(said, field_names.LATENCY, "ms")
        )
        row["bytes"] = of.sizes(said, field_names.BYTES)
        row["topic"] = shown_values.shown(field_pairs.first(said, field_names.TOPIC), 200)
        return row["ms"] is not None
    elif kind is Kind.STALL:
        row["ms"] = (
            row["ms"] if row["ms"] is not None else of.duration(said, field_names.PAUSE, "ms")
        )
        return not (isinstance(row["ms"], float) and row["ms"] < _SHORTEST_STALL_MS)
    elif kind in (Kind.HEARTBEAT_TIMEOUT, Kind.TIMEOUT) and row["ms"] is None:
        row["ms"] = of.duration(said, field_names.SILENCE, None)
    elif kind is Kind.BACKPRESSURE:
        row["bytes"] = row.get("bytes") or of.sizes(said, field_names.BYTES)
    elif kind in (Kind.SUBSCRIBE, Kind.UNSUBSCRIBE):
        row["topic"] = shown_values.shown(
            field_pairs.first(said, field_names.TOPIC) or groups.get("topic"), 200
        )
        return row["topic"] is not None
    elif kind is Kind.AUTH:
        row["code"] = quantities.number(field_pairs.first(said, field_names.STATUS), 400, 499)
    elif kind is Kind.RESPONSE:
        row["code"] = quantities.number(groups.get("code"), 100, 599)
    return True


def _add_identity(row: Row, kind: Kind, text: str, said: Mapping[str, str]) -> None:
    """Add who: the ids and credentials of the fields, then those in the prose."""
    if kind in _OF_THE_PROCESS and "conn" not in row:
        return
    who = of.identity(said, kind in (Kind.TOKEN, Kind.AUTH))
    candidates = (row.get("conn"), who.get("conn"), mentions.conn(text))
    who["conn"] = next((one for one in candidates if one and one != str(row.get("code"))), None)
    row.update(who)
    if "user" not in row:
        row["user"] = mentions.user(text)
    if kind in _LIFE and "topic" not in row:
        row["topic"] = shown_values.shown(field_pairs.first(said, field_names.TOPIC), 200)
    if "peer" not in row and kind in _FROM_A_PEER and not v.CLIENT_SPEECH.search(lower(text)):
        row["peer"] = mentions.peer(text)
    if kind in (Kind.ATTEMPT, Kind.OPEN, Kind.REJECTED):
        stated = field_pairs.first(said, field_names.PATH) or ""
        row["name"] = mentions.path(stated, text)
        if "token" not in row:
            row.update({**mentions.credential(f"{text} {stated}"), **known(row)})


def known(row: Row) -> Row:
    return {name: value for name, value in row.items() if value is not None}


def _named_code(name: str | None) -> int | None:
    return v.CLOSE_NAMES.get(re.sub(r"[\W_]", "", name.lower())) if name else None
