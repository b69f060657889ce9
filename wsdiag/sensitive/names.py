"""Names that announce a secret: of fields, headers, cookies and parameters."""

from __future__ import annotations

import re

from wsdiag.sensitive.spans import Q

# Field names in lower-case text; a group whose name ends in `_` must begin a word.
FIELD = re.compile(
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
    r"(?:[_-]?(?:value|hash|id|string|header))?\d?(?:\[\d*\])?".replace("{q}", Q)
)


def rule_of(name: str) -> str:
    """The rule for a parameter of that name."""
    low = name.lower()
    for found in FIELD.finditer(low):
        rule = group(found)
        if found.end() == len(low) and rule in ("token", "session", "user", "password"):
            return rule
    return "query"


def group(found: re.Match[str]) -> str:
    """The rule of a name that was found."""
    return "token" if found.lastgroup == "token_key" else str(found.lastgroup).rstrip("_")
