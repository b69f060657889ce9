"""Healthy, thin evidence or unknown: the answers when no cause can be named."""

from __future__ import annotations

import polars as pl

from wsdiag import endings, timers
from wsdiag.connections import NOT_CUT, Story, counted
from wsdiag.explain.case import Candidate, Case, sessions
from wsdiag.explain.causes import HEALTHY, THIN_EVIDENCE, UNKNOWN, load_causes
from wsdiag.report import Input

LEFT_CODES = (1000, 1001)
"""Of people who log out, close a tab or go to another page."""

UNTOLD = "text"
"""The format of a log of which no line was understood."""

EVERY_KIND = (*timers.SILENCE, *timers.AGE)

ON_THE_DOT_S = 0.1
"""So soon after its time a timer fires, and few leave by chance."""

SEE_NO_ENDS = {"har"}
"""Formats that do not tell whether a connection ended: a HAR has its messages and no close."""


def nameless(case: Case) -> Candidate:
    """The honest answer, with what was found as its evidence."""
    faults = [finding for finding in case.findings if finding.severity != "info"]
    blind = bool(case.formats) and SEE_NO_ENDS.issuperset(case.formats.values())
    if not faults and not blind and _all_ended_well(case.story):
        name, confidence = HEALTHY, 0.9 if len(case.vantages) > 1 else 0.6
    elif "network" in case.vantages and len(case.vantages) > 1 and faults:
        name, confidence = UNKNOWN, 0.5
    else:
        name, confidence = THIN_EVIDENCE, 0.5
    return Candidate(
        cause=load_causes()[name],
        clause=None,
        confidence=confidence,
        weight=0.0,  # it explains none of them
        share=0.0,
        explained=len(sessions(case.frame)),
        findings=faults,
        against=[],
    )


def missing(case: Case) -> list[str]:
    """What the evidence lacks, in the words that the collecting advice looks for."""
    wanted = {
        "network": "a packet capture of the wire (network)",
        "client": "the client's own log, a HAR or the browser console (client)",
        "proxy": "the reverse proxy's access and error log, if there is a proxy",
        "server": "the server's own log at debug level",
    }
    return [text for vantage, text in wanted.items() if vantage not in case.vantages]


def mute(case: Case) -> list[Input]:
    """The logs of which nothing at all was understood: they may tell what is missing."""
    return [one for one in case.inputs if one.format == UNTOLD and one.lines and one.lines.read > 0]


def _all_ended_well(story: Story) -> bool:
    """Whether connections were seen, all opened, and each lives on or ended in a way that is known.

    An access log that shows an end and not its kind is no proof of health, and neither is one by
    which it ended in order, unless a server's log tells of as many ends, all of which clients
    chose; and neither is an error that a log ties to a
    connection. A client's log without a message or ping is none either: what was sent to it and
    never came leaves no line there.
    """
    seen = counted(story.connections.filter(~pl.col("fragment"))).select(
        opened=pl.col("was_open").sum(),
        unopened=(~pl.col("was_open") & pl.col("attempted").is_not_null()).sum(),
        untold=_untold().sum(),
        by_proxy=(_untold() & _only("proxy") & pl.col("end_reason").is_null()).sum(),
        known=(pl.col("code").is_not_null() | pl.col("live")).sum(),
        gone=pl.col("gone").sum(),
        restarted=(pl.col("code") == 1012).sum(),
    )
    polite = pl.col("code").is_in(LEFT_CODES).fill_null(value=False)
    # Of a closing whose opening has no words that anybody reads, the code is known all the same.
    coded = story.connections.filter(
        _only("server") & pl.col("gone") & (pl.col("was_open") | pl.col("code").is_not_null())
    ).select(by_server=pl.when(polite.all()).then(pl.len()).otherwise(0))
    errors = story.signs.filter(
        (pl.col("kind") == "error") & pl.col("session").is_not_null()
    ).select(errors=pl.len())
    elsewhere = pl.col("vantage") != "client"
    lively = story.events.select(
        lively=(elsewhere | pl.col("kind").is_in(["message", "ping", "pong"])).any()
    )
    counts = pl.concat(pl.collect_all([seen, coded, errors, lively]), how="horizontal").row(
        0, named=True
    )
    told_again = counts["by_proxy"] if counts["by_server"] >= counts["by_proxy"] else 0
    all_coded = 0 < counts["gone"] <= counts["by_server"]
    return bool(
        counts["opened"]
        and (counts["known"] or told_again or all_coded)
        and not counts["unopened"]
        and counts["untold"] == told_again
        and not counts["restarted"]
        and not counts["errors"]
        and counts["lively"]
        and not _one_age(story)
    )


def _untold() -> pl.Expr:
    """Whether it ended, and in what way nobody tells."""
    return (
        pl.col("gone")
        & pl.col("code").is_null()
        & ~pl.col("vantages").list.contains("network")
        & ~pl.col("end_reason").str.starts_with(NOT_CUT).fill_null(value=False)
    )


def _only(vantage: str) -> pl.Expr:
    return pl.col("vantages").list.eval(pl.element() == vantage).list.all()


def _one_age(story: Story) -> bool:
    """Whether ends of which nobody tells who made them agree on an age: a timer may have.

    Where there are too few to agree, all of them at a known timer's age.
    """
    untold = endings.ends(story).filter(
        pl.col("closed_by").is_null() | (pl.col("closed_by") == "unknown")
    )
    alike = endings.by_clock(untold, story.connections).select(alike=pl.len())
    at_a_timers = timers.just_after(pl.col("age"), EVERY_KIND, ON_THE_DOT_S)
    few = untold.select(
        lone=(pl.len() > 0)
        & (pl.len() < endings.REPEATED)
        & (at_a_timers & (pl.col("tick") < 1)).fill_null(value=False).all()
    )
    many, lone = (told.item() for told in pl.collect_all([alike, few]))
    return bool(many >= endings.MANY or lone)
