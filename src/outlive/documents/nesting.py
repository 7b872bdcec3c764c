"""Pages that nest too deep for a parser: the HTML standard's own algorithm takes time with the square of the depth."""

import html
import re
from collections import Counter
from typing import Final

_LOOK_FROM: Final = 1000
"""Tags of a page that is looked at; the worst with fewer takes 70 ms and 100 MB."""

_WALK_FROM: Final = 5000
MAX_DEPTH: Final = 512
"""Elements within each other, as many as browsers allow."""

MAX_REOPENED: Final = 500_000
"""Elements that a parser may add: each ``<b>`` that is open is opened again in each paragraph that follows."""

_TAG: Final = re.compile(r"<(/?[a-zA-Z][a-zA-Z0-9]*)")
_FORMATTING_TAGS: Final = "b i u s em tt big code font small strike strong"
_ANY_CASE: Final = "|".join(
    "".join(f"[{letter}{letter.upper()}]" for letter in tag) for tag in _FORMATTING_TAGS.split()
)  # four times as fast as IGNORECASE, with the look at the first letter
_FORMATTING: Final = re.compile(rf"<(?=/?[biusetcfBIUSETCF])(/?(?:{_ANY_CASE}))[\s>/]")
_ANY_TAG: Final = re.compile(r"<[^<>]*>")
_CODE: Final = re.compile(r"<(/?)(?:script|style|template)(?:\s[^<>]*)?>", re.IGNORECASE)
_UNNESTED: Final = (
    "area base body br caption col colgroup dd dt embed head hr html img input li link meta optgroup option p param rp "
    "rt source tbody td tfoot th thead tr track wbr"
)
_CLOSE_THEMSELVES: Final = frozenset(_UNNESTED.split())


def nests_too_deep(page: str) -> bool:
    """Return whether a page would hold a parser for too long. Pages with few tags are not looked at."""
    count = page.count("<")
    if count < _LOOK_FROM:
        return False
    if _depth(_FORMATTING.findall(page)) * count > MAX_REOPENED:
        return True
    return count >= _WALK_FROM and _depth(_TAG.findall(page)) > MAX_DEPTH


def _depth(tags: list[str]) -> int:
    """Return how deep elements lie within each other; an end without its beginning ends nothing."""
    open_now: Counter[str] = Counter()
    depth = deepest = 0
    for tag in tags:
        name = tag.lower()
        if name[0] != "/":
            if name not in _CLOSE_THEMSELVES:
                open_now[name] += 1
                depth += 1
                deepest = max(deepest, depth)
        elif open_now[name[1:]]:
            open_now[name[1:]] -= 1
            depth -= 1
    return deepest


def flat_text(page: str) -> str:
    """Return a page without its tags, scripts and styles, in one pass and with no parser."""
    pieces = _CODE.split(page)  # text, "" or "/", text, …: what follows an opening one is code
    shown = [pieces[0]] + [text for slash, text in zip(pieces[1::2], pieces[2::2], strict=True) if slash]
    return html.unescape(_ANY_TAG.sub("", " ".join(shown)))
