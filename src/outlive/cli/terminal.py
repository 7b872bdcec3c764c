"""Text of others as a terminal may have it.

What models, tools, documents and callers wrote may hold characters that command a terminal, or that reverse the
direction of a line: they are written as Python writes them. What programs read (``--json``, files of results) has them.
"""

import unicodedata

import click

TABS_AND_BREAKS = frozenset("\n\t")
JOINERS = frozenset("\u200c\u200d")  # which Persian and emoji are written with


def printable(text: str) -> str:
    """Return text as one line that no terminal obeys."""
    return text if text.isprintable() else "".join(one if _is_harmless(one) else _escaped(one) for one in text)


def shown(text: str) -> str:
    """Return text of any number of lines that no terminal obeys."""
    if text.isprintable():
        return text
    return "".join(one if one in TABS_AND_BREAKS or _is_harmless(one) else _escaped(one) for one in text)


def tell(text: str, *, err: bool = False) -> None:
    """Write lines for people, in which there is text of others."""
    click.echo(shown(text), err=err)


def _is_harmless(character: str) -> bool:
    return character.isprintable() or character in JOINERS or unicodedata.category(character) == "Zs"


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
