"""What stands in the prose of a log line: ids, addresses, paths, reasons, durations.

Everything here takes raw text and gives values that may be shown.
"""

from __future__ import annotations

import re

from wsdiag import redact
from wsdiag.sources.line import quantities, shown_values
from wsdiag.sources.prose.vocabulary import UNSAID

_ADDRESS = re.compile(
    r"(?:(?<=\btcp[46]:)|(?<![\w./:-]))(?:\[?(?P<v6>::ffff:[\d.]+|[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7})\]|"
    r"(?P<v4>\d{1,3}(?:\.\d{1,3}){3})):(?P<port>\d{1,5})(?![\w.]*\.\d)",
    re.IGNORECASE,
)
_ADDRESS_PAIR = re.compile(r"\btcp (\S+?:\d{1,5})->(\S+?:\d{1,5})(?=[:\s]|$)")
_ADDRESS_TUPLE = re.compile(
    r"(?:[(\[]|host=)'(?P<v4>[\d.]{7,15})', (?:port=)?(?P<port>\d{1,5})[)\]]"
)
_FAILED_CALL = re.compile(r"\bcall failed\W*$", re.IGNORECASE)
"""asyncio tells so of the address that it called."""
_TOWARDS = re.compile(
    r"(?:\bto|\bon|\bat|upstream|backend|listening|refused|econnrefused|://|\bhost)\W*$"
)
_EPHEMERAL = 32768
"""Where Linux begins to number the client's side of a connection."""

CLIENT_ID = re.compile(
    r"\b(?:client|connection|conn|socket)(?:[ _]?id)?[ :=#]+['\"\[(<]?"
    r"(?=[\w-]*\d)(?!\d+(?:\.\d+)?(?:ms|s)?\b)[\w-]{2,64}(?![\w.]*[.:]\d)",
    re.IGNORECASE,
)
"""A sentence that names one connection or its client."""
_IDS = (
    # Home Assistant: the id of a Python object; mosquitto; engine.io in Python
    re.compile(
        r"^\[(?P<id>\d{6,20})\] (?=(?:dis)?connect|auth|did not|client|(?:\S+ )?from )",
        re.IGNORECASE,
    ),
    re.compile(r"\bconnected from \S+ as (?P<id>[\w.-]{1,64}) \(p\d"),
    re.compile(
        r"^(?P<id>[\w-]{4,40}): (?=client is gone|sending packet|received packet|upgrade to"
        r"|received request|unexpected error)",
        re.IGNORECASE,
    ),
    re.compile(
        r"\b(?:client|connection|conn|socket|session|peer|sid|consumer|subscriber)(?:[ _]?id)?"
        r"(?: is| connected| disconnected)?[ :=#]+['\"\[(<]?"
        r"(?P<id>(?!\d+(?:ms|s)?\b(?= ?(?:ms|s|bytes)\b))(?![\d.]+[.:]\d)"
        r"(?=[\w-]*\d|[\w-]{15,})[\w-]{1,80})(?![\w.]*[.:]\d)",
        re.IGNORECASE,
    ),
    re.compile(
        r"\b(?:dis)?connect(?:ed|ion)? (?:with id )?"
        r"(?P<id>(?=\S*\d|\S*[a-z][A-Z])[\w-]{16,40})(?=\s|$)"
    ),
    re.compile(r"\b(?P<id>conn[_-]\w*\d\w*)\b", re.IGNORECASE),
    re.compile(
        r"\b(?:player|viewer|participant|visitor|guest|member|spectator|listener|attendee|watcher"
        r"|passenger|driver|rider|courier|agent)[ :=#]{1,3}['\"]?"
        r"(?P<id>(?=\S*\d)[\w@-]{1,64})(?=['\"]?(?:[\s,;(:]|$))",
        re.IGNORECASE,
    ),
)
_USER = re.compile(
    r"\buser(?:[ _]?id)?[ :=#]+['\"]?(?P<user>[\w.@+-]+)['\"]? (?:has |is |was |just )?"
    r"(?:re)?(?:dis)?(?:connected|joined|left|authenticated|closed)",
    re.IGNORECASE,
)
_QUERY_USER = re.compile(r"[?&](?:user|uid|user_?id|username)=(?P<user>[^\s&\"'#]+)", re.IGNORECASE)
_URL = re.compile(r"\bwss?://[^\s/\"'?#,)]+(?P<path>/[^\s\"'?#,)]*)?", re.IGNORECASE)
_PATH = re.compile(r"(?:^|[\s\"'(=])(?P<path>/[\w.~%:@+-]*(?:/[\w.~%:@+-]*)*)(?=$|[\s\"'?#),])")

