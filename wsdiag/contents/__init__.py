"""What messages and HTTP answers hold, as facts: shapes, sizes, digests, never their text.

Only a review asks for it: within `noted()` the sources note each message and each plain HTTP
exchange in a notebook; elsewhere nothing is looked at, and a diagnosis stays as fast as it was.
"""

from wsdiag.contents.answers import BODY_BYTES
from wsdiag.contents.envelope import unwrap
from wsdiag.contents.notebook import MAX_MESSAGES, Notebook, current, noted
from wsdiag.contents.tables import FETCHES, HANDSHAKES, MESSAGES
from wsdiag.contents.unwrapped import Unwrapped

__all__ = [
    "BODY_BYTES",
    "FETCHES",
    "HANDSHAKES",
    "MAX_MESSAGES",
    "MESSAGES",
    "Notebook",
    "Unwrapped",
    "current",
    "noted",
    "unwrap",
]
