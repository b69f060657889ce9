"""The EVENT frame as a file: JSON lines and CSV for reading, Parquet as it is."""

from __future__ import annotations

import io

import polars as pl

_TIME = "%Y-%m-%dT%H:%M:%S%.6fZ"


def encode(events: pl.DataFrame, form: str) -> bytes:
    """`events` as "jsonl", "csv" or "parquet"; times are RFC 3339 in UTC.

    In CSV a text that a spreadsheet would calculate has a ' before it.
    """
    target = io.BytesIO()
    if form == "parquet":
        events.write_parquet(target)
    elif form == "csv":
        cells = pl.col(pl.String).str.replace(r"^([=+\-@].)", "'$1")  # no formula of a spreadsheet
        _readable(events).with_columns(cells).write_csv(target)
    else:
        _readable(events).write_ndjson(target)
    return target.getvalue()


def _readable(events: pl.DataFrame) -> pl.DataFrame:
    """Times as text, and no character that a terminal would obey."""
    return events.with_columns(
        pl.col(pl.Datetime).dt.strftime(_TIME), pl.col(pl.String).str.replace_all(r"\p{C}", "")
    )
