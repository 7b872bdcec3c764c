"""Bytes of whatever kind to text: what they are is decided by content first, then by declaration, then by name."""

import asyncio
import re
from dataclasses import dataclass
from typing import Final

from outlive.contracts.outcomes import Cause
from outlive.documents import encodings, html
from outlive.documents.kinds import media_type_by_name
from outlive.documents.pdf import read_pdf
from outlive.errors import DocumentError

INLINE_HTML: Final = 128 * 1024
"""Up to this size a page is parsed on the event loop (2 ms); a hop to a thread is only worth it above."""

INLINE_TEXT: Final = 2 * 1024 * 1024

_PDF: Final = "application/pdf"
_HTML: Final = frozenset({"text/html", "application/xhtml+xml"})
_PDF_WITHIN: Final = 1024  # readers accept rubbish before the header, up to here
_SAMPLE: Final = 4096
_BINARY_SHARE: Final = 0.02
_HEADING: Final = re.compile(r"^##?[ \t](.*)$", re.MULTILINE)

_MAGIC: Final = (
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"RIFF", "a media file"),
    (b"PK\x03\x04", "a ZIP archive, or a file of an office program"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ", "an xz archive"),
    (b"7z\xbc\xaf", "a 7-Zip archive"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive"),
    (b"\x7fELF", "a program"),
    (b"MZ\x90", "a program"),
    (b"\xd0\xcf\x11\xe0", "a file of an old office program"),
    (b"OggS", "an Ogg recording"),
    (b"ID3", "an MP3 recording"),
    (b"SQLite format 3", "an SQLite database"),
    (b"{\\rtf", "an RTF text"),
    (b"%!PS", "a PostScript program"),
)
_MAGICS: Final = tuple(magic for magic, _ in _MAGIC)


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """What was read of one document.

    Attributes:
        text: Cleaned text, never empty.
        media_type: What it was read as.
        bytes_read: Size of the document after decompression.
    """

    text: str
    title: str | None = None
    media_type: str = "text/plain"
    bytes_read: int = 0


def kind_of(data: bytes, declared: str | None, name: str, *, wide: bool = False) -> str:
    """Return the media type to read bytes as.

    Args:
        declared: The server's Content-Type without parameters, where there is one.
        name: The last part of the path, for its ending.
        wide: Whether the text is UTF-16 or UTF-32, whose NUL bytes say nothing.

    Raises:
        DocumentError: They are of no kind that can be read.
    """
    if b"%PDF-" in data[:_PDF_WITHIN]:
        return _PDF
    if html.starts_like_html(data):
        return "text/html"
    _refuse_binary(data, wide=wide)
    if declared in _HTML:
        return "text/html"
    if declared == _PDF:
        raise DocumentError(Cause.BROKEN, "The server declares a PDF, but what it sent is none.")
    by_name = media_type_by_name(name)
    if by_name == _PDF:
        raise DocumentError(Cause.BROKEN, "The file is named .pdf, but what it holds is none.")
    if declared is None or declared in {"text/plain", "application/octet-stream", "binary/octet-stream"}:
        return by_name
    return declared


def _refuse_binary(data: bytes, *, wide: bool) -> None:
    if data.startswith(_MAGICS):
        what = next(what for magic, what in _MAGIC if data.startswith(magic))
        raise DocumentError(Cause.NOT_TEXT, f"The document is {what}, which is not read.")
    if wide or encodings.byte_order_mark(data) is not None:
        return
    sample = data[:_SAMPLE]
    controls = len(sample) - len(sample.translate(None, encodings.CONTROLS))
    if controls > _BINARY_SHARE * len(sample):
        raise DocumentError(
            Cause.NOT_TEXT,
            f"The document is binary: {controls} of its first {len(sample)} bytes are control characters.",
        )


async def extract(
    data: bytes, *, declared: str | None = None, charset: str | None = None, name: str = "", article: bool = False
) -> Reading:
    """Return the text of a document. Work that takes longer than a few milliseconds leaves the event loop.

    Args:
        declared: Media type that the server declares.
        charset: Encoding that the server declares.
        name: The last part of its path or URL.
        article: Whether only the main text of an HTML page is kept.

    Raises:
        DocumentError: EMPTY, NOT_TEXT, NO_TEXT, ENCRYPTED, BROKEN or TOO_LARGE.
    """
    if not data or not data.strip():
        raise DocumentError(Cause.EMPTY, "The document is empty." if not data else "The document is only white space.")
    charset = charset if encodings.is_wide(charset) else encodings.guess_utf16(data) or charset
    kind = kind_of(data, declared, name, wide=encodings.is_wide(charset))
    if kind == _PDF:
        text, title = await read_pdf(data, max_characters=max(len(data), 20_000_000))
    elif kind == "text/html":
        text, title = await _read_html(data, charset, article=article)
    else:
        text, title = await _read_text(data, charset, kind)
    return Reading(text=text, title=title, media_type=kind, bytes_read=len(data))


async def _read_html(data: bytes, charset: str | None, *, article: bool) -> tuple[str, str | None]:
    charset = charset or encodings.declared_in_html(data)
    if article or len(data) > INLINE_HTML or not encodings.is_cheap(data, charset):
        text, title = await asyncio.to_thread(_html, data, charset, article)
    else:
        text, title = _html(data, charset, article)
    if not text.strip():
        raise DocumentError(Cause.NO_TEXT, "The page has no text of its own: perhaps it is drawn by a script.")
    return text, title


def _html(data: bytes, charset: str | None, article: bool) -> tuple[str, str | None]:
    source = encodings.decode(data, charset)
    return html.article_text(source) if article else html.page_text(source)


async def _read_text(data: bytes, charset: str | None, kind: str) -> tuple[str, str | None]:
    if len(data) > INLINE_TEXT or not encodings.is_cheap(data, charset):
        text = await asyncio.to_thread(encodings.decode, data, charset)
    else:
        text = encodings.decode(data, charset)
    if not text.strip():
        raise DocumentError(Cause.EMPTY, "The document is only white space.")
    heading = _HEADING.search(text, 0, _SAMPLE) if kind == "text/markdown" else None
    return text, (heading[1].strip("# \t")[: html.MAX_TITLE] or None) if heading else None
