"""Read text through its notation: what a line says once quoting, escaping and colours are undone.

A secret may stand in a log as `\\"token\\":\\"x\\"`, `token%3Dx` or `\\u001b[36mtoken\\u001b[0m=x`.
Rules are written once, against the decoded text; its map leads back to the characters to replace.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

_ESCAPE = re.compile(
    r"\x1b\[[0-?]*+[ -/]*+[@-~]?"  # CSI: colours, cursor (ECMA-48 section 5.4)
    r"|\x1b[\]PX^_](?:[^\x07\x1b\n]*+(?:\x07|\x1b\\))?"  # OSC and other strings: titles, links
    r"|\x1b[ -/]*+[0-~]?|\x9b[0-?]*+[ -/]*+[@-~]?"
)
_LINE_END = re.compile("[\r\n\x0b\x0c\x85\u2028\u2029]+")
# Controls, surrogates and noncharacters; formatting, joiners and fillers that take up no room.
_UNSEEN = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u115f\u1160\u17b4\u17b5"
    "\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ud800-\udfff\ufdd0-\ufdef"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\U000110bd\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
# What CI runners obey when it stands in a job's log: GitHub's commands, and Azure's (##vso[).
_COMMAND = re.compile(
    r"(?<!\w)::(?=(?:error|warning|notice|debug|group|endgroup|add-mask|add-path|add-matcher|echo"
    r"|remove-matcher|set-output|set-env|save-state|stop-commands|internal-[a-z-]+)\b)"
    r"|##(?=[a-z]*\[)",
    re.IGNORECASE,
)
_SPACE = re.compile("[\t\xa0\u1680\u2000-\u200a\u202f\u205f\u3000]")

# Noncharacters (Unicode section 23.7) stand in decoded text for what was escaped, so that a quote
# closes only a quote of its own depth, and `%26` does not end a value as `&` does.
_DOUBLE, _SINGLE = "\ufdd0\ufdd1\ufdd2\ufdd3\ufdd4", "\ufdd5\ufdd6\ufdd7\ufdd8\ufdd9"
DEEP_EQUALS, DEEP_COLON, DEEP_AND, DEEP_SPACE, DEEP_LINE = "\ufdda\ufddb\ufddc\ufddd\ufdde"
QUOTES = "\"'`" + _DOUBLE + _SINGLE
shallow = str.maketrans(
    dict.fromkeys(_DOUBLE, '"')
    | dict.fromkeys(_SINGLE, "'")
    | {DEEP_EQUALS: "=", DEEP_COLON: ":", DEEP_AND: "&", DEEP_SPACE: " ", DEEP_LINE: "\n"}
)
_PERCENT = {
    '"': _DOUBLE[4],
    "'": _SINGLE[4],
    "=": DEEP_EQUALS,
    ":": DEEP_COLON,
    "&": DEEP_AND,
    " ": DEEP_SPACE,
    "\t": DEEP_SPACE,
    "\n": DEEP_LINE,
    "\r": DEEP_LINE,
}

_CODED = re.compile(
    r"(?P<slashes>(?:\\|%(?:25)*+5[cC])++)"
    r"(?:(?P<colour>(?:u001[bB]|x1[bB]|0?33|e)\[[0-9;]*+m?)|(?P<sign>[\"'`/nrt])"
    r"|u(?P<u>[0-9a-fA-F]{4})|x(?P<x>[0-9a-fA-F]{2})|(?P<percent_quote>%(?:25)*+2[27]))?"
    r"|%(?:25)*+(?P<percent>[0-9a-fA-F]{2})"  # also encoded twice: %2540
    r"|(?P<entity>&(?:quot|apos|amp|lt|gt|#\d{1,6}|#[xX][0-9a-fA-F]{1,5});)"
    r"|(?P<syslog>\#0(?:33\[[0-9;]*+m?|1[125]))"  # rsyslog writes a control as its octal number
)


def sanitise(text: str) -> str:
    """Drop escape sequences, controls and what is invisible; tabs and line ends become spaces.

    What a CI runner would obey is written in other signs.
    """
    return keep_lines(text).replace("\n", " ")


def keep_lines(text: str) -> str:
    """As `sanitise`, but a line end stays, as one newline: headers end there."""
    if not (text.isascii() and text.isprintable()):
        text = _SPACE.sub(" ", _UNSEEN.sub("", _LINE_END.sub("\n", _ESCAPE.sub("", text))))
    if "::" in text or "##" in text:
        text = _COMMAND.sub(lambda found: "∷" if found[0] == "::" else "# #", text)
    return text


def decode(text: str) -> tuple[str, Sequence[int]]:
    """The text without its escapes, and for each index in it, and its end, the one in `text`."""
    if not ("\\" in text or "%" in text or "&" in text or "#0" in text):
        return text, range(len(text) + 1)
    parts: list[str] = []
    origin: list[int] = []
    last = 0
    for found in _CODED.finditer(text):
        plain = _plain(found)
        if plain is None:
            continue
        parts += (text[last : found.start()], plain)
        origin += range(last, found.start())
        origin += [found.start()] * len(plain)
        last = found.end()
    parts.append(text[last:])
    origin += range(last, len(text) + 1)
    return "".join(parts), origin


def undo(text: str) -> str:
    """A value as it was before any quoting or escaping."""
    if text.isalnum():
        return text
    return decode(text)[0].translate(shallow).strip().strip("\"'`").strip()


def _plain(found: re.Match[str]) -> str | None:
    """What one escape stands for; None leaves it as it is."""
    part = found.groupdict()
    if part["colour"] or part["syslog"]:
        return DEEP_LINE if found.group().startswith("#01") else ""
    if part["percent"]:
        sign = chr(int(part["percent"], 16))
        known = sign.isascii() and (sign.isalnum() or sign in "-._~@/+")
        return sign if known else _PERCENT.get(sign)
    if part["entity"]:
        sign = html.unescape(part["entity"])
        return _PERCENT[sign] if sign in "\"'" else sign if _visible(sign) else None
    sign = part["sign"] or ""
    if part["u"] or part["x"]:
        sign = chr(int(part["u"] or part["x"], 16))
    elif part["percent_quote"]:
        sign = '"' if part["percent_quote"].endswith("2") else "'"
    elif sign and sign in "nrt":
        return DEEP_LINE
    if sign in ("\n", "\r", "\t"):
        return DEEP_LINE
    if sign in ('"', "'", "`"):
        depth = min(found.group("slashes").count("\\"), 8).bit_length() - 1
        return (_SINGLE if sign == "'" else _DOUBLE)[max(depth, 0)]
    if not sign:
        return None
    return sign if _visible(sign) else ""


def _visible(sign: str) -> bool:
    return sign.isprintable() and not _UNSEEN.match(sign)
