"""Find the time in a log line, in whatever of the common forms it is written.

A stamp is what stands in the line and nothing more: it may lack the year (syslog), the whole date
(`10:00:00.123`) or the zone. `clock.py` makes an instant of it.

Forms: RFC 3339 and its relatives (`2026-11-22T23:45:36.5Z`, `2026-11-22 23:45:36,500 +0100`,
`2026/11/22 23:45:36`, `2026-6-1 9:45:36`, gin's `2026/11/22 - 23:45:36`), Common Log Format
(`22/Nov/2026:23:45:36 +0000`; Django puts a space for the colon), syslog RFC 3164
(`Nov 22 23:45:36`; journalctl names the month in its reader's language, `nov. 22`), Node-RED
(`22 Nov 23:45:36`), C and JavaScript dates (`Sun Nov 22 23:45:36.5 2026`, `Sun Nov 22 2026 23:45:36
GMT+0000`), RFC 1123 (`22 Nov 2026 23:45:36`), Erlang (`22-Nov-2026::23:45:36.5`), Android (`11-22
23:45:36.5`; log15 puts a bar for the blank), klog (`I1122 23:45:36.5`), tornado (`261122
23:45:36`), Chrome (`1122/234536.5`), American (`11/22/2026, 11:45:36 PM`), British (`22/11/2026
23:45:36`; where neither figure is above twelve nobody knows which is the month, and the time of day
is all that is read) and German (`22.11.2026 23:45:36`) dates, dates with two figures of the year
where they are as good as unambiguous (`26-11-22 23:45:36`, Spark's `26/11/22 23:45:36`,
WebSphere's `22/11/26 23:45:36:500`), Unix seconds, milliseconds, microseconds and nanoseconds, and
a bare time of day, also with AM or PM; at the very beginning of a line also Go's `11:45PM`.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

HEAD_CHARS = 72
"""A stamp that begins later in its line is part of what the line says, not its time."""

_YEARS_APART = 5
"""Of two dates that so few figures may mean, one so much earlier is none: logs are of late."""

PLACEHOLDER_YEAR = 1904
"""Stands in a stamp without a year; a leap year, so that 29 February can be held."""


class Lacks(StrEnum):
    """What a stamp leaves out."""

    NOTHING = ""
    YEAR = "year"
    DATE = "date"


class Stamp(NamedTuple):
    """A time as a line writes it; `at` is aware exactly when the line states its zone."""

    at: datetime
    lacks: Lacks
    resolution_ms: float
    start: int
    end: int


_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_LANGUAGES = (  # as the C library abbreviates them (glibc localedata, abmon): German to Russian
    "Jan Feb Mär Apr Mai Jun Jul Aug Sep Okt Nov Dez",
    "janv. févr. mars avril mai juin juil. août sept. oct. nov. déc.",
    "ene feb mar abr may jun jul ago sep oct nov dic",
    "gen feb mar apr mag giu lug ago set ott nov dic",
    "jan fev mar abr mai jun jul ago set out nov dez",
    "jan feb mrt apr mei jun jul aug sep okt nov dec",
    "sty lut mar kwi maj cze lip sie wrz paź lis gru",
    "янв фев мар апр мая июн июл авг сен окт ноя дек",
)
_MONTHS = {
    name: number
    for names in (_NAMES, *map(str.split, _LANGUAGES))
    for number, name in enumerate(names, start=1)
}
LOCAL_MONTH = f"(?:{'|'.join(map(re.escape, sorted({*_MONTHS} - {*_NAMES}, reverse=True)))})"
"""A pattern of the months' names in other languages than English."""

_MONTH = f"(?:{'|'.join(_NAMES)})"
_TIME = r"(?P<{0}H>[0-2]\d):(?P<{0}M>[0-5]\d):(?P<{0}S>[0-6]\d)"
_FRACTION = r"(?:[.,](?P<{0}f>\d{{1,9}}))?"
_HALF = r"(?: (?P<{0}p>[AaPp])\.?[Mm]\b)?"
_ZONE = r"(?:\s?(?P<{0}z>Z|UTC|GMT(?:[+-]\d{{4}})?|[+-]\d\d:?\d\d)(?!\w|:\d))?"

