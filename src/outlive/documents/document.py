"""One document as the batch function sees it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Document:
    """A document that was read.

    Attributes:
        uri: Where it comes from: a URL, an absolute path, or ``FILE#N`` for the text of row N of a file.
        text: The whole text, without control characters.
        position: Place in the source, from 0.
        title: Title of an HTML page, PDF or Markdown text, where it has one.
        media_type: What the document was read as, such as ``text/html``.
        fields: The other columns of its CSV row, or fields of its JSON line; JSON values.
    """

    uri: str
    text: str
    position: int = 0
    title: str | None = None
    media_type: str = "text/plain"
    fields: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the text, in hexadecimal: equal texts are one document, wherever they come from."""
        return hashlib.sha256(self.text.encode("utf-8", "surrogatepass")).hexdigest()
