"""What the evidence says at a place, and in one connection's life."""

from __future__ import annotations

import re
from typing import NamedTuple

import msgspec

from wsdiag import evidence, life, roster, sources
from wsdiag.config import Config
from wsdiag.evidence import Paths
from wsdiag.gather import Gathered, NoEvidence, gather
from wsdiag.redact import Redactor, hiding
from wsdiag.report import Moment

DEFAULTS = Config()

_PLACE = re.compile(r"(?P<name>.+)(?P<mark>[:#])(?P<pos>\d+)")


class Shown(NamedTuple):
    """What stands at a proof pointer: (pointer, text) for each place, and a packet's layers."""

    places: list[tuple[str, str]]
    depth: list[str]


def show(where: str, paths: Paths, context: int = 0, config: Config = DEFAULTS) -> Shown:
    """The redacted evidence at a proof pointer, with `context` places around it.

    The name is looked for under `paths`, by default in this folder. A packet is shown in depth.
    Raises `NoEvidence` when the pointer leads nowhere.
    """
    parts = _PLACE.fullmatch(where)
    if not parts:
        raise NoEvidence(f"{where}: a pointer is NAME:LINE or NAME#RECORD")
    name, pos = parts["name"], int(parts["pos"])
    with hiding(config.redact), evidence.collect(paths or ["."]) as found:
        named = [item for item in found.inputs if f"/{item.name}".endswith(f"/{name}")]
        if not named:
            raise NoEvidence(f"{where}: not here; try wsdiag show {where} FOLDER")
        source = sources.choose(named[0])
        texts = source.excerpt(named[0], [pos], context) if source else {}
        if pos not in texts:
            raise NoEvidence(f"{where}: {named[0].name} has no place {pos}")
        deep = sources.depth(named[0], pos, config)
        redactor = Redactor()
        return Shown(
            places=[
                (f"{named[0].name}{parts['mark']}{place}", redactor.mask(text))
                for place, text in sorted(texts.items())
            ],
            depth=[redactor.mask(line) for line in deep],
        )


def timeline(name: str, paths: Paths, config: Config = DEFAULTS) -> list[Moment]:
    """One connection's life: `name` is its session (or the beginning of it), its
    Sec-WebSocket-Key, or a proof pointer. Raises `NoEvidence` where it names none, or several.
    """
    with hiding(config.redact), evidence.collect(paths) as found:
        gathered = gather(found, config)
        events = gathered.events
        sessions = roster.sessions_named(name, events)
        if not sessions:
            raise NoEvidence(f"{name}: no such connection; wsdiag connections PATH lists them")
        if len(sessions) > 1:
            raise NoEvidence(f"{name}: may be any of {', '.join(sessions[:5])}")
        told = life.moments(sessions[0], events, gathered.formats, gathered.clocks)
        return _dated(list(told), gathered, config)


def _dated(told: list[Moment], gathered: Gathered, config: Config) -> list[Moment]:
    """The moments, those marked of which the line states no time of its own."""
    places: dict[str, set[int]] = {}
    for moment in told:
        if moment.ts and (found := _PLACE.fullmatch(moment.pointer)) and found["mark"] == ":":
            places.setdefault(found["name"], set()).add(int(found["pos"]))
    borrowed = set[str]()
    for item in gathered.inputs:
        undated = sources.undated(item, sorted(places.get(item.name, ())), config)
        borrowed |= {f"{item.name}:{pos}" for pos in undated}
    return [
        msgspec.structs.replace(moment, borrowed=True) if moment.pointer in borrowed else moment
        for moment in told
    ]
