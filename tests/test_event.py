"""The one normal form."""

from __future__ import annotations

import polars as pl
import pytest
from story import at

from wsdiag.event import EVENTS, KIND_MANUAL, ORDER, Dir, Kind, Vantage, events


def test_rows_name_only_what_they_know() -> None:
    frame = events([{"kind": "open", "source": "a.log"}, {"ts": at(1), "code": 1000}])
    assert frame.schema == EVENTS
    assert frame["kind"].to_list() == ["open", None]
    assert frame["code"].to_list() == [None, 1000]
    assert frame["conn"].null_count() == 2


def test_no_rows_still_have_all_columns() -> None:
    assert events([]).schema == EVENTS
    assert len(events([])) == 0


@pytest.mark.parametrize(
    "row",
    [
        {"kind": "opened"},
        {"vantage": "browser"},
        {"dir": "up"},
        {"pos": "12"},
        {"code": 2**40},
    ],
)
def test_a_value_that_does_not_fit_is_an_error(row: dict[str, object]) -> None:
    with pytest.raises((pl.exceptions.PolarsError, TypeError)):
        events([row])


def test_every_kind_has_its_manual() -> None:
    assert set(KIND_MANUAL) == set(Kind)
    assert all(KIND_MANUAL.values())


def test_the_enums_of_the_frame_are_those_of_the_code() -> None:
    for column, words in (("kind", Kind), ("vantage", Vantage), ("dir", Dir)):
        dtype = EVENTS[column]
        assert isinstance(dtype, pl.Enum)
        assert dtype.categories.to_list() == [word.value for word in words]


def test_no_column_holds_raw_text() -> None:
    """An excerpt is fetched again by its pointer; a secret cannot leak through a column."""
    assert not {"line", "raw", "text", "excerpt", "payload", "headers", "url", "query"} & set(
        EVENTS
    )
    assert set(ORDER) <= set(EVENTS)


def test_a_row_does_not_smuggle_in_a_column() -> None:
    assert events([{"kind": "open", "line": "secret"}]).schema == EVENTS
