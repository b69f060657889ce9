"""Hide secrets, and make any text from evidence harmless to show.

Everything that leaves wsdiag as text from evidence passes through `Redactor.mask`. The same secret
gets the same pseudonym everywhere, so that a reader can still see that two attempts carried the
same token. Pseudonyms are the first 32 bits of a SHA-256; passwords, which could be guessed from a
digest, get none.
"""

from wsdiag.notation import sanitise
from wsdiag.redact.in_force import has_own_patterns, hiding, remembered
from wsdiag.redact.pseudonyms import address, is_pseudonym, pseudonym, session, stand_in, user
from wsdiag.redact.redactor import REASON_BYTES, Redactor, ping_payload
from wsdiag.redact.tokens import find_token, jwt_times, token

__all__ = [
    "REASON_BYTES",
    "Redactor",
    "address",
    "find_token",
    "has_own_patterns",
    "hiding",
    "is_pseudonym",
    "jwt_times",
    "ping_payload",
    "pseudonym",
    "remembered",
    "sanitise",
    "session",
    "stand_in",
    "token",
    "user",
]
