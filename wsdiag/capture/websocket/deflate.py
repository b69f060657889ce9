"""permessage-deflate (RFC 7692): inflate messages, only to look at them.

A message that cannot be inflated harms nothing: its text is just not known.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import NamedTuple

KEPT_BYTES = 64 * 1024
"""The longest message whose payload is looked at, packed or unpacked."""

FLUSH = b"\x00\x00\xff\xff"
"""What the sender takes off the end of each message (RFC 7692 section 7.2.1)."""


class Deflate(NamedTuple):
    """What was negotiated for one direction."""

    takeover: bool = True


def negotiated(extensions: str, from_client: bool) -> Deflate | None:
    """The agreement for one direction out of the answer's Sec-WebSocket-Extensions."""
    for extension in extensions.lower().split(","):
        name, *parameters = (part.strip() for part in extension.split(";"))
        if name == "permessage-deflate":
            sender = "client" if from_client else "server"
            return Deflate(takeover=f"{sender}_no_context_takeover" not in parameters)
        if name in ("x-webkit-deflate-frame", "deflate-frame"):
            return Deflate()
    return None


class Inflater:
    """Inflates messages in turn; with context takeover none after the first that it could not."""

    def __init__(self, takeover: bool) -> None:
        self._takeover = takeover
        self._zlib: zlib._Decompress | None = zlib.decompressobj(-zlib.MAX_WBITS)

    def forget(self) -> None:
        """Keep nothing of what came before."""
        self._zlib = None

    def inflate(self, packed: bytes | None) -> bytes | None:
        """The message; None where it is not known or longer than `KEPT_BYTES`."""
        return self.inflate_each([None if packed is None else packed + FLUSH])[0]

    def inflate_each(self, packed: Sequence[bytes | None]) -> list[bytes | None]:
        """The same of several in turn, each of which has its `FLUSH` again."""
        found = list[bytes | None]()
        for one in packed:
            text = None
            if not self._takeover:
                self._begin()
            if one is None:
                self._zlib = None
            elif self._zlib is not None:
                try:
                    text = self._zlib.decompress(one, KEPT_BYTES)
                except zlib.error:
                    self._zlib = None
                else:
                    if len(text) == KEPT_BYTES:
                        self._zlib = text = None
                    elif self._zlib.eof:  # RFC 7692 §7.2.3.4: it may end in a final block
                        self._begin()
            found.append(text)
        return found

    def _begin(self) -> None:
        self._zlib = zlib.decompressobj(-zlib.MAX_WBITS)