_FORMS = {
    "i": r"(?P<iY>\d{4})(?P<isep>[-/])(?P<im>\d{1,2})(?P=isep)(?P<id>\d{1,2})(?:[T_ ]|, | - )"
    + (_TIME.replace("[0-2]", "[0-2]?", 1) + _FRACTION + _HALF + _ZONE).format("i"),
    "c": r"(?P<cd>\d{1,2})/(?P<cm>"
    + _MONTH
    + r")/(?P<cY>\d{4})[: ]"
    + (_TIME + _FRACTION + _ZONE).format("c"),
    "s": rf"(?P<sm>{_MONTH}|{LOCAL_MONTH}"
    + r") +(?P<sd>\d{1,2}) "
    + (_TIME + _FRACTION).format("s")
    + r"(?: (?P<sY>(?:19|20)\d\d)(?![\w:.]))?",
    "j": r"(?P<jm>"
    + _MONTH
    + r") (?P<jd>\d{1,2}),? (?P<jY>\d{4}),? "
    + r"(?P<jH>[0-2]\d|\d(?=\S{6,16} [AaPp][Mm]\b)):(?P<jM>[0-5]\d):(?P<jS>[0-6]\d)"
    + _FRACTION.format("j")
    + r"(?: (?P<jp>[AaPp])[Mm]\b)?"
    + _ZONE.format("j"),
    "r": r"(?P<rd>\d{1,2})[ -](?P<rm>"
    + _MONTH
    + r")[ -](?P<rY>\d{4})(?: |::)"
    + (_TIME + _FRACTION + _HALF + _ZONE).format("r"),
    "n": r"(?P<nd>\d{1,2}) (?P<nm>" + _MONTH + ") " + (_TIME + _FRACTION).format("n"),
    "a": r"(?<!-)(?P<am>[01]\d)-(?P<ad>[0-3]\d)[ |]" + (_TIME + _FRACTION).format("a"),
    "k": r"[IWEFD](?P<km>[01]\d)(?P<kd>[0-3]\d) " + (_TIME + _FRACTION).format("k"),
    "t": r"(?P<tY>\d\d)(?P<tm>[01]\d)(?P<td>[0-3]\d) " + (_TIME + _FRACTION).format("t"),
    "u": r"(?P<um>\d{1,2})/(?P<ud>\d{1,2})/(?P<uY>\d{4}),? (?P<uH>[01]?\d):(?P<uM>[0-5]\d)"
    + r":(?P<uS>[0-6]\d)"
    + _FRACTION.format("u")
    + r"[ \u202f](?P<up>[AaPp])[Mm]\b",
    "b": r"(?P<bd>\d{1,2})/(?P<bm>\d{1,2})/(?P<bY>\d{4}),? "
    + (_TIME + _FRACTION).format("b")
    + r"(?! ?[AaPp]\.?[Mm]\b)"
    + _ZONE.format("b"),
    "v": r"(?P<vd>\d\d)/(?P<vm>\d\d) " + (_TIME + _FRACTION.replace("[.,]", "[.,:]")).format("v"),
    "e": r"(?P<ed>\d{1,2})\.(?P<em>\d{1,2})\.(?P<eY>\d{4}),? " + (_TIME + _FRACTION).format("e"),
    "y": r"(?P<yd>\d\d)(?P<ysep>[-/])(?P<ym>\d\d)(?P=ysep)(?P<yY>\d\d)[T ]"
    + (_TIME + _FRACTION.replace("[.,]", "[.,:]") + _ZONE).format("y"),
    "d": _TIME.format("d")
    + _FRACTION.format("d")
    + r"(?: ?(?P<dp>[AaPp])\.?[Mm]\b)?(?!\d|:\w)"
    + r"(?:(?P<dz>Z)\b)?",
    "h": r"(?P<hH>1[0-2]|[1-9]):(?P<hM>[0-5]\d)(?P<hp>[AP])M(?= |$)",
}
_CHROME = (  # behind `[pid:tid:`
    r"(?P<gY>\d{4})?(?P<gm>[01]\d)(?P<gd>[0-3]\d)/"
    r"(?P<gH>[0-2]\d)(?P<gM>[0-5]\d)(?P<gS>[0-6]\d)(?:\.(?P<gf>\d{1,9}))?"
)
_ONE = "|".join(_FORMS.values())
# A form may not begin inside a longer number or word.
_ANY = re.compile(rf"(?<![\w:.])(?:{_ONE})|(?<=[\[:]){_CHROME}(?=[:\]])")
_WHOLE = re.compile(f"{_ONE}|{_CHROME}")
_PARTS = {  # form → part of the time → the name of its group, empty where the form has none
    form: {part: form + part if form + part in _WHOLE.groupindex else "" for part in "YmdHMSfzp"}
    for form in (*_FORMS, "g")
}
_EPOCH = re.compile(
    r"(?<![\w.:-])(?P<e>[12]\d{9}(?:[.,]\d{1,9})?|[12]\d{12}|[12]\d{15}|[12]\d{18})(?![\w.-])"
)
_AT_END = re.compile(
    r"(?:\bat |[\s(\[])(?P<text>\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\S*(?: [+-]\d{4})?|[12]\d{12})"
    r"[\s)\].]*$"
)
# What may stand before a stamp: the place in a script that a browser's console shows, punctuation,
# a level, brackets, `time=`, one word; before brackets the name of the program too
# (`flutter: [socket] INFO `).
_LEAD = re.compile(
    r"""(?:[\w.@/-]{1,64}\.(?:[cm]?[jt]sx?|html?|vue)(?::\d+){1,2}\s+)?
    (?:[A-Za-z][\w.-]{0,31}:\s+(?=\[))?
    (?:[\s\[\](){}|"'#*<>,;:=-]|\[[^\]]{0,40}\]|<[\w.-]{1,40}>|\w+="?[^\s"]*"?\s|\[(?:\d+:){1,2}|\d{1,7}\s+-
    |(?<==)[A-Z]+\ REPORT(?==)
    |(?:TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|CRITICAL|FATAL|SEVERE|FINE|FINER|FINEST)\b
    |(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*\b,?)*
    (?:[A-Za-z][\w.@/-]{0,31}["'\s:,|=\[(-]+)?$""",
    re.VERBOSE | re.IGNORECASE,
)
_DAY_LEAD = re.compile(r"""[\s\[(|"'*]*(?:\w{1,12}[\s\]:|]*)?[\s\[(|"'*]*$|\[[\w.-]{1,24}\] ?\[$""")
_FIGURES = re.compile(r"\d:\d\d|\d{10}|/\d{6}")
_WEEKDAY = re.compile(r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[, ]")


def may_stand_in(line: str) -> bool:
    """False for a line without any figures of a time."""
    return _FIGURES.search(line) is not None


def find(line: str) -> Stamp | None:
    """The stamp at or near the head of a line, else the one that ends it, else None."""
    found = _ANY.search(line, 0, HEAD_CHARS + 40)
    while found and found.start() <= HEAD_CHARS:
        lead = line[: found.start()]
        day_only = found.group("dH") is not None
        if not lead or (not found.group("hH") and (_DAY_LEAD if day_only else _LEAD).match(lead)):
            stamp = parse(found.group())
            if stamp:
                return stamp._replace(start=found.start(), end=found.start() + stamp.end)
        found = _ANY.search(line, found.end(), HEAD_CHARS + 40)
    return _epoch_at_head(line) or _at_end(line)


def full_date(line: str) -> datetime | None:
    """The first complete date anywhere in a line; aware when its zone is stated."""
    for found in _ANY.finditer(line, 0, 400):
        stamp = parse(found.group())
        if stamp and stamp.lacks == Lacks.NOTHING:
            return stamp.at
    return None


@lru_cache(maxsize=8192)
def parse(text: str) -> Stamp | None:
    """Read the stamp that begins `text`; None for no stamp or an impossible date."""
    found = _WHOLE.match(text) or (_WEEKDAY.match(text) and _WHOLE.match(text[4:].lstrip()))
    if found:
        form = str(found.lastgroup)[0]
        return _made(form, found)
    epoch = _EPOCH.match(text)
    return _of_epoch(epoch.group("e"), 0, epoch.end()) if epoch else None


def of_value(value: object) -> Stamp | None:
    """The stamp in a JSON value: a number of seconds … nanoseconds, or a string of any form."""
    if isinstance(value, str):
        text = value.strip()
        return parse(text) or _of_epoch(text, 0, len(text))
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return _of_epoch(repr(value), 0, 0)


def _made(form: str, found: re.Match[str]) -> Stamp | None:
    part = found.group
    names = _PARTS[form]
    year, month, day, fraction, zone, half = (
        part(name) if name else None for name in (names[n] for n in "Ymdfzp")
    )
    if form == "b":
        year, month, day = _either_way(year, month, day)
    elif form == "v":
        _, month, day = _either_way("", month, day)
    elif form == "y":
        year, month, day = _short(part("ysep"), str(day), str(month), str(year))
    dateless = form in "dh" or (form in "by" and not year) or (form == "v" and not month)
    lacks = Lacks.DATE if dateless else Lacks.NOTHING if year else Lacks.YEAR
    hour = int(part(names["H"]))
    if half:
        hour = hour % 12 + (12 if half in "Pp" else 0)
    try:
        at = datetime(
            int(year) + (2000 if form == "t" else 0) if year else PLACEHOLDER_YEAR,
            (_MONTHS.get(month) or int(month)) if month else 1,
            int(day) if day else 1,
            hour,
            int(part(names["M"])),
            min(int(part(names["S"])), 59) if names["S"] else 0,  # a leap second
            int(fraction[:6].ljust(6, "0")) if fraction else 0,
            tzinfo=_zone(zone),
        )
    except ValueError:
        return None
    known_to_ms = _resolution_ms(len(fraction) if fraction else 0) if names["S"] else 60_000.0
    return Stamp(at, lacks, known_to_ms, 0, found.end() - found.start())


def _either_way(
    year: str | None, month: str | None, day: str | None
) -> tuple[str | None, str | None, str | None]:
    """The date of two figures of which either may be the month; nothing where both may be."""
    first, second = int(day or 0), int(month or 0)
    if second > 12:
        return year, day, month
    return (year, month, day) if first > 12 or first == second else (None, None, None)


def _short(
    separator: str, first: str, second: str, third: str
) -> tuple[str | None, str | None, str | None]:
    """The date of three pairs of figures, of which one is the year: of the dates that it may be
    the latest, where that is later by years; else nothing, but for hyphens the order of ISO 8601.

    A year to come is none.
    """
    today = datetime.now(UTC).year - 2000
    readings = {
        (year, month, day)
        for year, month, day in (
            (first, second, third),
            (third, second, first),
            (third, first, second),
        )
        if int(year) <= today and 0 < int(month) <= 12 and 0 < int(day) <= 31
    }
    latest = max((int(year) for year, _, _ in readings), default=0)
    likely = {one for one in readings if latest - int(one[0]) < _YEARS_APART}
    if len(likely) > 1 and separator == "-":
        likely &= {(first, second, third)}
    if len(likely) != 1:
        return None, None, None
    year, month, day = likely.pop()
    return f"20{year}", month, day


def _resolution_ms(digits: int) -> float:
    """Seconds, milliseconds or microseconds: many programs leave out zeros at the end."""
    return 1000.0 if not digits else 1.0 if digits <= 3 else 0.001


def _zone(text: str | None) -> timezone | None:
    if not text:
        return None
    digits = text.removeprefix("GMT").replace(":", "")
    if len(digits) != 5:
        return UTC
    offset = timedelta(hours=int(digits[1:3]), minutes=int(digits[3:]))
    return timezone(-offset if digits[0] == "-" else offset)


def _of_epoch(text: str, start: int, end: int) -> Stamp | None:
    """Unix time; its unit by its size: all four units keep apart between 2001 and 2100."""
    whole, _, fraction = text.replace(",", ".").partition(".")
    try:
        number = float(text.replace(",", "."))
    except ValueError:
        return None
    for digits, per_second in ((10, 1), (13, 1000), (16, 10**6), (19, 10**9)):
        if len(whole) == digits:
            seconds = number / per_second
            if not 978_307_200 <= seconds <= 4_102_444_800:
                return None
            known = len(fraction) + digits - 10
            if digits == 10:
                micros = int(whole) * 10**6 + int(fraction[:6].ljust(6, "0") or 0)
            else:
                micros = int(whole) * 10**6 // per_second
            at = datetime.fromtimestamp(micros // 10**6, UTC)
            at += timedelta(microseconds=micros % 10**6)
            return Stamp(at, Lacks.NOTHING, _resolution_ms(known), start, end)
    return None


def _epoch_at_head(line: str) -> Stamp | None:
    head = line[:40].lstrip(" [(")
    if not head[:1].isdigit():
        return None
    found = _EPOCH.match(head)
    offset = len(line[:40]) - len(head)
    return _of_epoch(found.group("e"), offset, offset + found.end()) if found else None


def _at_end(line: str) -> Stamp | None:
    tail = line[-48:]
    if not tail[-14:].strip(" )].Z").endswith(tuple("0123456789")):
        return None
    found = _AT_END.search(tail)
    stamp = parse(found.group("text")) if found else None
    if not found or not stamp:
        return None
    shift = len(line) - len(tail)
    return stamp._replace(start=shift + found.start("text"), end=len(line))
