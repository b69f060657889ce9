"""Event columns of the words of many lines: `words.RowMaker` in columns.

What only Python can do, such as to mask a text or to give a pseudonym, is done once for each text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import polars as pl

from wsdiag import redact
from wsdiag.event import EVENTS
from wsdiag.sensitive import TOKEN_SIGNS, UNCODED
from wsdiag.sources.blocks.word_columns import Words, in_ascii
from wsdiag.sources.formats.words import (
    CHOICES,
    EMPTY,
    ID,
    LIMITS,
    MAX_MS,
    MS,
    ORIGIN,
    PEER,
    QUERY_SID,
    QUERY_USER,
    SAID,
    TRACE,
    TRACEPARENT,
    RowMaker,
    lasted_ms,
)
from wsdiag.sources.line.constant_columns import constant

_NOT_NAMED = sorted(EMPTY)
_ID = f"^(?:{ID.pattern})$"
_PEER = f"^(?:{PEER.pattern})$"
_TRACE = f"(?:^|[^0-9a-fA-F])({TRACE})(?:[^0-9a-fA-F]|$)"

Columns = dict[str, pl.Series]


def duration_ms(words: Words, prefix: str = "") -> pl.Series:
    """The stated durations in milliseconds; null where none is stated."""
    made = pl.Series([None], dtype=pl.Float64).new_from_index(0, len(words))
    unsaid = made.is_null()
    for unit, factor in MS.items():
        if words.has(prefix + unit):
            text = words[prefix + unit]
            value = _decimal(text) * factor
            value = value.set(~value.is_between(0, MAX_MS, closed="left"), None).round(6)
            made = value.zip_with(unsaid & (text != ""), made)
            unsaid &= text == ""
    if not prefix and words.has("lasted"):
        made = words["lasted"].map_elements(lasted_ms, pl.Float64).zip_with(unsaid, made)
    return made


class RowColumns:
    """Makes event columns; whatever may hold a secret is masked, and counted by `maker`."""

    def __init__(self, maker: RowMaker) -> None:
        self._maker = maker

    def told(self, words: Words) -> Columns:
        """What every row of the lines has, unless its rule says otherwise."""
        made = self._of_request(words["path"]) if words.has("path") else {}
        if words.has("user"):
            user = words["user"]
            pseudonyms = self._pseudonyms(user, redact.user, "user")
            made["user"] = _either(pseudonyms, made.get("user"))
        if words.has("conn"):
            made["conn"] = _where(words["conn"], _is_id(words["conn"]))
        if words.has("sid"):
            sessions = self._pseudonyms(words["sid"], redact.session, "session")
            made["conn"] = _either(sessions, made.get("conn"))
        if words.has("key"):
            made["key"] = _where(words["key"], words["key"] != "")
        if words.has("ip") or words.has("client"):
            made["peer"] = _peers(words)
        for name, traces in _traces(words).items():
            made[name] = _either(traces, made.get(name))
        for column in SAID:
            if words.has(column):
                said = self._typed(column, words[column])
                before = made.get(column)
                made[column] = (
                    said if before is None else said.zip_with(words[column] != "", before)
                )
        return made

    def row(self, words: Words, constants: Mapping[str, str]) -> Columns:
        """What a row of the rule says: it goes before what is told."""
        handshake = constants["kind"] == "open"
        made = {"ms": duration_ms(words, "handshake_" if handshake else "")}
        for column, text in constants.items():
            if column != "at":
                made[column] = self._typed(column, words.filled(text))
        return made

    def _typed(self, column: str, text: pl.Series) -> pl.Series:
        if column in LIMITS:
            value = text.str.strip_chars_start("+").cast(pl.Int64, strict=False)
            limit = LIMITS[column]
            within = value.is_between(-limit, limit, closed="none")
            return value.set(~within, None).cast(EVENTS[column])
        if column == "ms":
            value = _decimal(text)
            return value.set(~value.is_between(0, MAX_MS, closed="left"), None)
        if column in ("reason", "topic", "name"):
            return once_each(text, self._maker.shown)
        if column in CHOICES:
            return _where(text, text.is_in([str(choice) for choice in CHOICES[column]]))
        return _where(text, text != "")

    def _of_request(self, targets: pl.Series) -> Columns:
        """Paths, and what only targets tell that carry a credential, a user or a session."""
        paths = targets.str.splitn("?", 2).struct.field("field_0").rename("name")
        if paths.str.contains("://", literal=True).any():
            paths = paths.str.replace(f"({ORIGIN})$", "/").str.replace(ORIGIN, "")
        made = {"name": once_each(paths, self._maker.shown)}
        maybe = targets.str.contains_any(list(TOKEN_SIGNS), ascii_case_insensitive=True)
        maybe |= ~targets.str.contains(UNCODED) | targets.str.contains(QUERY_USER)
        places = (maybe & targets.str.contains("?", literal=True)).arg_true()
        if targets.str.contains("sid=", literal=True).any():
            sids = targets.str.extract(in_ascii(QUERY_SID), 1).fill_null("").scatter(places, "")
            made["trace"] = self._pseudonyms(sids, redact.session, "session")
        if len(places):
            asked = targets.gather(places)
            counted = asked.value_counts(name="times").iter_rows()
            told = {target: self._maker.of_request(target, times) for target, times in counted}
            for name in ("token", "expires", "user", "trace"):
                said = [row.get(name) for row in map(told.__getitem__, asked)]
                if any(said):
                    none = pl.Series([None], dtype=EVENTS[name]).new_from_index(0, len(targets))
                    column = made.get(name, none)
                    made[name] = column.scatter(places, pl.Series(said, dtype=EVENTS[name]))
        return made

    def _pseudonyms(
        self, texts: pl.Series, pseudonym: Callable[[str], str], rule: str
    ) -> pl.Series:
        def hidden(text: str, times: int) -> str | None:
            if text in EMPTY:
                return None
            self._maker.redactor.counts[rule] += times
            return pseudonym(text)

        return once_each(texts, hidden)


def once_each(texts: pl.Series, make: Callable[[str, int], str | None]) -> pl.Series:
    """What is made of each text and the times it stands there; null of an empty one."""
    counted = texts.alias("text").value_counts(name="times")
    made = [make(text, times) if text else None for text, times in counted.iter_rows()]
    return texts.replace_strict(counted["text"], pl.Series(made, dtype=pl.String))


def _either(first: pl.Series, second: pl.Series | None) -> pl.Series:
    return first if second is None else first.zip_with(first.is_not_null(), second)


def _where(texts: pl.Series, which: pl.Series) -> pl.Series:
    return texts if which.all() else texts.set(~which, None)


def _is_id(texts: pl.Series) -> pl.Series:
    return ~texts.is_in(_NOT_NAMED) & texts.str.contains(_ID)


def _decimal(text: pl.Series) -> pl.Series:
    plain = text.str.strip_chars_start("+").str.replace(",", ".", literal=True)
    return plain.cast(pl.Float64, strict=False)


def _peers(words: Words) -> pl.Series:
    """`ip:port` of the clients; null without a real port."""
    ip, port = words["ip"], words["port"]
    if words.has("client") and words["client"].str.contains(":", literal=True).any():
        found = words["client"].str.extract_groups(_PEER).struct
        port = port.zip_with(ip != "", found.field("port").fill_null(""))
        ip = ip.zip_with(ip != "", found.field("ip").fill_null(""))
    number = port.cast(pl.Int64, strict=False)
    real = (ip != "") & number.is_between(1, 65535).fill_null(False)
    shown = once_each(ip.zip_with(real, constant("", len(ip))), _address)
    return shown + ":" + number.cast(pl.String)


def _address(ip: str, _: int) -> str:
    return redact.address(ip)


def _traces(words: Words) -> Columns:
    found = []
    if words.has("traceparent"):
        found.append(words["traceparent"].str.extract(TRACEPARENT.pattern, 1))
    if words.has("trace"):
        found.append(_where(words["trace"], _is_id(words["trace"])))
    if words.has("captures"):
        found.append(words["captures"].str.extract(_TRACE, 1))
    made: pl.Series | None = None
    for column in reversed(found):
        made = _either(column, made)
    return {} if made is None else {"trace": made}
