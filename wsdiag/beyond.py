"""Times against a target: the sentence where they meet it, the finding where they do not."""

from __future__ import annotations

import polars as pl

from wsdiag.finding import POINTERS, Severity, flag


def within_target(
    values: pl.LazyFrame,
    target: float,
    unit: str,
    percentile: float,
    noun: str,
    where: str | pl.Expr = "",
) -> pl.LazyFrame:
    """The `judged` row for a latency: how many values, and the sentence for a pass.

    `where` says in the sentence which these are, with a blank before it.
    """
    worst = pl.col("measured").quantile(percentile / 100, "nearest")
    return values.select(
        judged=pl.len().cast(pl.Int64),
        said=pl.format(
            f"p{percentile:g} {{}} {unit} of {{}} {noun}{{}}, target {target:g} {unit}",
            worst.round(1),
            pl.len(),
            pl.lit(where) if isinstance(where, str) else where,
        ),
    )


def over_target(
    values: pl.LazyFrame,
    *,
    detector: str,
    severity: Severity,
    target: float,
    unit: str,
    percentile: float,
    what: str,
    where: str | pl.Expr = "",
    traits: tuple[pl.Expr, ...] = (),
    proofs: pl.Expr = POINTERS,
) -> pl.LazyFrame:
    """FINDINGS: one finding over all values beyond `target`, when the percentile is beyond it too.

    `values` has session, started, ended and measured, one row per measurement, and what `proofs`
    makes pointers of. `where` says in the message which these are, with a blank before it.
    """
    rank = percentile / 100
    quantile = pl.col("measured").quantile(rank, "nearest")
    over = values.with_columns(_quantile=quantile, _n=pl.len()).filter(
        (pl.col("_quantile") > target) & (pl.col("measured") > target)
    )
    return flag(
        over.with_columns(pointers=proofs),
        detector=detector,
        severity=severity,
        confidence=0.9,
        message=pl.format(
            f"{{}} of {{}} {what}s{{}} above {target:g} {unit}: "
            f"p{percentile:g} {{}} {unit}, worst {{}} {unit}",
            pl.len(),
            pl.col("_n").first(),
            pl.lit(where) if isinstance(where, str) else where,
            pl.col("_quantile").first().round(1),
            pl.col("measured").max().round(1),
        ),
        traits=traits,
        target=target,
        unit=unit,
        measured=pl.col("_quantile").first(),
    )
