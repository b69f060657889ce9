"""Secrets in named fields and headers, in any notation: JSON, logfmt, tuples, prose."""

from __future__ import annotations

import re
from collections.abc import Iterator

from wsdiag.notation import (
    DEEP_AND,
    DEEP_COLON,
    DEEP_EQUALS,
    DEEP_LINE,
    DEEP_SPACE,
    QUOTES,
    shallow,
)
from wsdiag.sensitive.names import FIELD, group, rule_of
from wsdiag.sensitive.shapes import BEARER
from wsdiag.sensitive.spans import (
    ENTRY,
    EQ,
    GAP,
    MASKED,
    NONCE,
    QUOTED,
    Hit,
    Q,
    balanced,
    begins_word,
    closing,
    first,
    name_start,
)
from wsdiag.sensitive.urls import parameters

_IS = re.compile(
    rf"(?P<shut>{Q}?)\]?[\s{DEEP_SPACE}]{{0,8}}(?:=>|:=|->|{EQ})|>"
    rf"|{Q}?[\s,]{{1,8}}{Q}?val(?:ue)?{Q}?\s{{0,8}}[:=]"  # HAR: {"name":"token","value":"x"}
)
_ASSIGNED = re.compile(r"[\w.-]{1,64}=")
_PAIR = re.compile(rf"{Q}\s{{0,8}},\s{{0,8}}(?=[bu]?{Q})")
_SAID = re.compile(r"\s{1,8}(?:(?:is|was|of|for)\s{1,8})?")
_NEXT = re.compile(rf"\s{{0,8}},(?=\s{{0,8}}[bu]?{Q})")
_LEAF = re.compile(rf"{Q}\s{{0,8}}(?:=>|[:{DEEP_COLON}])\s{{0,8}}")
_STOP = r"&,;|(){}\[\]<>?#" + QUOTES + DEEP_LINE
# A separator inside a value: glued to what follows, and no `name=` begins there.
_GLUED = rf"(?=\w)(?![\w.%-]{{1,64}}{EQ})"
_BARE = re.compile(rf"(?:[^\s{_STOP}]|[{_STOP[1:]}]{_GLUED})++")
_BARE_PASSWORD = re.compile(rf"(?:[^\s&<{QUOTES}]|[&<{QUOTES}]{_GLUED})++")
_PART = rf"(?:[^\s,;{QUOTES}{DEEP_LINE}]|(?<==){Q}[^{QUOTES}\n]*+{Q})++"
_LOOSE = {  # header values in the middle of a line, with no quote around the header
    "authorization": re.compile(
        rf"[A-Za-z][\w-]*+{GAP}++{_PART}(?:\s*+,\s*+[\w-]++={_PART})*+|{_PART}"
    ),
    "cookie": re.compile(
        rf"(?:(?<==){Q}[^{QUOTES}\n]*+{Q}|[^{QUOTES}{DEEP_LINE}\n]|{Q}(?![\s,)\]}}]|$))++"
    ),
    "protocols": re.compile(rf"[^\s,;{QUOTES}{DEEP_LINE}]++(?:\s*+,\s*+[^\s,;{QUOTES}]++)*+"),
    "query": re.compile(rf"[^\s<>#{QUOTES}{DEEP_LINE}]++"),
}
_OPAQUE = re.compile(r"[\w.~+/=:-]{8,}+")
# What is said about a credential without telling it; these words stay.
_STATE = re.compile(
    r"(?:|-|null|nil|none|undefined|true|false|yes|no|ok|on|off|n/?a|not|is|has|was|the|for|of|in"
    r"|expired?|invalid|missing|required|revoked|malformed|empty|unknown|valid(?:ation)?|present"
    r"|absent|fail(?:ed|ure)?|success(?:ful)?|rejected|denied|error|timeout|unauthori[sz]ed|bad"
    r"|forbidden|refreshed|renewed|open(?:ed)?|closed?|started|ended|anonymous|jwt|bearer|basic"
    r"|digest|signature|verification|authentication|authorization|user|session|token|password"
    r"|could|cannot|can't|unable|unsupported|wrong|incorrect|mismatch|handshake|server|client"
    r"|connect(?:ed|ion)?|websocket|request|disconnected|timed|not[ _]found|token[ _]expired"
    r"|invalid[ _]token|http/[\d.]+)[.:!]?",
    re.IGNORECASE,
)
# Registered subprotocols look like v12.stomp, graphql-transport-ws, ocpp2.0.1, v4.channel.k8s.io.
_SUBPROTOCOL = re.compile(
    r"(?:(?:(?:[a-z]{1,20}|[A-Z]{1,12}|[A-Z][a-z]{1,20})\d{0,2}|k8s|\d{1,2})(?:[._+-](?=\w)|$))++"
)
_CARRIER = re.compile(r"bearer|token|auth|jwt|secret|api-?key|ticket", re.IGNORECASE)
_HELLO = re.compile(  # socket.io CONNECT packets carry credentials in a shape of the app's own
    r"(?<![\w.])(?:40(?:/[\w/-]{1,64},)?|MESSAGE data 0)(?=\{)"
)


