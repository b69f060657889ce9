"""Where secrets stand in a text: fields, headers, URLs, commands, known token shapes, addresses.

Works on decoded text (see `notation`), so each rule is written once for all ways of quoting. Every
pattern is linear in the length of the text: possessive or bounded, and never restarted in a value.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Iterator
from typing import NamedTuple

from wsdiag.notation import (
    DEEP_AND,
    DEEP_COLON,
    DEEP_EQUALS,
    DEEP_LINE,
    DEEP_SPACE,
    QUOTES,
    shallow,
)

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


class Hit(NamedTuple):
    """A stretch of decoded text to hide, and the rule that says so."""

    start: int
    end: int
    rule: str


_Q, _EQ, GAP = f"[{QUOTES}]", f"[=:{DEEP_EQUALS}{DEEP_COLON}]", f"[\\s+{DEEP_SPACE}]"

MASKED = re.compile(
    rf"(?:(?:bearer|token|apikey|jwt|basic|digest|negotiate|ntlm){GAP}+)?\["
    r"(?:(?:token|session|user|ip)-[0-9a-f]{8}|password|credentials|cookie|key|value)\]",
    re.IGNORECASE,
)
"""What stands in place of a secret, and its scheme: never masked again."""

# What a line must hold, in lower case, for a rule to apply: most lines pay for this look only.
_TRIGGERS = (
    *("token", "jwt", "secret", "cred", "key", "sig", "ticket", "assert", "auth", "otp", "bearer"),
    *("basic", "pass", "pw", "cookie", "sess", "sid", "protocol", "query", "user", "usr", "uid"),
    *("login", "mail", "sub", "account", "nick", "principal", "name", "connection_init"),
    *(
        "@",
        "?",
        "&",
        "%",
        "\\",
        "#0",
        "::",
        "40{",
        "40/",
        "data 0{",
        ", u'",
        "-u",
        "-b",
        "ec2-",
        "ip-",
    ),
    *("eyj", "akia", "asia", "aiza", "ya29", "ghp_", "gho_", "ghr_", "ghs_", "ghu_", "github_pat"),
    *("xox", "xapp", "k_live", "k_test", "sk-", "whsec", "glpat", "npm_", "pypi-", "sg.", "hf_"),
    *("hvs.", "dop_", "shp", "gocspx", "hooks.slack"),
)
_COMPLETE = re.compile(
    r"[A-Za-z0-9+/]{35}"
)  # a Telegram token or a line of a key has no other sign

# Field names in lower-case text; a group whose name ends in `_` must begin a word.
_FIELD = re.compile(
    r"(?:(?P<cookie>cookies?2?)|(?P<authorization>authorization)"
    r"|(?P<query>(?:raw_?|url_?)?query(?:[_-]?(?:string|params))?)"
    r"|(?P<protocols>websocket[_-]?protocols?|sub_?protocols?)"
    r"|(?P<token_key>(?:api|app|access|auth|private|secret|sign(?:ing)?|encryption|account|shared"
    r"|master|host|subscription|functions?|license|session|client|service)[_ -]?"
    r"(?:access[_-]?)?keys?(?:_base)?)"
    r"|(?P<password>pass(?:word|wd|phrase|code)s?)|(?P<password_>(?:require|user)?pass|pwd|pw)"
    r"|(?P<session>(?:asp(?:net_|\.net_|x)?|jp?|php)?sess(?:ion)?[_-]?id|connect\.sid)"
    r"|(?P<session_>session|sess|sid)"
    r"|(?P<token>(?<!nexpected )tokens?|jwts?|secrets?|credentials?|signatures?|tickets?"
    r"|assertion|connection_init{q}\s*,\s*{q}payload)"
    r"|(?P<token_>auth|otp|sig|bearer|creds?)"
    r"|(?P<user_>(?:remote[_-]?|preferred[_-]?|auth[_-]?)?(?:user|usr)(?:[._-]?(?:name|id|mail))?"
    r"|uid|login|e?-?mail(?:[_-]?address)?|sub(?:ject)?|account(?:[_-]?(?:id|name))?"
    r"|(?:nick|(?:display|first|last|full|given|family)[_-]?)name|nick|principal))"
    r"(?:[_-]?(?:value|hash|id|string|header))?\d?(?:\[\d*\])?".replace("{q}", _Q)
)
_IS = re.compile(
    rf"(?P<shut>{_Q}?)\]?[\s{DEEP_SPACE}]{{0,8}}(?:=>|:=|->|{_EQ})|>"
    rf"|{_Q}?[\s,]{{1,8}}{_Q}?val(?:ue)?{_Q}?\s{{0,8}}[:=]"  # HAR: {"name":"token","value":"x"}
)
_ASSIGNED = re.compile(r"[\w.-]{1,64}=")
_PAIR = re.compile(rf"{_Q}\s{{0,8}},\s{{0,8}}(?=[bu]?{_Q})")
_SAID = re.compile(r"\s{1,8}(?:(?:is|was|of|for)\s{1,8})?")
_QUOTED = re.compile(rf"\s{{0,8}}(?:\[\]byte\()?(?:br?|rb?|u|\$)?({_Q})", re.IGNORECASE)
_NEXT = re.compile(rf"\s{{0,8}},(?=\s{{0,8}}[bu]?{_Q})")
_LEAF = re.compile(rf"{_Q}\s{{0,8}}(?:=>|[:{DEEP_COLON}])\s{{0,8}}")
_BRACKET = re.compile(rf"[\[\]{{}}()]|{_Q}")
_STOP = r"&,;|(){}\[\]<>?#" + QUOTES + DEEP_LINE
# A separator inside a value: glued to what follows, and no `name=` begins there.
_GLUED = rf"(?=\w)(?![\w.%-]{{1,64}}{_EQ})"
_BARE = re.compile(rf"(?:[^\s{_STOP}]|[{_STOP[1:]}]{_GLUED})++")
_BARE_PASSWORD = re.compile(rf"(?:[^\s&<{QUOTES}]|[&<{QUOTES}]{_GLUED})++")
_PART = rf"(?:[^\s,;{QUOTES}{DEEP_LINE}]|(?<==){_Q}[^{QUOTES}\n]*+{_Q})++"
_LOOSE = {  # header values in the middle of a line, with no quote around the header
    "authorization": re.compile(
        rf"[A-Za-z][\w-]*+{GAP}++{_PART}(?:\s*+,\s*+[\w-]++={_PART})*+|{_PART}"
    ),
    "cookie": re.compile(
        rf"(?:(?<==){_Q}[^{QUOTES}\n]*+{_Q}|[^{QUOTES}{DEEP_LINE}\n]|{_Q}(?![\s,)\]}}]|$))++"
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

JWT = re.compile(  # RFC 7515 section 3.1; `eyJ` is the base64 of `{"`
    r"(?<![\w-])(?:eyJ[\w-]{6,}+(?:\.[\w-]+)+|eyJ[\w+/-]{12,}+={0,2})"
    r"|eyJ[\w-]{10,300}+\.eyJ[\w-]{4,}+(?:\.[\w-]+)*"
)
_KNOWN = re.compile(
    r"(?<![A-Za-z0-9])(?:[spr]k_(?:live|test)_\w{8,}|whsec_\w{8,}|gh[oprsu]_\w{16,}"
    r"|github_pat_\w{16,}|xox[a-z]-[\w-]{8,}|xapp-[\w-]{8,}|A(?:KI|SI)A[0-9A-Z]{12,}|AIza[\w-]{30,}"
    r"|ya29\.[\w-]{8,}|GOCSPX-[\w-]{8,}|glpat-[\w-]{12,}|npm_\w{20,}|pypi-[\w-]{16,}|dop_v1_\w{16,}"
    r"|SG\.[\w-]{8,}\.[\w-]{8,}|sk-[\w-]{20,}|hf_\w{16,}|hvs\.[\w-]{16,}|shp(?:at|ca|pa|ss)_\w{16,}"
    r"|oauth:\w{8,}|\d{8,10}:[\w-]{35}(?![\w-])|(?<=hooks\.slack\.com/services/)[\w/]{8,})"
)
BEARER = re.compile(
    rf"\bbearer(?:{GAP}{{1,8}}|[,:]\s?)(?P<secret>[\w.~+/=-]++)"
    r"|\b(?:base64url\.)?bearer\.(?:authorization\.k8s\.io\.|phx\.)?+(?P<inline>[\w.~+/=-]{4,})",
    re.IGNORECASE,
)
_BASIC = re.compile(rf"\bbasic{GAP}{{1,8}}(?P<secret>[\w+/-]{{4,}}+={{0,2}})", re.IGNORECASE)
_PEM = re.compile(r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_PEM_LINE = re.compile(r"^ *(?=[a-f0-9]*[A-Zg-z+/])([A-Za-z0-9+/]{60,76}) *$", re.MULTILINE)
_USERINFO = re.compile(  # RFC 3986 section 3.2.1, and passwords with a raw / ? or # in them
    rf"(?<=[:{DEEP_COLON}]//)(?:[^\s/?#<>{QUOTES}]{{1,256}}|[^\s/@:{QUOTES}]{{0,64}}"
    rf"[:{DEEP_COLON}](?!\d{{1,5}}(?:[/?#\s]|$))[^\s@{QUOTES}]{{1,256}})(?=@)"
)
_CURL = re.compile(r"(?<![\w-])(?:-[uU]|--(?:proxy-)?user|-b(?=\s*[$\"']))[ =]*")
_HELLO = re.compile(  # socket.io CONNECT packets carry credentials in a shape of the app's own
    r"(?<![\w.])(?:40(?:/[\w/-]{1,64},)?|MESSAGE data 0)(?=\{)"
)
_MOSQUITTO = re.compile(r"\bk\d{1,5}, u'(?P<secret>[^']+)'")
# `host - user [time]` of an access log, where a remote user's name has no field name before it.
_REMOTE_USER = re.compile(
    r"(?:^|\s)[\w.:-]+ - (?P<user>[^\s\"\[\]]{1,128})"
    r" \[\d\d(?:/[A-Z][a-z]{2}/\d{4}:|\d\d-\d\d-\d\d[T ])"
)
# HAProxy's httplog: two captured cookies before the termination state, captured headers after it.
_HAPROXY = re.compile(
    r"(?: -?\d+(?:/-?\d+){3}/\+?\d+ -?\d{1,3} \+?\d+) (?P<asked>\S+) (?P<given>\S+) [A-Za-z-]{4}"
    r"(?: \d+(?:/\+?\d+){4} \d+/\d+)?(?P<headers>(?: \{[^{}]*\}){0,2})"
)
_CAPTURE = re.compile(r"[^{}|]+")
_MIXED = re.compile(r"(?=[^a-z]*[a-z])(?=[^A-Z]*[A-Z])(?=\D*\d)[\w~+=-]{12,}")
_QUERY = re.compile(rf"(?<![(?\\*+])\?[\w%](?:[^\s<>#{QUOTES}{DEEP_LINE}]|{_Q}(?=\w))++")
_FORM = re.compile(r"&[\w.%\[\]-]{1,64}=")
_EDGE = re.compile(rf"[\s<>?({{{QUOTES}{DEEP_LINE}]|$")
_AT = re.compile(
    r"@(?:(?:[\w-]+\.)+(?:[^\W\d_]{2,}|xn--[\w-]+)|(?:\d{1,3}\.){3}\d{1,3})", re.IGNORECASE
)
_LOCAL = re.compile(r"[\w.+%!#$*^~-]|(?<=\w)'(?=\w)")  # RFC 5322 section 3.2.3, less separators
_IPV4 = re.compile(
    r"(?<![\d.])(?<!\bv)(?<!ersion )(?<!Chrome/)(?<!Edg/)(?<!OPR/)(?<!Version/)(?<!Chromium/)"
    r"(?:\d{1,3}\.){3}\d{1,3}(?!\d)(?!\.\d+\.\d)"
    r"|(?:(?<=ec2-)|(?<=\bip-))(?:\d{1,3}-){3}\d{1,3}(?!\d)"
)
_IPV6 = re.compile(
    r"(?<![\w:])(?:[0-9a-fA-F]{0,4}:){2,9}(?:[0-9a-fA-F]{1,4}(?![\w.]))?(?:\d[\d.]{0,14})?"
)
_EUI = re.compile(r"(?:[0-9a-fA-F]{2}:){7}[0-9a-fA-F]{2}")
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")  # RFC 4291 section 2.4
_DOCUMENTATION = (ipaddress.ip_network("2001:db8::/32"), ipaddress.ip_network("3fff::/20"))
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052 section 2.1

# Sec-WebSocket-Key and -Accept, 16 and 20 bytes in base64 (RFC 6455 section 4.1): public, and
# not a field name where one ends in `Pw==`.
_NONCE = re.compile(
    r"(?<![\w+/=])(?:[A-Za-z0-9+/]{21}[AQgw]==|[A-Za-z0-9+/]{26}[AEIMQUYcgkosw048]=)(?![\w+/=])"
)
# Registered subprotocols look like v12.stomp, graphql-transport-ws, ocpp2.0.1, v4.channel.k8s.io.
_SUBPROTOCOL = re.compile(
    r"(?:(?:(?:[a-z]{1,20}|[A-Z]{1,12}|[A-Z][a-z]{1,20})\d{0,2}|k8s|\d{1,2})(?:[._+-](?=\w)|$))++"
)
_ENTRY = re.compile(r"[^,\s]+")
_CARRIER = re.compile(r"bearer|token|auth|jwt|secret|api-?key|ticket", re.IGNORECASE)
_HARMLESS = {
    "EIO": re.compile(r"\d"),
    "transport": re.compile(r"websockets?|polling|webtransport|serversentevents|longpolling", re.I),
    "vsn": re.compile(r"[\d.]{1,8}"),
    "protocol": re.compile(r"[\d.]{1,4}"),
    "version": re.compile(r"[\d.]{1,8}"),
    "v": re.compile(r"[\d.]{1,8}"),
    "clientProtocol": re.compile(r"[\d.]{1,4}"),
    "negotiateVersion": re.compile(r"\d"),
}


def suspicious(text: str) -> bool:
    """Whether any rule could apply; the cheap look before the thorough one."""
    low = text.lower()
    return (
        any(map(low.__contains__, _TRIGGERS))
        or text.count(".") >= 3
        or text.count(":") >= 7
        or (len(text) >= 35 and _COMPLETE.search(text) is not None)
    )


def hits(view: str) -> Iterator[Hit]:
    """Every secret in decoded text, overlapping as they come; the more telling rule first."""
    yield from _commands(view)
    yield from credentials(view)
    yield from _keys(view)
    for found in _MOSQUITTO.finditer(view):
        yield Hit(*found.span("secret"), "user")
    for found in _REMOTE_USER.finditer(view):
        if found["user"] != "-":
            yield Hit(*found.span("user"), "user")
    for found in _HAPROXY.finditer(view):
        yield from _captured(view, found)
    userinfo = [Hit(*found.span(), "credentials") for found in _USERINFO.finditer(view)]
    yield from userinfo
    for found in _QUERY.finditer(view):
        yield from _parameters(view, found.start() + 1, found.end())
    yield from _forms(view)
    yield from _emails(view, {hit.end for hit in userinfo})
    yield from _addresses(view)


def credentials(view: str) -> Iterator[Hit]:
    """The hits among fields, headers and known shapes: whatever may be a token."""
    yield from _fields(view)
    for found in JWT.finditer(view):
        yield Hit(*found.span(), "jwt")
    for found in _KNOWN.finditer(view):
        yield Hit(*found.span(), "token")
    yield from _schemes(view)
    at = 0
    while hello := _HELLO.search(view, at):
        at = hello.end()
        for start, end in _inside(view, hello.end()):
            at = max(at, end)
            if not _STATE.fullmatch(view, start, end):
                yield Hit(start, end, "token")


def unmapped(ip: IpAddress) -> IpAddress:
    """The IPv4 address inside an IPv4-mapped one (RFC 4291 section 2.5.5.2), else the address."""
    return getattr(ip, "ipv4_mapped", None) or ip


def public(ip: IpAddress) -> bool:
    """Whether the address could lead to a person: global, and neither documentation nor group."""
    if isinstance(ip, ipaddress.IPv4Address):
        return ip.is_global and not ip.is_multicast
    if ip in _NAT64:
        return public(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))
    return ip in _GLOBAL_UNICAST and not any(ip in network for network in _DOCUMENTATION)


def _fields(view: str) -> Iterator[Hit]:
    low = view.lower()
    if len(low) != len(view):  # a few capital letters grow when lowered
        low = "".join(sign.lower() if sign.isascii() else sign for sign in view)
    nonces = {nonce.end(): nonce.start() for nonce in _NONCE.finditer(view)} if "=" in view else {}
    at = 0
    while found := _FIELD.search(low, at):
        rule, at = _group(found), found.end()
        if masked := MASKED.match(view, max(found.start() - 1, 0)):
            at = masked.end()
            continue
        if any(nonces.get(found.end() + pad, len(view)) <= found.start() for pad in (1, 2)):
            continue
        if str(found.lastgroup).endswith("_") and not _begins_word(view, found.start()):
            at = found.start() + 1
            continue
        name = _name_start(view, found.start())
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
                yield from _parameters(view, start, end, bare=False)
                continue
            if rule == "cookie" or not (counted or _STATE.fullmatch(value)):
                key = view[max(start - 40, found.start()) : start].rstrip(" =>:" + QUOTES)
                inner = "password" if _rule_of(key) == "password" else rule
                yield Hit(start, end, "token" if inner == "authorization" else inner)


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
    listed = opener in ("[", "(") and _QUOTED.match(view, begin + 1)
    if quoted := listed or _QUOTED.match(view, begin):
        while quoted:
            end = _closing(view, quoted[1], quoted.end())
            yield quoted.end(), end
            following = _NEXT.match(view, end + 1) if listed else None
            quoted = _QUOTED.match(view, following.end()) if following else None
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
        and _rule_of(inner.group()[:-1]) != "query"
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
    end = _balanced(view, begin)
    at = begin + 1
    if not _QUOTED.match(view, at):
        yield at, end
        return
    while (told := _LEAF.search(view, at, end)) and told.end() < end:
        at = told.end()
        if quoted := _QUOTED.match(view, at):
            begin, at = quoted.end(), _closing(view, quoted[1], quoted.end())
        elif view[at] == "[":
            begin, at = at + 1, _balanced(view, at)
        elif view[at] == "{":
            continue
        else:
            begin, at = at, _first(view, at, ",", "}")
        yield begin, at
        at += 1


def _spoken(view: str, at: int, name: int, rule: str) -> Iterator[tuple[int, int]]:
    """`--token abc`, `password hunter2`, `user "alice"`; a plain word ("token expired") is none."""
    told = _SAID.match(view, at)
    if not told or rule not in ("token", "password", "user", "session", "cookie"):
        return
    option = view.startswith("-", name)
    if quoted := _QUOTED.match(view, told.end()):
        end = _closing(view, quoted[1], quoted.end())
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
    line = _first(view, begin, "\n", DEEP_LINE)
    if shut:
        return None
    if before in QUOTES:
        return min(line, _closing(view, before, begin))
    if before in ("\n", DEEP_LINE) or view[max(name - 2, 0) : name] in ("< ", "> ", "* "):
        return line
    return None


def _offered(view: str, spans: list[tuple[int, int]]) -> Iterator[Hit]:
    """The entries of a Sec-WebSocket-Protocol list (RFC 6455 section 11.3.4) that are no names."""
    carried = False  # an entry before announced a credential, as in `access_token, abc`
    for start, end in spans:
        for part in _ENTRY.finditer(view, start, end):
            if BEARER.search(part.group()) or MASKED.search(part.group()):
                continue
            if carried or not _SUBPROTOCOL.fullmatch(part.group()):
                yield Hit(*part.span(), "token")
            carried = carried or _CARRIER.search(part.group()) is not None


def _keys(view: str) -> Iterator[Hit]:
    at = 0
    while found := _PEM.search(view, at):
        end = view.find("-----END", found.end())
        at = len(view) if end < 0 else _first(view, end + 8, "-----") + 5
        yield Hit(found.start(), min(at, len(view)), "key")
    for found in _PEM_LINE.finditer(view):
        yield Hit(*found.span(1), "key")


def _schemes(view: str) -> Iterator[Hit]:
    for found in BEARER.finditer(view):
        secret = found["secret"] or ""
        if found["inline"] or re.search(r"\d", secret) or len(secret) >= 20:
            yield Hit(*found.span("secret" if secret else "inline"), "token")
    for found in _BASIC.finditer(view):  # RFC 7617: base64 of user:password
        if ":" in from_base64(found["secret"]):
            yield Hit(*found.span("secret"), "credentials")


def from_base64(text: str) -> str:
    """What `text` says as base64 or base64url, where that is printable; else `text`."""
    try:
        plain = base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), b"-_")
        if "+" in text or "/" in text:
            plain = base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4))
        said = plain.decode()
    except (binascii.Error, ValueError):
        return text
    return said if said.isprintable() and said else text


def _commands(view: str) -> Iterator[Hit]:
    for found in _CURL.finditer(view):
        if quoted := _QUOTED.match(view, found.end()):
            start, end = quoted.end(), _closing(view, quoted[1], quoted.end())
        else:
            edge = _EDGE.search(view, found.end())
            start, end = found.end(), edge.start() if edge else len(view)
        if found.group().startswith("-b") and "=" in view[start:end]:
            yield Hit(start, end, "cookie")
        elif ":" in view[start:end]:
            yield Hit(start, end, "credentials")


def _captured(view: str, found: re.Match[str]) -> Iterator[Hit]:
    """What HAProxy captured: cookies, and headers without their names."""
    for cookie in ("asked", "given"):
        name, sign, _ = found[cookie].partition("=")
        if sign:
            yield Hit(found.start(cookie) + len(name) + 1, found.end(cookie), "cookie")
    for part in _CAPTURE.finditer(view, *found.span("headers")):
        if re.match(r"\s*[\w.-]+=[^;]", part.group()):
            yield Hit(*part.span(), "cookie")
        for entry in _ENTRY.finditer(view, *part.span()):
            if _MIXED.fullmatch(entry.group()) and not _NONCE.fullmatch(entry.group()):
                yield Hit(*entry.span(), "token")


def _parameters(view: str, start: int, end: int, bare: bool = True) -> Iterator[Hit]:
    """The values of a query string or form; a query without names is one value."""
    end -= len(view[start:end]) - len(view[start:end].rstrip(".,;:)]}" + DEEP_LINE))
    while start < end:
        stop = min(end, _first(view, start, "&"))
        sign = min(_first(view, start, "="), _first(view, start, DEEP_EQUALS))
        name, value = view[start:sign], view[sign + 1 : stop]
        if sign >= stop:
            if bare and stop - start >= 6:
                yield Hit(start, stop, "query")
        elif value and not (name in _HARMLESS and _HARMLESS[name].fullmatch(value)):
            yield Hit(sign + 1, stop, _rule_of(name))
        start = stop + 1


def _rule_of(name: str) -> str:
    """The rule for a parameter of that name."""
    low = name.lower()
    for found in _FIELD.finditer(low):
        rule = _group(found)
        if found.end() == len(low) and rule in ("token", "session", "user", "password"):
            return rule
    return "query"


def _group(found: re.Match[str]) -> str:
    return "token" if found.lastgroup == "token_key" else str(found.lastgroup).rstrip("_")


def _forms(view: str) -> Iterator[Hit]:
    """Form bodies and query strings that stand without their URL: `a=b&c=d`."""
    at = 0
    while found := _FORM.search(view, at):
        start = found.start()
        while start > at and not _EDGE.match(view, start - 1):
            start -= 1
        edge = _EDGE.search(view, found.end())
        at = edge.start() if edge else len(view)
        yield from _parameters(view, start, at, bare=False)


def _emails(view: str, hosts: set[int]) -> Iterator[Hit]:
    last = 0
    for found in _AT.finditer(view):
        start = found.start()
        if start in hosts:  # ://user:password@host
            continue
        if view[start - 1 : start] in ('"', *QUOTES[3:5]):
            start = max(view.rfind(view[start - 1], last, start - 1), last)
        while start > last and _LOCAL.match(view, start - 1):
            start -= 1
        if start < found.start():
            yield Hit(start, found.end(), "user")
        last = found.end()


def _addresses(view: str) -> Iterator[Hit]:
    for found in _IPV4.finditer(view):
        parts = found.group().replace("-", ".").split(".")
        if all(int(part) < 256 for part in parts):
            ip = ipaddress.IPv4Address(bytes(int(part) for part in parts))
            if public(ip):
                yield Hit(*found.span(), "ip")
    for found in _IPV6.finditer(view):
        text = found.group().rstrip(".")
        if text.count(":") > 2 and not text.endswith("::"):
            text = text.rstrip(":")
        if _EUI.fullmatch(text):  # a 64-bit hardware address
            continue
        for candidate in (text, text.rpartition(":")[0]):  # with a port after it
            parsed = parse_address(candidate)
            if parsed:
                if public(unmapped(parsed)):
                    yield Hit(found.start(), found.start() + len(candidate), "ip")
                break


def parse_address(text: str) -> IpAddress | None:
    """An IP address, or None."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _begins_word(view: str, at: int) -> bool:
    before = view[at - 1 : at]
    return not before.isalnum() or (view[at].isupper() and not before.isupper())


