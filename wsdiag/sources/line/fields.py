"""What the key=value pairs and JSON fields of a log line say: who, which code, how long."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping

from wsdiag import redact
from wsdiag.sources.line import field_names, quantities, shown_values
from wsdiag.sources.line.field_pairs import first

_CODE_LIKE = re.compile(
    r"(?:code|kode|status|wsc|^rc|bye|(?:reason|why|cause|close)(?:num|number|id)?)$"
)
_CLOSE_CODES = frozenset(map(str, (*range(1000, 1004), *range(1005, 1016))))
_UNITS = ("milliseconds", "seconds", "millis", "secs", "sec", "ms", "us", "ns", "s")
_NONCE = re.compile(r"^[A-Za-z0-9+/]{22}==$")


def close_code(said: Mapping[str, str]) -> int | None:
    """The close code of a field: by its name, or by its value where the name is like one."""
    stated = quantities.number(first(said, field_names.CODE), 1000, 4999)
    if stated is not None:
        return stated
    found = (text for name, text in said.items() if _CODE_LIKE.search(name))
    own = (text for text in found if text in _CLOSE_CODES or re.fullmatch(r"4\d{3}", text))
    return next(map(int, own), None)


def tells_memory(fields: Mapping[str, object]) -> bool:
    """True when a field is the resident memory of the process."""
    return any(("rss" in name and "mem" in name) or name[:3] == "rss" for name in fields)


def names_a_connection(said: Mapping[str, str]) -> bool:
    """True when a field carries the id of a connection, or of a client outside an HTTP request."""
    strong = first(said, field_names.CONN_SURE)
    if strong is not None:
        return strong.lower() not in shown_values.NO_ID
    return first(said, field_names.CONN_WEAK) is not None and not field_names.OF_HTTP & said.keys()


def names_one_connection(said: Mapping[str, str]) -> bool:
    """True when a field surely carries the id of a connection, and none is of an HTTP request."""
    strong = first(said, field_names.CONN_SURE)
    return (
        strong is not None
        and strong.lower() not in shown_values.NO_ID
        and not field_names.OF_HTTP & said.keys()
    )


def identity(said: Mapping[str, str], of_credential: bool = False) -> dict[str, object]:
    """The columns that tell who, of a line about one connection: conn, user, peer, token, …

    `of_credential`: the line is about a credential, so that a mere `expires_at` is its expiry.
    """
    row: dict[str, object] = {
        "conn": _conn(said),
        "user": _user(first(said, field_names.USER)),
        "peer": _peer(said),
        "trace": shown_values.shown(first(said, field_names.TRACE), 128),
        **credential(said, of_credential),
    }
    key = first(said, field_names.KEY)
    if key and _NONCE.match(key):
        row["key"] = key
    return {name: value for name, value in row.items() if value is not None}


def id_of_a(noun: str, said: Mapping[str, str]) -> str | None:
    """The id of one of those who connect, in a field named after them: a watcher's in `watcher`
    or `watcher_id`."""
    return _numbered(first(said, (f"{noun}id", noun)))


def initialled(noun: str, said: Mapping[str, str]) -> str | None:
    """What may be such an id, or how many they are: a watcher's in `w`."""
    return _numbered(first(said, (noun[0],)))


def _numbered(text: str | None) -> str | None:
    return shown_values.connection_id(text) if text and re.search(r"\d", text) else None


def credential(said: Mapping[str, str], vague: bool = False) -> dict[str, object]:
    """The columns `token` and `expires`."""
    row: dict[str, object] = {}
    token = first(said, field_names.TOKEN)
    if token and len(token) >= 8 and " " not in token.strip():
        row["token"] = token if token.startswith("token-") else redact.token(token)
        row["expires"] = redact.jwt_times(token)[1]
    names = (
        (*field_names.EXPIRES, *field_names.EXPIRES_VAGUE)
        if token or vague
        else field_names.EXPIRES
    )
    stated = first(said, names)
    if stated and (when := quantities.instant(stated)):
        row["expires"] = when
    return {name: value for name, value in row.items() if value is not None}


def expiry_stated(said: Mapping[str, str]) -> bool:
    """True when a field says by its name that it is the expiry of a credential."""
    return any(name in said for name in field_names.EXPIRES)


def duration(said: Mapping[str, str], names: tuple[str, ...], unit: str | None) -> float | None:
    """The first stated duration among `names`, in milliseconds; bare numbers are in `unit`.

    A unit at the end of the name (`latency_ms`, `durationSeconds`) counts before `unit`. A bare
    fraction of one says nothing: it may be milliseconds or seconds.
    """
    for name in names:
        if name in said and (value := quantities.millis(said[name], unit)) is not None:
            bare_fraction = value < 1 and said[name].replace(".", "").isdecimal()
            return None if bare_fraction else value
    for name, text in said.items():
        for ending in _UNITS:  # "durations" is one in seconds
            if name.removesuffix(ending) in names and name.endswith(ending):
                value = quantities.millis(text, ending)
                if value is not None:
                    return value
    return None


def sizes(said: Mapping[str, str], names: tuple[str, ...]) -> int | None:
    """The first stated size among `names` (`rss`, `rss_mb`), in bytes."""
    for name in names:
        for ending, unit in (("", ""), ("bytes", ""), ("kb", "k"), ("mb", "m"), ("gb", "g")):
            value = quantities.size(said.get(name + ending), unit)
            if value is not None:
                return value
    return None


def _conn(said: Mapping[str, str]) -> str | None:
    for name in (*field_names.CONN, "id"):
        text = said.get(name)
        if text and " " not in text and not shown_values.peer(text):
            found = shown_values.connection_id(text)
            if found and name in field_names.CREDENTIALS and not found.isdecimal():
                return redact.session(text)
            if found:
                return found
    return None


def _user(name: str | None) -> str | None:
    return redact.user(name) if name and len(name) <= 256 else None


def _peer(said: Mapping[str, str]) -> str | None:
    for name in field_names.PEER:
        text = said.get(name)
        if not text:
            continue
        found = shown_values.peer(text)
        if found:
            return found
        port = first(said, field_names.PORT)
        if port and port.isdecimal():
            try:
                return shown_values.shown_peer(str(ipaddress.ip_address(text)), port)
            except ValueError:
                continue
    return None
