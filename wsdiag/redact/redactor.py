"""Mask any text from evidence, and count what was hidden."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache

from wsdiag.notation import decode, keep_lines
from wsdiag.redact import in_force
from wsdiag.redact.pseudonyms import address, is_shown, pseudonym, session, stand_in, user
from wsdiag.redact.tokens import (
    PASSWORD_SCHEME,
    TOKEN_SCHEME,
    TRAILING,
    stand_in_token,
    token,
)
from wsdiag.sensitive import MASKED, Hit, hits, suspicious

REASON_BYTES = 123
"""A Close frame's reason is at most this long (RFC 6455 section 5.5)."""

_BEGINNING_BYTES = 24


def ping_payload(data: bytes) -> str | None:
    """A Ping's payload in hexadecimal, to know its Pong by; a pseudonym where it holds a secret."""
    text = data.decode("utf-8", "replace")
    if Redactor().mask(text) != keep_lines(text).replace("\n", " "):
        return pseudonym("payload", data.hex())
    return data.hex() or None


class Redactor:
    """Masks text by the policy in force when it is made, and counts, by rule, what it hid.

    `rereadable`: where a secret stood stands what wsdiag reads as the same secret: the pseudonym as
    a bare word, a JWT of the same times, an address. Else `[token-1a2b3c4d]`, for people.
    """

    def __init__(self, *, rereadable: bool = False) -> None:
        self.counts: Counter[str] = Counter()
        self._rereadable = rereadable
        self._policy = in_force.policy()
        self._patterns = self._policy.compiled()

    def mask(self, text: str) -> str:
        """Return `text` harmless: no secret, no e-mail, no public address, no control character."""
        shown = keep_lines(text)
        if not self._policy.secrets:
            return shown.replace("\n", " ")
        # Hiding one thing may uncover its neighbour, or run two lines into one: until all is quiet.
        for _ in range(8):
            if not suspicious(shown) and not any(it.search(shown) for _, it in self._patterns):
                break
            masked = self._once(shown)
            if masked == shown and "\n" not in shown:
                break
            shown = masked if masked != shown else shown.replace("\n", " ")
        return shown.replace("\n", " ")

    def reason(self, text: str | None) -> str | None:
        """A close reason or error phrase: masked, and cut to what a Close frame could carry.

        Of a longer one the beginning, and the words by which a fault is known.
        """
        if not text:
            return None
        shown = self.mask(text)
        if len(shown.encode()) > REASON_BYTES:
            shown = _telling(shown)
        return shown.encode()[:REASON_BYTES].decode("utf-8", "ignore").strip() or None

    def _once(self, text: str) -> str:
        view, origin = decode(text)
        parts: list[str] = []
        last = 0
        for hit in _joined(view, self._hits(view)):
            begin, end = origin[hit.start], origin[hit.end]
            raw, plain = text[begin:end], view[hit.start : hit.end]
            rule, label = _label(hit.rule, raw, plain)
            if self._rereadable:
                label = _stand_in(rule, label, raw, plain)
            self.counts[rule] += 1
            parts += (text[last:begin], label)
            last = end
        return "".join((*parts, text[last:]))

    def _hits(self, view: str) -> Iterator[Hit]:
        """What the policy hides."""
        for name, pattern in self._patterns:
            for found in pattern.finditer(view):
                yield Hit(*found.span("mask" if "mask" in pattern.groupindex else 0), f"own {name}")
        for hit in hits(view, private=self._policy.addresses == "all"):
            shown_ip = hit.rule == "ip" and self._policy.addresses == "none"
            shown_user = hit.rule == "user" and is_shown(view[hit.start : hit.end], self._policy)
            if not (shown_ip or shown_user):
                yield hit


@lru_cache(4096)
def _telling(text: str) -> str:
    """The text, shortened in the middle where a known wording would be cut off."""
    from wsdiag import wordings

    found = wordings.anything().search(text)
    if not found or len(text[: found.end()].encode()) <= REASON_BYTES:
        return text
    begins = text.encode()[:_BEGINNING_BYTES].decode("utf-8", "ignore").rstrip()
    return f"{begins} … {text[found.start() : found.end()]}"


def _joined(view: str, found: Iterable[Hit]) -> Iterator[Hit]:
    """Without what is masked already; what overlaps is one, named by its longest part."""
    known: Hit | None = None
    longest = 0
    for hit in sorted((_trimmed(view, hit) for hit in found), key=lambda hit: hit.start):
        if hit.start >= hit.end or MASKED.match(view, hit.start):
            continue
        if known and hit.start < known.end:
            rule = hit.rule if hit.end - hit.start > longest else known.rule
            longest = max(longest, hit.end - hit.start)
            known = Hit(known.start, max(known.end, hit.end), rule)
            continue
        if known:
            yield known
        known, longest = hit, hit.end - hit.start
    if known:
        yield known


def _trimmed(view: str, hit: Hit) -> Hit:
    """Without the blanks around it and, but for a password, the sentence's punctuation after it."""
    text = view[hit.start : hit.end]
    trailing = " \n" if hit.rule in ("password", "cookie", "credentials") else " \n" + TRAILING
    return Hit(
        hit.start + len(text) - len(text.lstrip()), hit.start + len(text.rstrip(trailing)), hit.rule
    )


def _label(rule: str, raw: str, plain: str) -> tuple[str, str]:
    """The rule to count a secret under, and what stands in its place."""
    if rule in ("token", "jwt"):
        if scheme := PASSWORD_SCHEME.match(plain):
            return "credentials", f"{scheme.group().rstrip()} [credentials]"
        scheme = TOKEN_SCHEME.match(plain)
        return "token", (scheme.group() if scheme else "") + f"[{token(raw)}]"
    if rule == "user":
        return rule, f"[{user(raw)}]"
    if rule == "session":
        return rule, f"[{session(raw)}]"
    if rule == "ip":
        return rule, f"[{address(plain.replace('-', '.'))}]"
    if rule.startswith("own "):
        return rule.removeprefix("own "), f"[{pseudonym('hidden', plain)}]"
    return rule, "[value]" if rule == "query" else f"[{rule}]"


def _stand_in(rule: str, label: str, raw: str, plain: str) -> str:
    """What stands in the place of a secret so that it is read as the same again."""
    if rule == "token":
        scheme = TOKEN_SCHEME.match(plain)
        return (scheme.group() if scheme else "") + stand_in_token(raw)
    if rule == "ip":
        return stand_in(plain.replace("-", ".")).replace(".", "-" if "-" in plain else ".")
    return label.strip("[]") if rule in ("user", "session") else label
