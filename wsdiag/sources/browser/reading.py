"""What was read of a browser's own records: HAR, NetLog and DevTools events end alike."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from wsdiag.event import Vantage
from wsdiag.evidence import Reading
from wsdiag.redact import Redactor


def reading(
    form: str, frame: pl.DataFrame, unread: int, remarks: Iterable[str], redactor: Redactor
) -> Reading:
    """The Reading of a client's record whose times are whole milliseconds."""
    return Reading(
        format=form,
        vantage=Vantage.CLIENT,
        events=frame,
        unread_lines=unread,
        resolution_ms=1.0,
        remarks=tuple(remarks),
        redactions=dict(redactor.counts),
    )
