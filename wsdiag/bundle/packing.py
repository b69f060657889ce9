"""permessage-deflate (RFC 7692) the other way round: a text packed into a given number of bytes.

What the other side inflated before is known, so that a text may point back to it as usual.
"""

from __future__ import annotations

import zlib
from itertools import product

_WINDOW = 32 * 1024
_BLANK = (b" ", b"\n", b"\t", b"\r")
_REST = b"\x00\x00\xff\xff"  # of an empty stored block, which a message leaves out (§7.2.1)
_BLANKS = [b"".join(signs) for count in range(4) for signs in product(*[_BLANK] * count)]
"""Few blanks, in several ways: no two grow a packed text alike."""


class Packer:
    """Packs the messages of one direction; `takeover`: each may point back to those before."""

    def __init__(self, takeover: bool) -> None:
        self._takeover = takeover
        self._window = b""

    def pack(self, text: bytes, size: int) -> bytes:
        """`text`, and blanks behind it, in `size` bytes; blanks alone where there is no room."""
        packed, told = self._pack(text, size)
        if self._takeover:
            self._window = (self._window + told)[-_WINDOW:]
        return packed

    def _pack(self, text: bytes, size: int) -> tuple[bytes, bytes]:
        """What is sent, and what it says."""
        if size < 2:
            return b"\x00" * size, b""
        if text.isascii() and len(text) <= size - 2:
            told = text.ljust(size - 2)
            return _literal(told), told
        for blanks in _BLANKS:
            told = text + blanks
            packed = self._deflated(told)
            left = size - len(packed)
            if left == 0:
                return packed, told
            if left == 5:
                return packed + _REST + b"\x00", told
            if left >= 6:
                more = b" " * (left - 6)
                return packed + _REST + _literal(more), told + more
            if left < 0 and not blanks:
                break
        return _literal(b" " * (size - 2)), b" " * (size - 2)

    def _deflated(self, text: bytes) -> bytes:
        usual = (9, zlib.DEFLATED, -zlib.MAX_WBITS, 9, zlib.Z_DEFAULT_STRATEGY)
        # zdict is refused where it is empty.
        packer = (
            zlib.compressobj(*usual, self._window) if self._window else zlib.compressobj(*usual)
        )
        return (packer.compress(text) + packer.flush(zlib.Z_SYNC_FLUSH)).removesuffix(_REST)


def _literal(text: bytes) -> bytes:
    """ASCII in a block of fixed codes: two bytes more than the text (RFC 1951 section 3.2.6)."""
    bits, count = 0b010, 3  # not the last block, fixed codes; bits are sent from the lowest on
    for sign in text:
        bits |= int(f"{sign + 0x30:08b}"[::-1], 2) << count  # codes from their highest bit on
        count += 8
    count += 7  # the end of the block, which is all zeros
    count += 3  # the head of the stored block of which the rest is left out
    return bits.to_bytes((count + 7) // 8, "little")
