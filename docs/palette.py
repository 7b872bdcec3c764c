# ruff: noqa: INP001 - a script, not a package
"""Rewrite PNG files with a palette of 256 colours: pictures of pages become a third as large.

    .venv/bin/python docs/palette.py docs/images/*.png

Of the colours that pages have, most are those of a few edges of letters: these take the nearest of the others.
"""

import struct
import sys
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHANNELS = {2: 3, 6: 4}  # by the colour type of the format: RGB and RGBA
COLOURS = 256
LEFT, UP, MEAN, PAETH = 1, 2, 3, 4  # the filters of the format; 0 has none


def with_palette(path: Path) -> None:
    """Rewrite one file; leave it as it is where it has a palette already.

    Raises:
        ValueError: If it is not a PNG file of 8 bits a channel.
    """
    parts = list(chunks(path.read_bytes()))
    width, height, depth, kind = struct.unpack(">IIBB", next(data for name, data in parts if name == b"IHDR")[:10])
    if kind not in CHANNELS:
        return
    if depth != 8:
        raise ValueError(f"{path} has {depth} bits a channel. Only 8 are read here.")
    packed = zlib.decompress(b"".join(data for name, data in parts if name == b"IDAT"))
    lines = list(pixel_lines(packed, width, CHANNELS[kind]))
    counted = Counter(pixel for line in lines for pixel in line)
    palette = [colour for colour, _ in counted.most_common(COLOURS)]
    place = {colour: nearest(palette, colour) for colour in counted}
    rows = b"".join(b"\0" + bytes(place[pixel] for pixel in line) for line in lines)
    made = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0))
    made += chunk(b"PLTE", b"".join(palette)) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")
    path.write_bytes(SIGNATURE + made)


def chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the parts of a file: names and data."""
    if not content.startswith(SIGNATURE):
        raise ValueError("This is no PNG file.")
    at = len(SIGNATURE)
    while at < len(content):
        (size,) = struct.unpack(">I", content[at : at + 4])
        yield content[at + 4 : at + 8], content[at + 8 : at + 8 + size]
        at += size + 12


def chunk(name: bytes, data: bytes) -> bytes:
    """Return a part of a file."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def pixel_lines(packed: bytes, width: int, channels: int) -> Iterator[list[bytes]]:
    """Yield the pixels of each line, without transparency."""
    size = width * channels
    above = bytes(size)
    for start in range(0, len(packed), size + 1):
        line = bytearray(packed[start + 1 : start + 1 + size])
        unfilter(packed[start], line, above, channels)
        yield [bytes(line[at : at + 3]) for at in range(0, size, channels)]
        above = bytes(line)


def unfilter(kind: int, line: bytearray, above: bytes, channels: int) -> None:
    """Turn the differences of a line into its values."""
    for at in range(len(line)) if kind else ():
        left = line[at - channels] if at >= channels else 0
        corner = above[at - channels] if at >= channels else 0
        foretold = {LEFT: left, UP: above[at], MEAN: (left + above[at]) // 2}.get(kind)
        line[at] = (line[at] + (paeth(left, above[at], corner) if foretold is None else foretold)) & 255


def paeth(left: int, up: int, corner: int) -> int:
    """Return the neighbour that is nearest to their slope, as the format has it."""
    slope = left + up - corner
    return min((left, up, corner), key=lambda value: abs(slope - value))


def nearest(palette: list[bytes], colour: bytes) -> int:
    """Return the place of the most similar colour."""
    return min(range(len(palette)), key=lambda at: sum((a - b) ** 2 for a, b in zip(palette[at], colour, strict=True)))


if __name__ == "__main__":
    for name in sys.argv[1:]:
        with_palette(Path(name))
