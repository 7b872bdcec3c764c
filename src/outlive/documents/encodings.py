"""Bytes to text: which encoding, and which characters are left out."""

import codecs
import re
from pathlib import Path
from typing import Final

from charset_normalizer import from_bytes

_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LIST_SAMPLE: Final = 64 * 1024
_DAMAGED_LINES: Final = 0.25
_DAMAGED: Final = re.compile("[\ufffd\x00]")
_DETECTION_SAMPLE: Final = 8 * 1024  # charset-normalizer takes some 5 ms for each kB that it weighs
_DAMAGE: Final = 0.1  # share of the non-ASCII characters that may be damaged in a text that is still UTF-8
_FALLBACK: Final = "cp1252"
_META_CHARSET: Final = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_:.\-]{2,40})", re.IGNORECASE)
_META_WITHIN: Final = 2048
_NO_CHARSETS: Final = frozenset(
    {"idna", "punycode", "raw_unicode_escape", "unicode_escape", "undefined", "raw-unicode-escape", "unicode-escape"}
)
"""Python's own, which no server means; punycode takes time with the square of the length."""

_SELF_NAMED: Final = frozenset({"utf-8", "ascii", "iso8859-1", "cp1252", "latin-1"})

CONTROLS: Final = bytes([*range(9), 11, *range(14, 32), 127])
"""Control characters that no text holds on purpose and that JSON, CSV or SQLite dislike. ``\\f`` becomes ``\\n``."""

_TABLE: Final = bytes.maketrans(b"\x0c", b"\n")
_UNWANTED: Final = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


def detect_list_encoding(path: Path) -> str | None:
    """Return the encoding of a list: UTF-8, or what its byte order mark says.

    Returns:
        None where the first 64 kB are no such text. A few damaged lines are not counted: each is one malformed row.
    """
    with path.open("rb") as file:
        sample = file.read(_LIST_SAMPLE)
    encoding = byte_order_mark(sample) or "utf-8"
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    lines = decoder.decode(sample, final=len(sample) < _LIST_SAMPLE).splitlines()
    damaged = [_DAMAGED.search(line) is not None for line in lines]
    return None if sum(damaged) > _DAMAGED_LINES * len(lines) or any(damaged[:1]) else encoding


def byte_order_mark(data: bytes) -> str | None:
    """Return the encoding that the first bytes name, or None."""
    return next((encoding for mark, encoding in _BOMS if data.startswith(mark)), None)


def guess_utf16(data: bytes) -> str | None:
    """Return which UTF-16 it is where every other byte of a sample is mostly NUL, as in Western texts; or None."""
    sample = data[:1024]
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    half = len(sample) // 2
    if half < 2:
        return None
    if odd > 0.6 * half and even < 0.05 * half:
        return "utf-16-le"
    return "utf-16-be" if even > 0.6 * half and odd < 0.05 * half else None


def is_wide(charset: str | None) -> bool:
    """Return whether a charset is one of those whose texts hold NUL bytes."""
    return (_codec(charset) or "").startswith(("utf-16", "utf-32"))


def declared_in_html(data: bytes) -> str | None:
    """Return the encoding that an HTML page's own meta element names, or None."""
    match = _META_CHARSET.search(data, 0, _META_WITHIN)
    return match[1].decode("ascii") if match else None


def is_cheap(data: bytes, declared: str | None = None) -> bool:
    """Return whether decoding takes no detection, so that it need not leave the event loop."""
    return data.isascii() or _try(data, "utf-8") is not None or _codec(declared) is not None


def decode(data: bytes, declared: str | None = None) -> str:
    """Return the text that bytes stand for, without control characters and with Unix line ends.

    The order: byte order mark; UTF-8 where the bytes are UTF-8; what the server or page declares; UTF-8 with a little
    damage; what a detector makes of a sample; Windows-1252. UTF-8 goes before a declared Latin-1, which servers claim
    by default and which fits any bytes, but after a declared encoding of any other kind (ISO-2022-JP is plain ASCII).
    """
    mark = byte_order_mark(data)
    if mark is not None:
        return clean(data.decode(mark, "replace"))
    codec = _codec(declared)
    if codec is None or codec in _SELF_NAMED:
        fast = _decode_utf8(data)
        if fast is not None:
            return fast
    text = _try(data, codec) if codec is not None else None
    return clean(_undeclared(data) if text is None else text)


def _decode_utf8(data: bytes) -> str | None:
    """Return the cleaned text of UTF-8 bytes: cleaned as bytes, which is ten times faster than as text."""
    text = _try(data.translate(_TABLE, CONTROLS), "utf-8")
    if text is None:
        return None
    text = _unix_lines(text)
    return _UNWANTED.sub("", text) if not text.isascii() and ("\ufffe" in text or "\uffff" in text) else text


def clean(text: str) -> str:
    """Return a text without control characters and lone surrogates, and with Unix line ends."""
    return _UNWANTED.sub("", _unix_lines(text.replace("\x0c", "\n")))


def _unix_lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _undeclared(data: bytes) -> str:
    text = data.decode("utf-8", "replace")
    damaged = text.count("\ufffd")
    beyond_ascii = len(text) - len(text.encode("ascii", "ignore"))
    if damaged <= _DAMAGE * beyond_ascii:
        return text
    return data.decode(_detected(_sample(data)), "replace")


def _detected(sample: bytes) -> str:
    """Return the likeliest encoding; Windows-1252 where another is no likelier, as in most Western texts."""
    matches = from_bytes(sample)
    best = matches.best()
    if best is None:
        return _FALLBACK
    equal = [match for match in matches if match.chaos <= best.chaos and match.coherence >= best.coherence]
    return _FALLBACK if any(_FALLBACK in match.could_be_from_charset for match in equal) else best.encoding


def _sample(data: bytes) -> bytes:
    """Return a bounded part of the bytes that begins near the first one that is not ASCII."""
    if len(data) <= _DETECTION_SAMPLE:
        return data
    first = re.search(rb"[^\x00-\x7f]", data)
    start = max(0, (first.start() if first else 0) - 256)
    return data[start : start + _DETECTION_SAMPLE]


def _codec(name: str | None) -> str | None:
    try:
        info = codecs.lookup(name) if name else None
    except (LookupError, ValueError):
        return None
    if info is None or info.name in _NO_CHARSETS:
        return None
    return info.name if info._is_text_encoding else None  # noqa: SLF001


def _try(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except (UnicodeDecodeError, LookupError, ValueError):
        return None
