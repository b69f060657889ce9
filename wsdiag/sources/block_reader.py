"""Read a log block by block: single lines are left to their reader, silent ones are passed over."""

from __future__ import annotations

from collections.abc import Sequence

from wsdiag.sources.line_blocks import Block
from wsdiag.sources.line_silence import Silence
from wsdiag.sources.log_reader import OTHER_SIGNS, LogReader

FEW_LINES = 500
"""Fewer are read one by one sooner than in columns."""


class BlockReader(LogReader):
    """One pass over one input; it comes to the same as to read each line alone."""

    def block(self, block: Block) -> None:
        """Read many lines; what gives nothing is passed over in whole columns."""
        texts = block.lines.to_list()
        silence = None
        if block.plain and len(texts) >= FEW_LINES:
            silence = Silence(block.lines, self._lines, self._messages, OTHER_SIGNS)
        at = 0
        while at < len(texts):
            ahead = self._pass_over(silence, texts, at) if silence else at
            if ahead > at:
                at = ahead
                continue
            if texts[at] is None:
                self._read += 1
                self.lines["unread"] += 1
            else:
                self.line(texts[at], block.first + at, whole=at not in block.cut)
            at += 1

    def _pass_over(self, silence: Silence, texts: Sequence[str], at: int) -> int:
        """Pass over the lines from `at` on that give nothing; the place of the next that may."""
        if self._spread:
            return at
        last = self._last
        ahead = silence.of_format(last, at) if last else at
        if last and ahead > at:
            self._passed(ahead - at, 0)
            self.seen[last.id] += ahead - at
            self._unparsed = (texts[ahead - 1], None, last)
            return ahead
        if self._traceback is not None or (last and self._is_usual(last, self._read + 1)):
            return at
        ahead = silence.of_none(last, at)
        if ahead > at:
            self._passed(ahead - at, sum(text[:1].isspace() for text in texts[at:ahead]))
            self._unparsed, self._twin = (texts[ahead - 1], None, None), ("", False, 0)
        return ahead

    def _passed(self, count: int, indented: int) -> None:
        self._read += count
        self.lines["continuation"] += indented
        self.lines["ignored"] += count - indented
