"""Read a log line by line, whatever formats stand in it: the engine of text_log and json_log.

A line loses its colours and wrappers, then the formats are asked (the one that read the last line
first), then the transcript, then the general reader of sentences. A file may mix formats, and text
may stand among JSON records.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from wsdiag.redact import Redactor
from wsdiag.sources.context import raised, told_twice
from wsdiag.sources.context.open_connections import Row
from wsdiag.sources.context.stack_marks import Stacks
from wsdiag.sources.formats.line_format import Format, Gates
from wsdiag.sources.formats.words import Fields, RowMaker, began
from wsdiag.sources.line import json_record, line_head, stamps
from wsdiag.sources.line.clock import Clock
from wsdiag.sources.line.line_head import Head
from wsdiag.sources.line.stamps import Stamp
from wsdiag.sources.line.wrapper import MAX_PARTIAL_CHARS, Unwrapper, strip_colours
from wsdiag.sources.line_by_line.frame_transcript import Transcript
from wsdiag.sources.line_by_line.moments import Moments
from wsdiag.sources.prose import sentences
from wsdiag.sources.prose.vocabulary import GATE

GENERAL = "app-log"
GENERAL_JSON = "json-log"
TRANSCRIPT = "websockets"

_DIALLING = frozenset({"attempt", "refused"})
"""What a client does, where no address tells that somebody else did it."""

_REMEMBERED = 1_000
_FEW = 5
_SHAPE_CHARS = 14
_DIGIT, _LETTER = re.compile(r"\d+"), re.compile(r"[^\W\d_]+")

_GATED_CHARS = 2_000
_HEADED = frozenset("0123456789[")
OTHER_SIGNS = ("< ", "> ", "= c", "- t", "! ", "Traceback (")
"""What a line of a frame transcript has, or the start of a traceback."""

_decode = msgspec.json.Decoder().decode


class LogReader:
    """One pass over one input: give it the lines, take the rows."""

    def __init__(
        self,
        clock: Clock,
        formats: Sequence[Format],
        client: bool = False,
        gates: tuple[Gates, Gates, Gates] | None = None,
    ) -> None:
        """`client`: the input is known to come from a client, by its name.

        `gates`: those of the formats by what they read (line, message, record), where known.
        """
        self.clock = clock
        self._moments = Moments(clock)
        self._client = client
        self._gates = gates or gates_of(formats)
        self._lines, self._messages, self._records = self._gates
        self._last: Format | None = None
        self._shape = ""  # how the lines of that format begin: one that begins so is of that format
        self._unwrapper = Unwrapper()
        self._maker = RowMaker(Redactor())
        self._transcript = Transcript(self._maker)
        self._docker = ""
        self._spread = json_record.SpreadRecords()
        self._said: dict[str, list[Row]] = {}
        self._twin = told_twice.NOTHING  # what the next may repeat
        self._traceback: list[Row] | None = None  # ends told inside the traceback being read
        self._raised: tuple[list[Row], int] | None = None  # by the line before, if calls follow
        self.rows: list[Row] = []
        self.seen: Counter[str] = Counter()
        self._stacks = {f.id: f.document.stack for f in formats}
        self._marks = Stacks()
        self.client_sentences = 0
        self.unread = 0
        self._read = 0
        self.lines: Counter[str] = Counter()  # by what became of them, as in report.Lines
        self._sort = ""  # … of the line being read, where that is known

    @property
    def redactions(self) -> dict[str, int]:
        """What was hidden so far, by rule."""
        return dict(self._maker.redactor.counts)

    @property
    def stacks(self) -> frozenset[str]:
        """The programs and libraries that wrote the lines so far, where they tell."""
        return frozenset(
            self._marks.found | {self._stacks[i] for i in self.seen if i in self._stacks}
        )

    def line(self, raw: str, pos: int, whole: bool = True) -> None:
        """Read one line; `whole`: nothing of it was cut off."""
        self._read += 1
        self.lines["continuation"] += 1
        complete = self._spread.take(raw)
        if complete is not None:
            self._count(complete, pos - len(complete) + 1, whole)

    def end(self) -> None:
        """There are no more lines."""
        rest = self._spread.rest() if self._spread else []
        self._count(rest, self._read - len(rest) + 1, True)

    def _count(self, complete: Sequence[str], first: int, whole: bool) -> None:
        """Read lines that were taken for parts of another until now, and account for each."""
        for number, line in enumerate(complete):
            unread, self._sort = self.unread, ""
            before, dying = self.clock.last, bool(self._moments.last_words)
            self._complete(strip_colours(line), first + number)
            if dying:
                self._moments.date_last_words(before, self._read)
            sort = self._sort
            if self.unread > unread or not whole:
                sort = "unread"
            elif not sort:
                goes_on = line[:1].isspace() or self._traceback is not None
                sort = "continuation" if goes_on else "ignored"
            self.lines[sort] += 1
            self.lines["continuation"] -= 1

    def _complete(self, line: str, pos: int) -> None:
        last = self._last
        if last and line[:1] != "{" and (fields := last.fields(line)):
            self._by_format(last, fields, None, pos)
            return
        self._wrapped(line, None, pos)

    def _wrapped(self, line: str, outer: Stamp | None, pos: int) -> None:
        if line[:1] == "{":
            self._json(line, outer, pos)
            return
        peeled = self._unwrapper.peel(line)
        if not peeled:
            self._sort = "continuation"
            return
        for text in peeled.text.split("\n"):
            whole = text is peeled.text or text == peeled.text
            self._text(text, peeled.stamp or outer, pos, peeled.spoken if whole else text)

    def _text(self, text: str, outer: Stamp | None, pos: int, spoken: str) -> None:
        if self._raised:
            self._rise(text)
        if text[:2] == '{"':
            self._json(text, outer, pos)
            return
        otherwise = []
        for reader in self._lines.passed(text, self._last):
            if reader.document.is_last_resort:
                otherwise.append(reader)
            elif fields := reader.fields(text):
                self._last, self._shape = reader, shape_begins(text)
                self._by_format(reader, fields, outer, pos)
                return
        self._marks.look(text)
        if self._silent(text) and not otherwise:
            if self._traceback is not None and (rows := raised.rows(text)):
                self._moments.beside(rows, outer)
                self._adopt(rows, pos, "")
            elif self._traceback is None:
                self._begin_stack(text, outer, pos)
            self._moments.pass_over(spoken, outer)
            self._twin = told_twice.NOTHING
            if self._broken(text):
                self.unread += 1
            return
        self._spoken(text, outer, pos, line_head.part(spoken), otherwise)

    def _begin_stack(self, text: str, outer: Stamp | None, pos: int) -> None:
        """Keep in mind what a line tells if the next is a call."""
        if rows := raised.rows_of_first(text):
            self._moments.instant(None)  # of the line that reports it
            self._moments.beside(rows, outer)
            self._raised = (rows, pos)

    def _rise(self, text: str) -> None:
        rows, pos = self._raised or ([], 0)
        self._raised = None
        if raised.is_call(text):
            sort = self._sort
            self._adopt(rows, pos, "")
            self._sort = sort

    def _silent(self, text: str) -> bool:
        """True where the line can say nothing: the cheap gate for most lines of a log."""
        if text[:1] in _HEADED:
            self._traceback = None
        return not (
            GATE.search(text[:_GATED_CHARS].lower())
            or "{" in text
            or any(mark in text for mark in OTHER_SIGNS)
            or self._messages.opens(text)
        )

    def _spoken(
        self,
        text: str,
        outer: Stamp | None,
        pos: int,
        head: Head,
        otherwise: Sequence[Format],
    ) -> None:
        """Read a line of no format; `otherwise` may read it where it says nothing."""
        stamp = head.stamp or outer
        if head.message[:2] == '{"':
            self._json(head.message, stamp, pos)
            return
        headed = bool(head.stamp or head.level)
        if headed or head.message.startswith("Traceback (most recent call last)"):
            self._traceback = None if headed else (self._traceback or [])
            if not headed:
                self._moments.instant(None)  # of the line that reports it
        if told_twice.is_twin(self._twin, head.message, headed):
            self._again(headed, stamp, pos)
            return
        before = len(self.rows)
        told = self._message(head.message, {}, stamp, pos, GENERAL)
        told = told or self._otherwise(otherwise, text, stamp, pos)
        self._twin = (head.message, headed, len(self.rows) - before)
        if not told:
            if not headed and self._traceback is None:
                self._begin_stack(text, outer, pos)
            if stamp:
                self._moments.instant(stamp)
            if self._broken(text):
                self.unread += 1

    def _otherwise(
        self, readers: Sequence[Format], text: str, stamp: Stamp | None, pos: int
    ) -> bool:
        """Read a line by the first of these formats by which it says something, if any."""
        for reader in readers:
            fields = reader.fields(text)
            if fields is not None and reader.rule(fields):
                self._by_format(reader, fields, stamp, pos)
                return True
        return False

    def _again(self, headed: bool, stamp: Stamp | None, pos: int) -> None:
        """The message before came again: of the two, the line with a time is the one to show."""
        _, _, count = self._twin
        self._twin = told_twice.NOTHING
        if headed and stamp and 0 < count <= len(self.rows):
            instant = self._moments.instant(stamp)
            for row in self.rows[-count:]:
                row |= {"ts": instant, "pos": pos}

    def _by_format(self, reader: Format, fields: Fields, outer: Stamp | None, pos: int) -> None:
        self.seen[reader.id] += 1
        rule = reader.rule(fields)
        if not rule:
            self._sort = self._sort or "ignored"
            self._moments.unparsed = (fields["time"], outer, None)
            return
        instant = self._moments.instant(stamps.of_value(fields["time"]) or outer)
        if fields["started"]:
            began(fields, instant, self._moments.aside(stamps.of_value(fields["started"])))
        rows = reader.rows(rule, fields, instant, self._maker)
        if reader.document.vantage == "either":
            self._take_side(rows)
            if rows and self._traceback:
                self.rows = told_twice.without(self.rows, self._traceback)
                self._traceback.clear()
        else:
            self._client = self._client or fields["vantage"] == "client"
        self._adopt(rows, pos, reader.document.anonymous)

    def _message(
        self, message: str, given: Mapping[str, object], stamp: Stamp | None, pos: int, general: str
    ) -> bool:
        """Read what a line says after its time; True when it says something."""
        for reader in self._messages.passed(message, None):
            if fields := reader.fields(message):
                if (
                    reader.document.anonymous
                    and not fields["path"]
                    and (general == GENERAL_JSON or sentences.names_its_connection(message))
                ):
                    continue  # the record or the sentence names its connection itself
                self._by_format(reader, fields, stamp, pos)
                return True
        rows = self._transcript.rows(message, pos)
        if rows is not None:
            self.seen[TRANSCRIPT] += 1
            self._client = self._client or self._transcript.client
            self._moments.date(rows, stamp)
            self._keep(rows, pos)
            return True
        rows = self._sentence(message, given)
        if rows:
            self.seen[general] += 1
            self.client_sentences += sentences.speaks_as_client(message, given) or any(
                row["kind"] in _DIALLING and "peer" not in row for row in rows
            )
            self._moments.date(rows, stamp)
            kept = self._adopt(rows, pos, "")
            if self._traceback is not None:
                self._traceback.extend(row for row in kept if row["kind"] == "end")
            return True
        return False

    def _sentence(self, message: str, given: Mapping[str, object]) -> list[Row]:
        """What the message says; that of a bare one is remembered: stacks come again and again."""
        if given:
            return sentences.rows_of(message, given)
        if message not in self._said:
            if len(self._said) >= _REMEMBERED:
                self._said.clear()
            self._said[message] = sentences.rows_of(message, given)
        return [dict(row) for row in self._said[message]]

    def _json(self, line: str, outer: Stamp | None, pos: int) -> None:
        try:
            record = _decode(line)
        except (msgspec.DecodeError, RecursionError):
            record = None
        if not isinstance(record, dict):
            if not self._message(line, {}, outer, pos, GENERAL):
                self._moments.unparsed = ("", outer, None) if outer else self._moments.unparsed
                self.unread += line[:2] == '{"'
            return
        carried = json_record.wrapped(record)
        if carried:
            text, stamp, ends = carried
            self._docker = (self._docker + text)[:MAX_PARTIAL_CHARS]
            if not ends:
                self._sort = "continuation"
            else:
                text, self._docker = self._docker, ""
                for part in text.split("\n"):
                    self._wrapped(strip_colours(part), stamp or outer, pos)
            return
        for inner in json_record.log_records(record):
            if isinstance(inner, dict):
                self._record(inner, line, outer, pos)

    def _record(
        self, record: Mapping[str, object], line: str, outer: Stamp | None, pos: int
    ) -> None:
        flat = json_record.flatten(record)
        fallbacks = []
        for reader in self._records.passed(line, None):
            fields = reader.record_fields(flat, line)
            if reader.document.is_last_resort:
                fallbacks.append((reader, fields))
            elif "time" in fields:
                self._by_format(reader, fields, outer, pos)
                return
        stamp = json_record.stamp_of(flat) or outer
        told = self._message(json_record.message_of(flat), flat, stamp, pos, GENERAL_JSON)
        for reader, fields in fallbacks:
            if not told and "time" in fields and reader.rule(fields):
                self._by_format(reader, fields, outer, pos)
                return
        if stamp and not told:
            self._moments.unparsed = ("", stamp, None)

    def _broken(self, text: str) -> bool:
        """True for a line that begins as nearly all lines here do, but does not go on so."""
        usual = self._last and self._is_usual(self._last, self._read)
        return bool(usual) and self._read > _FEW and shape_begins(text) == self._shape

    def _is_usual(self, reader: Format, read: int) -> bool:
        """True where nearly all lines here are of this format."""
        return self.seen[reader.id] * 10 > read * 9

    def _take_side(self, rows: list[Row]) -> None:
        """Both sides write these words: who `sent` and `received` depends on whose log it is."""
        mine, theirs = ("c2s", "s2c") if self._client else ("s2c", "c2s")
        for row in rows:
            row["vantage"] = "client" if self._client else "server"
            if "dir" in row:
                row["dir"] = mine if row["dir"] == "sent" else theirs

    def _adopt(self, rows: list[Row], pos: int, anonymous: str) -> list[Row]:
        """Keep rows of a line; those that only repeat what others have are left out."""
        kept = self._transcript.adopt(rows, pos, anonymous)
        self._keep(kept, pos)
        return kept

    def _keep(self, rows: list[Row], pos: int) -> None:
        if rows:
            self._sort = "parsed"
        for row in rows:
            row["pos"] = pos
        self.rows.extend(rows)


def gates_of(formats: Sequence[Format]) -> tuple[Gates, Gates, Gates]:
    """The gates of the formats that read lines, messages, and records."""
    return Gates(formats, "line"), Gates(formats, "message"), Gates(formats, "record")


def shape_begins(text: str) -> str:
    """How a line begins, whatever its digits and words are."""
    return _LETTER.sub("a", _DIGIT.sub("0", text[:_SHAPE_CHARS]))