def fields(view: str) -> Iterator[Hit]:
    """The values of fields and headers whose names announce a secret."""
    low = view.lower()
    if len(low) != len(view):  # a few capital letters grow when lowered
        low = "".join(sign.lower() if sign.isascii() else sign for sign in view)
    nonces = {nonce.end(): nonce.start() for nonce in NONCE.finditer(view)} if "=" in view else {}
    at = 0
    while found := FIELD.search(low, at):
        rule, at = group(found), found.end()
        if masked := MASKED.match(view, max(found.start() - 1, 0)):
            at = masked.end()
            continue
        if any(nonces.get(found.end() + pad, len(view)) <= found.start() for pad in (1, 2)):
            continue
        if str(found.lastgroup).endswith("_") and not begins_word(view, found.start()):
            at = found.start() + 1
            continue
        name = name_start(view, found.start())
        if rule == "protocols":
            spans = list(_values(view, found, name, rule))
            at = max((at, *(end for _, end in spans)))
            yield from _offered(view, spans)
            continue
        for start, end in _values(view, found, name, rule):
            at = max(at, end)
            value = view[start:end].translate(shallow).strip(" \n\"'`")
            counted = rule == "token" and found.group().endswith("s") and value.isdigit()
            if rule == "query":
                yield from parameters(view, start, end, bare=False)
                continue
            if rule == "cookie" or not (counted or _STATE.fullmatch(value)):
                key = view[max(start - 40, found.start()) : start].rstrip(" =>:" + QUOTES)
                inner = "password" if rule_of(key) == "password" else rule
                yield Hit(start, end, "token" if inner == "authorization" else inner)


def greetings(view: str) -> Iterator[Hit]:
    """Credentials in socket.io CONNECT packets."""
    at = 0
    while hello := _HELLO.search(view, at):
        at = hello.end()
        for start, end in _inside(view, hello.end()):
            at = max(at, end)
            if not _STATE.fullmatch(view, start, end):
                yield Hit(start, end, "token")


def _values(view: str, found: re.Match[str], name: int, rule: str) -> Iterator[tuple[int, int]]:
    """The stretches that are the value of the field whose name was found."""
    at = found.end()
    if (told := _IS.match(view, at)) and (
        told.group() != ">" or view[max(name - 1, 0) : name] == "<"
    ):
        begin, shut = told.end(), bool(told["shut"]) or "=" in told.group()
    elif (told := _PAIR.match(view, at)) and _in_tuple(view, name):
        begin, shut = told.end(), True
    else:
        yield from _spoken(view, at, name, rule)
        return
    begin += len(view[begin : begin + 8]) - len(view[begin : begin + 8].lstrip(" \n" + DEEP_SPACE))
    if MASKED.match(view, begin):
        return
    opener = view[begin : begin + 1]
    listed = opener in ("[", "(") and QUOTED.match(view, begin + 1)
    if quoted := listed or QUOTED.match(view, begin):
        while quoted:
            end = closing(view, quoted[1], quoted.end())
            yield quoted.end(), end
            following = _NEXT.match(view, end + 1) if listed else None
            quoted = QUOTED.match(view, following.end()) if following else None
    elif opener in ("[", "{") or view.startswith(("map[", "&{"), begin):
        if rule != "session":
            begin = view.find("{" if opener in ("{", "&") else "[", begin)
            yield from _inside(view, begin)
    elif loose := _LOOSE.get(rule):
        told = loose.match(view, begin)
        end = _header_end(view, name, begin, shut) or (told.end() if told else begin)
        yield begin, end
    elif (
        rule != "password"
        and (inner := _ASSIGNED.match(view, begin))
        and rule_of(inner.group()[:-1]) != "query"
    ):
        return  # `auth: token=…`: the field after it has the secret
    elif told := (_BARE_PASSWORD if rule == "password" else _BARE).match(
        view, begin + (opener == "(")
    ):
        end = told.end()
        if DEEP_EQUALS in view[found.end() : begin] and DEEP_AND in told.group():
            end = view.index(DEEP_AND, told.start())
        yield told.start(), end


