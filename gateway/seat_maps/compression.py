"""Compressed seat maps: the part that never changes is compressed once for its layout, the rest for each version. Pure.

Both encodings can be continued after a flush. So the body of a version is the compressed head of its layout and its own
compressed tail: in gzip with a checksum, continued from that of the head, in Brotli without anything else.
"""

from __future__ import annotations

import zlib
from typing import NamedTuple

import brotli

SMALLEST = 1024
"""Bytes of the shortest head that is compressed: below, the response fits into a packet or two anyway."""
_MAX_BYTES_PER_SEAT = 32
"""Longest compressed head, for each seat. A usual layout takes 1 to 4, one with a row for each seat 15."""

_WINDOWS = (-9, -13, -15)
"""Windows of deflate that are tried, as bits. Labels count upwards: near matches, the row or two before, cost fewer
bits."""
_LEVEL = 6
_MEMORY = 9
"""The most that zlib takes, 256 KiB, so that blocks and their codes are few."""
_GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"  # no name, no time, unknown system
_MASK = 0xFFFFFFFF

_BROTLI_QUALITY = 5
"""20 ms for 100,000 seats. 9 is not smaller, 10 takes half the size and twenty times as long."""
_BROTLI_WINDOW = 18
"""The one that the encoder uses for tails: their distances must be valid after the head."""
_BROTLI_TAIL_QUALITY = 1
"""At 0 and 1 the encoder depends neither on its position in the stream (no dictionary) nor on what was before."""


class CompressedHead(NamedTuple):
    """The beginning of a body, in each encoding up to a flush."""

    deflated: bytes
    crc: int
    length: int
    """Bytes before compression."""
    brotli: bytes


def compress_head(head: bytes, seats: int) -> CompressedHead | None:
    """Compresses the beginning of a body. None where it is too short, or does not get short enough to be kept.

    Takes up to 0.2 s for 100,000 seats, without the interpreter's lock.
    """
    if len(head) < SMALLEST:
        return None
    deflated = min((_deflate_to_flush(head, bits) for bits in _WINDOWS), key=len)
    if len(deflated) > SMALLEST + _MAX_BYTES_PER_SEAT * seats:
        return None
    encoder = brotli.Compressor(mode=brotli.MODE_TEXT, quality=_BROTLI_QUALITY, lgwin=_BROTLI_WINDOW)
    return CompressedHead(deflated, zlib.crc32(head), len(head), encoder.process(head) + encoder.flush())


def _deflate_to_flush(head: bytes, window_bits: int) -> bytes:
    deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, window_bits, _MEMORY)
    return deflate.compress(head) + deflate.flush(zlib.Z_FULL_FLUSH)


def gzip_body(head: CompressedHead, tail: bytes) -> bytes:
    """The gzip form of head and tail together. Takes a millisecond for 100,000 seats, 15 µs for 2,000."""
    # Letters of seats are runs, or noise: neither has matches worth a search.
    deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, zlib.Z_RLE)
    return b"".join(
        (
            _GZIP_HEADER,
            head.deflated,
            deflate.compress(tail),
            deflate.flush(),
            zlib.crc32(tail, head.crc).to_bytes(4, "little"),
            ((head.length + len(tail)) & _MASK).to_bytes(4, "little"),
        )
    )


def brotli_body(head: CompressedHead, tail: bytes) -> bytes:
    """The Brotli form of head and tail together. Takes half a millisecond for 100,000 seats."""
    encoder = brotli.Compressor(quality=_BROTLI_TAIL_QUALITY, lgwin=_BROTLI_WINDOW)
    encoder.flush()  # the beginning of a stream, dropped: that of the head stands for it
    return b"".join((head.brotli, encoder.process(tail), encoder.finish()))
