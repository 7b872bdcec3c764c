"""The text of a PDF. PDFium is not thread safe, so that all of it happens in one thread of its own."""

import asyncio
import ctypes
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import pypdfium2
import pypdfium2.raw as pdfium

from outlive.contracts.outcomes import Cause
from outlive.documents.encodings import clean
from outlive.errors import DocumentError

PAGES_SECONDS: Final = 120.0
"""Longest time for the pages of one PDF, so that a hostile one cannot hold up all others for ever."""

_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="outlive-pdf")


async def read_pdf(data: bytes, max_characters: int) -> tuple[str, str | None]:
    """Return the text of a PDF, a blank line between its pages, and its title.

    Raises:
        DocumentError: It is encrypted, damaged, has no text, or takes too long.
    """
    return await asyncio.get_running_loop().run_in_executor(_thread, _read, data, max_characters)


def _read(data: bytes, max_characters: int) -> tuple[str, str | None]:
    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        raise _refusal(error) from error
    try:
        pages = _pages(document, max_characters)
        title = _title(document)
    except pypdfium2.PdfiumError as error:
        raise DocumentError(Cause.BROKEN, f"The PDF is damaged: {error}.") from error
    finally:
        document.close()
    text = "\n\n".join(page for page in pages if page)
    if not text:
        count = len(pages)
        raise DocumentError(
            Cause.NO_TEXT, f"The PDF has {count} page{'s' * (count != 1)} and no text: scanned, or drawings only."
        )
    return text, title


def _refusal(error: pypdfium2.PdfiumError) -> DocumentError:
    if error.err_code in {pdfium.FPDF_ERR_PASSWORD, pdfium.FPDF_ERR_SECURITY}:
        return DocumentError(Cause.ENCRYPTED, "The PDF is encrypted and does not open without its password.")
    return DocumentError(Cause.BROKEN, "The PDF is damaged and cannot be opened.")


def _pages(document: pypdfium2.PdfDocument, max_characters: int) -> list[str]:
    pages: list[str] = []
    until = time.monotonic() + PAGES_SECONDS
    room = max_characters
    for index in range(len(document)):
        if time.monotonic() > until:
            reason = f"The PDF's first {index} of {len(document)} pages took {PAGES_SECONDS:.0f} seconds."
            raise DocumentError(Cause.TIMEOUT, reason)
        pages.append(_page(document, index))
        room -= len(pages[-1])
        if room < 0:
            reason = f"The text of the PDF is longer than the {max_characters:,} characters that are read."
            raise DocumentError(Cause.TOO_LARGE, reason)
    return pages


def _page(document: pypdfium2.PdfDocument, index: int) -> str:
    page = document[index]
    try:
        text_page = page.get_textpage()
        try:
            # A hyphen at the end of a line comes as U+FFFE or U+0002; the word goes on in the next line.
            text: str = text_page.get_text_bounded()
        finally:
            text_page.close()
    finally:
        page.close()
    text = text.replace("\r\n", "\n").replace("\ufffe\n", "").replace("\x02\n", "")
    return clean(text).strip()


def _title(document: pypdfium2.PdfDocument) -> str | None:
    """Return the title in the document's own information, read as what it is: UTF-16."""
    size = pdfium.FPDF_GetMetaText(document, b"Title", None, 0)
    buffer = ctypes.create_string_buffer(size)
    pdfium.FPDF_GetMetaText(document, b"Title", buffer, size)
    title = clean(buffer.raw[: max(0, size - 2)].decode("utf-16-le", "replace"))
    return " ".join(title.split())[:500] or None
