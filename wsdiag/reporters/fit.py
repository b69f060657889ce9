"""The report for a place that takes so many characters: the parts that count most, then the rest.

No part is cut in the middle: it stands whole, in its short form, or is named at the end.
"""

from __future__ import annotations

from collections.abc import Iterator

from wsdiag.report import Report
from wsdiag.reporters import outline
from wsdiag.reporters.nodes import Block, Span, paragraph
from wsdiag.reporters.places import PLACES, Place, write

WHOLE = "wsdiag PATH… -o report.md"
"""What writes the whole report, where no file was written."""


def fit(report: Report, name: str, whole: str = "") -> str:
    """The report in the syntax of the place `name`, a key of `PLACES`, within its limit.

    `whole` is the file that holds the whole report.
    """
    place = PLACES[name]
    blocks = outline.blocks(report)
    chosen: dict[int, str] = {}
    left = {number: block.name for number, block in enumerate(blocks) if block.importance}
    # The note at the end may name every part: what it needs is kept free.
    room = place.LIMIT - _size(_note(list(left.values()), place, whole)) - len("\n\n")
    for _, number, whole_form in sorted(_steps(blocks)):
        text = write(blocks[number], place, short=not whole_form)
        others = [text for other, text in chosen.items() if other != number]
        if text and _size(_joined([_title(blocks, place), *others, text])) <= room:
            chosen[number] = text
            if whole_form:
                del left[number]
    parts = [_title(blocks, place), *(chosen[number] for number in sorted(chosen))]
    if left:
        parts.append(_note(list(left.values()), place, whole))
    return _joined(parts) + "\n"


def _steps(blocks: list[Block]) -> Iterator[tuple[int, int, bool]]:
    """(importance, number of the block, whether its whole form) of all that may be written."""
    for number, block in enumerate(blocks):
        if block.importance:
            yield block.importance, number, False
            yield block.growth or block.importance, number, True


def _title(blocks: list[Block], place: Place) -> str:
    return write(blocks[0], place)


def _note(left: list[str], place: Place, whole: str) -> str:
    told = f"Left out or shortened to fit {place.NAME} ({place.LIMIT:,} characters): "
    where = Span(whole or WHOLE, "code")
    line = paragraph(Span(f"{told}{', '.join(left)}. The whole report: "), where)
    return write(Block("note", 0, (line,)), place)


def _joined(parts: list[str]) -> str:
    return "\n\n".join(parts)


def _size(text: str) -> int:
    """Characters as the places count them, in UTF-16."""
    return len(text.encode("utf-16-le", "replace")) // 2
