"""What a detector says, folded and fingerprinted."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from story import at

from wsdiag.finding import (
    FINDINGS,
    MAX_EVIDENCE,
    MAX_POINTERS_EACH,
    POINTER,
    Confidence,
    Severity,
    clause,
    commonest,
    fingerprint,
    flag,
    plural,
    trait,
)


@pytest.mark.parametrize(
    ("number", "word"),
    [
        (0.97, "confirmed"),
        (0.90, "confirmed"),
        (0.899, "probable"),
        (0.70, "probable"),
        (0.699, "possible"),
        (0.40, "possible"),
        (0.399, "weak"),
        (0.0, "weak"),
    ],
)
def test_the_word_for_a_confidence(number: float, word: str) -> None:
    assert Confidence.of(number) == word


def test_a_fingerprint_names_the_fault_not_the_run() -> None:
    same = fingerprint("idle-cut", "fleet", at(0))
    assert same == fingerprint("idle-cut", "fleet", at(0.4))
    assert len(same) == 12
    others = {
        fingerprint("mass-close", "fleet", at(0)),
        fingerprint("idle-cut", "s-1", at(0)),
        fingerprint("idle-cut", "fleet", at(1)),
        fingerprint("idle-cut", "fleet", None),
        same,
    }
    assert len(others) == 5


def test_a_fingerprint_of_today_is_that_of_any_version() -> None:
    """Written down: a change would rename every fault that somebody has noted."""
    assert fingerprint("idle-cut", "fleet", None) == "7b27cffdd6dc"


def measured(*rows: dict[str, Any]) -> pl.LazyFrame:
    """Flagged rows; each has two pointers into the log of its session."""
    full = []
    for number, row in enumerate(rows):
        session = row.get("session", f"s-{number}")
        spots = [
            {"source": f"{session}.log", "pos": place, "ts": at(number), "vantage": "server"}
            for place in range(1, row.pop("spots", 2) + 1)
        ]
        full.append(
            {
                "session": session,
                "started": at(number),
                "ended": at(number + 10),
                "measured": float(number),
                "pointers": spots,
                "code": None,
            }
            | row
        )
    return pl.LazyFrame(
        full,
        schema={
            "session": pl.String,
            "started": pl.Datetime("us", "UTC"),
            "ended": pl.Datetime("us", "UTC"),
            "measured": pl.Float64,
            "pointers": pl.List(POINTER),
            "code": pl.Int32,
        },
    )


def folded(rows: pl.LazyFrame, **more: Any) -> list[dict[str, Any]]:
    plan = flag(
        rows,
        **{
            "detector": "x",
            "severity": Severity.ERROR,
            "confidence": 0.9,
            "message": plural("connection"),
        }
        | more,
    )
    frame = plan.collect()
    assert frame.schema == FINDINGS
    return frame.to_dicts()


def test_nothing_flagged_is_no_finding() -> None:
    assert folded(measured()) == []


def test_rows_fold_into_one_finding() -> None:
    (finding,) = folded(measured({}, {}, {}), unit="s", target=1.5)
    assert finding["count"] == 3
    assert finding["subject"] == "fleet"
    assert finding["sessions"] == ["s-0", "s-1", "s-2"]
    assert (finding["started"], finding["ended"]) == (at(0), at(12))
    assert (finding["measured"], finding["target"], finding["unit"]) == (2.0, 1.5, "s")
    assert finding["message"] == "3 connections"
    assert finding["traits"] == []


def test_one_session_is_the_subject() -> None:
    (finding,) = folded(measured({"session": "s-9"}, {"session": "s-9"}))
    assert (finding["subject"], finding["count"], finding["sessions"]) == ("s-9", 2, ["s-9"])


def test_rows_without_a_session_are_the_fleets() -> None:
    (finding,) = folded(measured({"session": None}, {"session": None}))
    assert finding["sessions"] == []
    assert finding["subject"] in (None, "fleet")


def test_a_finding_for_each_group() -> None:
    rows = measured({"code": 1011}, {"code": 1009}, {"code": 1011}, {})
    assert sorted(f["count"] for f in folded(rows, by=["code"])) == [1, 1, 2]


def test_the_worst_gives_the_evidence() -> None:
    (finding,) = folded(measured(*({"measured": m} for m in (1.0, 9.0, 5.0, 0.5, 0.2))))
    assert [proof["source"] for proof in finding["evidence"]] == [
        f"s-{n}.log" for n in (1, 1, 2, 2, 0, 0, 3, 3)
    ]


def test_evidence_is_bounded_and_shared_out() -> None:
    (finding,) = folded(measured(*({"spots": 20} for _ in range(20))))
    assert len(finding["evidence"]) == MAX_EVIDENCE
    each = [proof["source"] for proof in finding["evidence"]]
    assert max(each.count(source) for source in each) == MAX_POINTERS_EACH


def test_evidence_does_not_hang_on_the_order_of_rows() -> None:
    """Joins give rows in any order; what happened in one moment is cited by where it stands."""
    alike = {"started": at(0), "ended": at(0), "measured": None}
    rows = measured(*({"session": f"s-{n}"} | alike for n in range(12)))
    rows = rows.with_columns(session=pl.lit(None, dtype=pl.String))
    assert folded(rows.reverse()) == folded(rows)


def test_rows_without_pointers_do_not_break_it() -> None:
    (finding,) = folded(measured({"spots": 0}, {"spots": 1}))
    assert [proof["pos"] for proof in finding["evidence"]] == [1]


def test_traits_that_do_not_hold_are_absent() -> None:
    marks = (pl.lit("always"), pl.when(pl.len() > 2).then(pl.lit("many")))
    assert folded(measured({}, {}), traits=marks)[0]["traits"] == ["always"]
    assert folded(measured({}, {}, {}), traits=marks)[0]["traits"] == ["always", "many"]


def test_the_confidence_may_depend_on_the_group() -> None:
    sure = pl.when(pl.len() > 2).then(0.9).otherwise(0.5)
    assert folded(measured({}), confidence=sure)[0]["confidence"] == 0.5
    assert folded(measured({}, {}, {}), confidence=sure)[0]["confidence"] == 0.9


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(6)))
def test_the_order_of_rows_does_not_matter(order: list[int]) -> None:
    rows = measured(*({"session": f"s-{n % 4}", "code": 1000 + n % 2} for n in range(6)))
    shuffled = rows.collect()[order].lazy()
    assert folded(shuffled, by=["code"]) == folded(rows, by=["code"])


@pytest.mark.parametrize(
    ("number", "words"), [(0, "0 pings"), (1, "1 ping"), (2, "2 pings"), (12, "12 pings")]
)
def test_plural(number: int, words: str) -> None:
    frame = pl.LazyFrame({"n": [number]}).select(said=plural("ping", pl.col("n").first()))
    assert frame.collect().item() == words


CODES = pl.DataFrame({"code": [1006, None, 1001, 1006, 1001], "kept": [True] * 5})


def test_the_commonest_is_the_first_in_order_of_those_as_common() -> None:
    assert CODES.select(commonest(pl.col("code"))).item() == 1001
    assert CODES.head(4).select(commonest(pl.col("code"))).item() == 1006
    assert CODES.clear().select(commonest(pl.col("code"))).item() is None


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (clause(" ({})", pl.col("code").first()), " (1006)"),
        (clause(" ({})", pl.col("code").get(1)), ""),
        (clause(", kept", where=pl.col("kept").all()), ", kept"),
        (clause(", kept", where=~pl.col("kept").all()), ""),
        (clause(" {} of {}", pl.col("code").max(), pl.len(), where=pl.len() > 9), ""),
    ],
)
def test_a_clause_is_left_out_where_it_does_not_hold(part: pl.Expr, words: str) -> None:
    assert CODES.select(part).item() == words


def test_a_trait_is_null_where_it_does_not_hold() -> None:
    held = CODES.select(yes=trait("kept", pl.col("kept").all()), no=trait("x", pl.len() > 9))
    assert held.row(0) == ("kept", None)
