"""Draft a log format from a log: a pattern with its time, rules for what the general reader takes
for events, and samples that hold. A person goes on from there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec

from wsdiag.redact import Redactor
from wsdiag.sources.format_check import read_sample
from wsdiag.sources.formats.document import FormatError, Sample, parse
from wsdiag.sources.formats.line_format import Format
from wsdiag.sources.line import field_names, field_pairs, json_record, line_head, quantities, stamps
from wsdiag.sources.line import fields as of
from wsdiag.sources.line.wrapper import Unwrapper, strip_colours
from wsdiag.sources.prose import sentences

MAX_LINES = 20_000
MAX_RULES = 12
MAX_WORDS = 5
_WORD = re.compile(r"[A-Za-z][A-Za-z_()'-]*[:,.;]?$")
_SHOWN = ("kind", "conn", "code", "reason", "dir")
_WORD_OF = {"conn": "conn", "user": "user", "trace": "trace", "peer": "client"}
_NEXT = r"""["']?\s?[=:]\s?["']?"""


class _Line(NamedTuple):
    text: str
    head: str  # what stands before the message, as a pattern
    message: str
    flat: Mapping[str, object]  # the fields of a JSON record
    rows: list[dict[str, object]]


def draft(name: str, lines: Iterable[str]) -> str:
    """The text of a format file called `name`.toml.

    Raises `FormatError` when no line tells an event, so that there is nothing to begin with.
    """
    told = [line for line in _lines(lines) if line.rows]
    if not told:
        raise FormatError(f"{name}: no line tells of a connection; write the format by hand")
    heads = [line.head for line in told]
    usual = max(heads, key=heads.count)
    kept = [line for line in told if line.head == usual and bool(line.flat) == bool(told[0].flat)]
    groups: dict[str, _Line] = {}
    for line in kept:
        groups.setdefault(_literal(line.message), line)
    groups.pop("", None)
    chosen = dict(list(groups.items())[:MAX_RULES])
    if not chosen:
        raise FormatError(f"{name}: the events have no words of their own; write it by hand")
    start = _text(name, usual, chosen, {})
    made = Format(parse(start, f"{name}.toml"), start)
    samples = {
        text: read_sample(made, Sample(line=text, events=[]))
        for text in (line.text for line in chosen.values())
    }
    return _text(name, usual, chosen, samples)


def _lines(lines: Iterable[str]) -> Iterator[_Line]:
    unwrapper, mask = Unwrapper(), Redactor().mask
    for number, raw in enumerate(lines):
        if number == MAX_LINES:
            return
        peeled = unwrapper.peel(strip_colours(raw.rstrip("\r\n")))
        if not peeled or "'''" in peeled.text:
            continue
        text = mask(peeled.text)  # a format file is shared: nothing secret may stand in it
        flat = _record(text)
        if flat:
            message = json_record.message_of(flat)
            yield _Line(text, "", message, flat, sentences.rows_of(message, flat))
        elif text[:1] != "{":
            message = line_head.part(text).message
            if text.endswith(message):
                head = _head(text, len(text) - len(message))
                yield _Line(text, head, message, {}, sentences.rows_of(message, {}))


def _record(text: str) -> dict[str, json_record.Scalar]:
    if text[:1] != "{":
        return {}
    try:
        record = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return {}
    return json_record.flatten(record) if isinstance(record, dict) else {}


def _head(text: str, end: int) -> str:
    """The pattern of what stands before the message: the time, and words that may differ."""
    stamp = stamps.find(text)
    if not stamp or stamp.end > end:
        return _loose(text[:end])
    shape = re.sub(r"\d+", r"\\d+", re.escape(text[stamp.start : stamp.end]).replace(r"\ ", " "))
    shape = re.sub(r"\b[A-Z][a-z]{2}\b", "[A-Z][a-z]{2}", shape)
    return f"{_loose(text[: stamp.start])}(?P<time>{shape}){_loose(text[stamp.end : end])}"


def _loose(text: str) -> str:
    parts = re.split(r"(\s+|[A-Za-z0-9_./@-]+)", text)
    return "".join(
        r"\s+" if part.isspace() else r"\S+" if part[:1].isalnum() else re.escape(part)
        for part in parts
        if part
    )


def _literal(message: str) -> str:
    """The most words in a row that stay the same: no ids, no numbers, no names of fields."""
    runs: list[list[str]] = [[]]
    for word in message.split(" "):
        if _WORD.match(word) and len(runs[-1]) < MAX_WORDS:
            runs[-1].append(word)
        else:
            runs.append([])
    found = [" ".join(run).rstrip(":,.;") for run in runs]
    return max(found, key=len)


def _searches(line: _Line) -> dict[str, str]:
    """The words of wsdiag that the line's pairs or the record's fields carry: word → field."""
    stated = line.flat or field_pairs.split_fields(line.message)
    found: dict[str, str] = {}
    for field, value in stated.items():
        said = field_pairs.spread({field: value}, {})
        for column in of.identity(said):
            if column in _WORD_OF:
                found.setdefault(_WORD_OF[column], field)
        if quantities.number(field_pairs.first(said, field_names.CODE), 1000, 4999):
            found.setdefault("code", field)
        if field_pairs.first(said, field_names.REASON):
            found.setdefault("reason", field)
    return found


def _text(
    name: str,
    head: str,
    groups: Mapping[str, _Line],
    samples: Mapping[str, list[dict[str, object]]],
) -> str:
    record = bool(next(iter(groups.values())).flat)
    searches: dict[str, str] = {}
    for line in groups.values():
        for word, field in _searches(line).items():
            searches.setdefault(word, field)
    needs = ", ".join(_quoted(literal) for literal in groups)
    parts = [
        f'id = "{name}"',
        'title = "FILL IN: what writes this log"',
        'vantage = "server"  # or proxy, client',
        f'stack = "{name}"',
        *(['reads = "record"'] if record else []),
        f"needs = [{needs}]",
    ]
    if record:
        flat = next(iter(groups.values())).flat
        parts += ["", "[fields]", *_record_fields(flat, searches)]
    else:
        parts += [f"pattern = '''^{head}(?P<message>.*)$'''", *_finds(groups, searches)]
    for literal, line in groups.items():
        rows = ", ".join(_row(row) for row in line.rows)
        parts += [
            "",
            "[[rule]]",
            f"match = {_quoted(re.escape(literal).replace(chr(92) + ' ', ' '))}",
        ]
        parts += [f"rows = [{rows}]"]
    for line in groups.values():
        got = [_event(row) for row in samples.get(line.text, [])]
        parts += ["", "[[sample]]", f"line = '''{line.text}'''", f"events = [{', '.join(got)}]"]
    return "\n".join(parts) + "\n"


def _record_fields(flat: Mapping[str, object], searches: Mapping[str, str]) -> Iterator[str]:
    for word, names in (("time", json_record.TIME_NAMES), ("message", json_record.MESSAGE_NAMES)):
        name = next((name for name in names if flat.get(name)), None)
        if name:
            yield f'{word} = "{name}"'
    yield from (f'{word} = "{field}"' for word, field in searches.items())


def _finds(groups: Mapping[str, _Line], searches: Mapping[str, str]) -> Iterator[str]:
    patterns = []
    for word, field in searches.items():
        value = r"\d+" if word == "code" else r"[^\s\"',;)\]]+"
        name = rf"\b{re.escape(field)}"
        if word == "reason":
            patterns.append(f'{name}[=:]\\s?"(?P<reason>[^"]*)"')
        patterns.append(f"{name}{_NEXT}(?P<{word}>{value})")
    if "code" not in searches:
        for line in groups.values():
            code = next((str(row["code"]) for row in line.rows if "code" in row), "")
            before = re.search(rf"([A-Za-z]+)(\W+){code}\b", line.message) if code else None
            if before:
                patterns.append(rf"{before[1]}\W+(?P<code>[1-4]\d\d\d)\b")
                break
    if patterns:
        listed = "".join(f"    '''{pattern}''',\n" for pattern in patterns)
        yield f"find = [\n{listed}]"


def _row(row: Mapping[str, object]) -> str:
    fixed = f', dir = "{row["dir"]}"' if "dir" in row else ""
    return f'{{ kind = "{row["kind"]}"{fixed} }}'


def _event(row: Mapping[str, object]) -> str:
    shown = [
        f"{column} = {value if isinstance(value, int) else _quoted(str(value))}"
        for column in _SHOWN
        if (value := row.get(column)) is not None
    ]
    return "{ " + ", ".join(shown) + " }"


def _quoted(text: str) -> str:
    """A TOML string: literal where it can be."""
    return (
        f"'{text}'"
        if "'" not in text and text.isprintable()
        else msgspec.json.encode(text).decode()
    )
