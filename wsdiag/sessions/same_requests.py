"""One request in a proxy's two logs: the access log tells how it was answered or when it ended, the
error log what went wrong with it.

nginx writes both at once, when it is done with the request. Where the access line has no `*37` as
the error line has, no client address with its port and no request id, nothing names the request in
both; what is left is its path, who asked as far as the query tells, the moment, and what each line
tells. So they are only joined where neither could be of another, and where the access log has a
line for nearly all that the error log says of its paths in its time: it may be another server's.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice

from wsdiag.sessions.lifecycle import SAME_OPEN
from wsdiag.sessions.sightings import NEVER, Families, Sighting, possible

COVERED = 0.9
"""An access log of the same requests has a line for this share of the tunnels that were cut, and of
the answers that did not come, at least."""

NUMBERED = "*"
"""How nginx's error log names its connections."""

WRONG, ANSWERED = (None, "refused"), ("open", "rejected")
"""The outcomes of which the error log tells, and the access log."""

SERVER_ERROR = 500
"""The least status of an answer that the proxy gives in a backend's place."""

Request = tuple[str, str | None, str | None]
"""What the request line tells in both logs: its path, and a user and a credential in its query."""

ByRequest = dict[Request, list[Sighting]]


def same_requests(
    sightings: Sequence[Sighting], families: Families
) -> Iterator[tuple[Sighting, Sighting]]:
    """Pairs of how a request ended and what went wrong with it, each the other's only one."""
    asked = [it for it in sightings if it.vantage == "proxy" and it.path]
    trouble = _by_source(it for it in asked if _is_trouble(it))
    answers = _by_source(it for it in asked if _is_answer(it))
    for source, wrong in trouble.items():
        for other, told in answers.items():
            if other != source:
                yield from (pair for pair in _only_ones(wrong, told) if possible(*pair, families))


def _only_ones(
    wrong: Sequence[Sighting], answers: Sequence[Sighting]
) -> Iterator[tuple[Sighting, Sighting]]:
    """The same of two logs, as far as the access log has a line for nearly all of the trouble."""
    begin, end = _done(answers[0]) - SAME_OPEN, _done(answers[-1]) + SAME_OPEN
    paths = {answer.path for answer in answers}
    within = [it for it in wrong if it.path in paths and begin <= _done(it) <= end]
    of_answers, of_trouble = _by_request(answers), _by_request(within)
    for cut in (True, False):
        fits = [(it, _first_two(it, of_answers)) for it in within if bool(it.ended) is cut]
        if sum(bool(found) for _, found in fits) >= COVERED * len(fits):
            for one, found in fits:
                if len(found) == 1 and len(_first_two(found[0], of_trouble)) == 1:
                    yield found[0], one


def _first_two(one: Sighting, others: ByRequest) -> list[Sighting]:
    """Those that fit, as far as it matters how many."""
    there = others.get(_request(one), [])
    since = bisect_left(there, _done(one) - SAME_OPEN, key=_done)
    until = bisect_right(there, _done(one) + SAME_OPEN, key=_done)
    return list(islice((it for it in there[since:until] if _agree(it, one)), 2))


def _agree(one: Sighting, other: Sighting) -> bool:
    """Whether that trouble makes this answer: a tunnel that was cut had opened, a backend that gave
    no answer makes the proxy give one of its own."""
    wrong, answer = (one, other) if _is_trouble(one) else (other, one)
    if wrong.ended:
        return answer.outcome == "open"
    return answer.outcome == "rejected" and (answer.status or 0) >= SERVER_ERROR


def _is_trouble(it: Sighting) -> bool:
    return it.conn.startswith(NUMBERED) and it.outcome in WRONG


def _is_answer(it: Sighting) -> bool:
    return not it.conn.startswith(NUMBERED) and it.outcome in ANSWERED


def _by_source(sightings: Iterable[Sighting]) -> dict[str, list[Sighting]]:
    """By their log, in order of time."""
    found: dict[str, list[Sighting]] = defaultdict(list)
    for sighting in sorted(sightings, key=_done):
        found[sighting.source].append(sighting)
    return found


def _by_request(sightings: Iterable[Sighting]) -> ByRequest:
    found: ByRequest = defaultdict(list)
    for sighting in sightings:
        found[_request(sighting)].append(sighting)
    return found


def _request(sighting: Sighting) -> Request:
    return sighting.path or "", sighting.user, sighting.token


def _done(sighting: Sighting) -> datetime:
    """When the proxy was done with a request, as far as is told."""
    return sighting.ended or sighting.last or NEVER