_STATED_REASON = re.compile(
    r"\breason[\"']?\s?[:=]\s?(?:\"(?P<double>[^\"]*)\"|'(?P<single>[^']*)'|(?P<bare>[^,;}{\"']*))",
    re.IGNORECASE,
)
_PAIR_NEXT = re.compile(r"^[\s,;]*[\"']?\w{1,24}[\"']?\s?(?:=|:\s?[\"'\d{\[tfn])")
_AFTER_CODE = re.compile(
    r"[\s:,;/|)\]*'—–-]*(?:\((?P<inner>[^)]*)\)[\s:,;.'—–-]*)?"
    r"(?:\"(?P<quoted>[^\"]*)\"|(?P<plain>[^\"{=<]*))"
)
_REASON_ENDS = re.compile(
    r";| - goodbye|(?:^|,? )(?:attempting|reconnecting|retrying|will |scheduling)| -\+-"
)
_AROUND_REASON = " \t.,:;|*)(][}{'\"—-"

_LIVED = re.compile(
    r"\b(?:lifetime|lived|lasted|duration|open for|connected for"
    r"|(?:closed|disconnected|ended|terminated|dropped|gone|left|out|off|bye|was here"
    r"|detached|deregistered|evicted) after"
    r"|was here(?: for)?|1\d{3}\) after)\W{1,3}"
    r"(?P<wait>\d+(?:\.\d+)?\s?(?:ms|milliseconds?|s|secs?|seconds?|m|min|minutes?|h|hours?)\b)"
    r"(?! ?(?:of )?(?:idle|inactiv|silen|without))",
    re.IGNORECASE,
)
_TOOK = re.compile(
    r"\b(?:in|took|rtt|latency)\W{1,3}(?P<wait>\d+(?:\.\d+)?\s?(?:ms|s|secs?|seconds?)\b)",
    re.IGNORECASE,
)


def conn(text: str) -> str | None:
    """The id of the connection that the sentence is about."""
    for pattern in _IDS:
        found = pattern.search(text)
        if found:
            return shown_values.id_told(found.group(), found["id"])
    return None


def user(text: str) -> str | None:
    """The pseudonym of the user that the sentence, or the query of its URL, names."""
    found = _USER.search(text) or _QUERY_USER.search(text)
    return redact.user(found["user"]) if found else None


def peer(text: str) -> str | None:
    """The client's address: of two ends of a socket the one with the passing port."""
    if ":" not in text and "'" not in text:
        return None
    ends = _ADDRESS_PAIR.search(text)
    if ends:
        ours, theirs = ends[1], ends[2]
        return shown_values.peer(ours if _port(ours) >= _EPHEMERAL > _port(theirs) else theirs)
    for found in _ADDRESS.finditer(text):
        if not _TOWARDS.search(text[max(0, found.start() - 16) : found.start()].lower()):
            return shown_values.peer(
                f"[{found['v6']}]:{found['port']}" if found["v6"] else found[0]
            )
    pair = _ADDRESS_TUPLE.search(text)
    if not pair or _FAILED_CALL.search(text[max(0, pair.start() - 16) : pair.start() + 1]):
        return None
    return shown_values.peer(f"{pair['v4']}:{pair['port']}")


def path(stated: str, text: str) -> str | None:
    """The path of the handshake without its query, from the field that states it or the text."""
    url = _URL.search(stated) or _URL.search(text)
    if url:
        return shown_values.shown(url["path"] or "/", 200)
    bare = _PATH.search(stated) or _PATH.search(text)
    return shown_values.shown(bare["path"], 200) if bare else None


def credential(text: str) -> dict[str, object]:
    """The columns `token` and `expires` of the credential that the text carries."""
    raw = redact.find_token(text)
    if not raw:
        return {}
    expires = redact.jwt_times(raw)[1]
    token: dict[str, object] = {"token": redact.token(raw)}
    return {**token, "expires": expires} if expires else token


def reason(rest: str) -> str | None:
    """The reason in what follows a code: `(abnormal closure): unexpected EOF`, `"bye"`, ` bye`."""
    stated = _STATED_REASON.search(rest)
    if stated:
        return said_reason(stated["double"] or stated["single"] or stated["bare"] or "")
    after = _AFTER_CODE.match(rest)
    if not after or _PAIR_NEXT.match(rest):
        return None
    plain = after["quoted"]
    if plain is None:
        plain = after["plain"] or ""
        if rest[after.end() : after.end() + 1] == "=":
            plain = plain.rpartition(" ")[0]
        plain = _REASON_ENDS.split(plain, maxsplit=1)[0]
    return said_reason(plain) or said_reason(after["inner"] or "")


def said_reason(text: str) -> str | None:
    """A reason as it may be shown; None where the text only spells out the code."""
    plain = text.strip(_AROUND_REASON)
    if plain.count("(") > plain.count(")"):
        plain += ")"
    unsaid = plain.lower() in UNSAID or _LIVED.fullmatch(plain)
    return None if unsaid else shown_values.reason(plain)


def lifetime(text: str) -> float | None:
    """How long the connection lived, in milliseconds."""
    found = _LIVED.search(text)
    return quantities.millis(found["wait"]) if found else None


def took(text: str) -> float | None:
    """How long it took, in milliseconds."""
    found = _TOOK.search(text)
    return quantities.millis(found["wait"]) if found else None


def _port(address: str) -> int:
    return int(address.rpartition(":")[2])
