"""Which kinds of files hold documents, by the ends of their names."""

from pathlib import PurePath
from typing import Final

MEDIA_TYPES: Final = {
    ".pdf": "application/pdf",
    ".html": "text/html",
    ".htm": "text/html",
    ".xhtml": "text/html",
    ".md": "text/markdown",
    ".markdown": "text/markdown",
    ".mdown": "text/markdown",
    ".txt": "text/plain",
    ".text": "text/plain",
    ".log": "text/plain",
    ".rst": "text/x-rst",
    ".adoc": "text/asciidoc",
    ".asciidoc": "text/asciidoc",
    ".org": "text/org",
    ".tex": "text/x-tex",
    ".csv": "text/csv",
    ".tsv": "text/tab-separated-values",
    ".json": "application/json",
    ".jsonl": "application/jsonl",
    ".ndjson": "application/jsonl",
    ".xml": "text/xml",
    ".yaml": "text/yaml",
    ".yml": "text/yaml",
    ".toml": "text/plain",
    ".ini": "text/plain",
    ".cfg": "text/plain",
    ".eml": "message/rfc822",
    ".srt": "text/plain",
    ".vtt": "text/vtt",
    ".py": "text/x-python",
    ".pyi": "text/x-python",
}
"""What a file is taken for by its ending, where its content does not say more."""

_SOURCE_CODE: Final = (
    ".bash .c .cc .clj .cmake .cpp .cs .css .el .erl .ex .exs .go .gradle .graphql .h .hpp .hs .java .jl .js .jsx .kt "
    ".lisp .lua .mjs .ml .php .pl .proto .r .rb .rs .scala .scss .sh .sql .swift .tf .ts .tsx .vue .zsh"
)

DOCUMENT_ENDINGS: Final = frozenset(MEDIA_TYPES) | frozenset(_SOURCE_CODE.split())
"""The files of a folder that are taken as documents; a glob takes whatever it matches."""


def ending(name: str) -> str:
    """Return the lower-case ending of a file name or of a URL's path, with its dot, or an empty string."""
    return PurePath(name).suffix.lower()


def media_type_by_name(name: str) -> str:
    """Return what a file is taken for by its name alone: ``text/plain`` where the name says nothing."""
    return MEDIA_TYPES.get(ending(name), "text/plain")