def _name_start(view: str, at: int) -> int:
    floor = max(at - 64, 0)
    while at > floor and (view[at - 1].isalnum() or view[at - 1] in "_-."):
        at -= 1
    return at


def _in_tuple(view: str, name: int) -> bool:
    """Whether a quoted name is the first of a pair, `(b'cookie', …` or `["cookie", …`."""
    before = view[max(name - 12, 0) : name]
    return before[-1:] in QUOTES and before[:-1].rstrip("bBuU").rstrip()[-1:] in ("(", "[", ",")


def _closing(view: str, quote: str, start: int) -> int:
    """Where a quoted value ends: its own quote, unless a word goes on there; else the line."""
    end = view.find(quote, start)
    while end >= 0 and view[end + 1 : end + 2].isalnum():
        end = view.find(quote, end + 1)
    return _first(view, start, "\n") if end < 0 else end


def _balanced(view: str, start: int) -> int:
    """The index of the bracket that closes the one at `start`, or the end of the text."""
    depth, at = 0, start
    while found := _BRACKET.search(view, at):
        at = found.end()
        if found.group() in QUOTES:
            at = _closing(view, found.group(), at) + 1
            continue
        depth += 1 if found.group() in "[{(" else -1
        if depth == 0:
            return found.start()
    return len(view)


def _first(view: str, start: int, *signs: str) -> int:
    places = [place for sign in signs if (place := view.find(sign, start)) >= 0]
    return min(places, default=len(view))