def _inside(view: str, begin: int) -> Iterator[tuple[int, int]]:
    """The values of the object that opens at `begin`; all of it where it is not like JSON."""
    end = balanced(view, begin)
    at = begin + 1
    if not QUOTED.match(view, at):
        yield at, end
        return
    while (told := _LEAF.search(view, at, end)) and told.end() < end:
        at = told.end()
        if quoted := QUOTED.match(view, at):
            begin, at = quoted.end(), closing(view, quoted[1], quoted.end())
        elif view[at] == "[":
            begin, at = at + 1, balanced(view, at)
        elif view[at] == "{":
            continue
        else:
            begin, at = at, first(view, at, ",", "}")
        yield begin, at
        at += 1


def _spoken(view: str, at: int, name: int, rule: str) -> Iterator[tuple[int, int]]:
    """`--token abc`, `password hunter2`, `user "alice"`; a plain word ("token expired") is none."""
    told = _SAID.match(view, at)
    if not told or rule not in ("token", "password", "user", "session", "cookie"):
        return
    option = view.startswith("-", name)
    if quoted := QUOTED.match(view, told.end()):
        end = closing(view, quoted[1], quoted.end())
        if option or rule == "password" or " " not in view[quoted.end() : end]:
            yield quoted.end(), end
        return
    pattern = _BARE_PASSWORD if rule == "password" else _BARE if option else _OPAQUE
    word = pattern.match(view, told.end())
    if not word:
        return
    signs = "!@#$%^*" if rule == "password" else ""
    telling = any(sign.isdigit() or sign in signs for sign in word.group())
    if option or (telling and rule in ("token", "password") and len(word.group()) >= 4):
        yield word.span()


def _header_end(view: str, name: int, begin: int, shut: bool) -> int | None:
    """Where the value of a header ends that stands alone in its quotes or on its line."""
    before = view[name - 1] if name else "\n"
    line = first(view, begin, "\n", DEEP_LINE)
    if shut:
        return None
    if before in QUOTES:
        return min(line, closing(view, before, begin))
    if before in ("\n", DEEP_LINE) or view[max(name - 2, 0) : name] in ("< ", "> ", "* "):
        return line
    return None


def _offered(view: str, spans: list[tuple[int, int]]) -> Iterator[Hit]:
    """The entries of a Sec-WebSocket-Protocol list (RFC 6455 section 11.3.4) that are no names."""
    carried = False  # an entry before announced a credential, as in `access_token, abc`
    for start, end in spans:
        for part in ENTRY.finditer(view, start, end):
            if BEARER.search(part.group()) or MASKED.search(part.group()):
                continue
            if carried or not _SUBPROTOCOL.fullmatch(part.group()):
                yield Hit(*part.span(), "token")
            carried = carried or _CARRIER.search(part.group()) is not None


def _in_tuple(view: str, name: int) -> bool:
    """Whether a quoted name is the first of a pair, `(b'cookie', …` or `["cookie", …`."""
    before = view[max(name - 12, 0) : name]
    return before[-1:] in QUOTES and before[:-1].rstrip("bBuU").rstrip()[-1:] in ("(", "[", ",")
