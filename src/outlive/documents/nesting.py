"""Pages that nest too deep for a parser: the HTML standard's own algorithm takes time with the square of the depth."""

import html
import re
from collections import Counter
from typing import Final

_LOOK_FROM: Final = 1000  # tags; with fewer, the worst page takes some ten milliseconds
_WALK_FROM: Final = 20_000
MAX_UNCLOSED: Final = 500
"""Elements that are never closed. Each unclosed ``<b>`` is opened again in each paragraph that follows."""

MAX_DEPTH: Final = 2000

_TAG: Final = re.compile(r"<(/?[a-zA-Z][a-zA-Z0-9]*)")
_ANY_TAG: Final = re.compile(r"<[^<>]*>")
_CODE: Final = re.compile(r"<(/?)(?:script|style|template)(?:\s[^<>]*)?>", re.IGNORECASE)
_CLOSE_THEMSELVES: Final = frozenset(
    (
        "area base br col embed hr img input link meta param source track wbr p li dt dd td th tr thead tbody tfoot option "
        "optgroup colgroup caption html head body rp rt"
    ).split()
)


def nests_too_deep(page: str) -> bool:
    """Return whether a page would hold a parser for too long. Pages with few tags are not looked at."""
    if page.count("<") < _LOOK_FROM:
        return False
    tags = _TAG.findall(page)
    counts: Counter[str] = Counter()
    for tag, count in Counter(tags).items():
        counts[tag.lower()] += count
    opened = [name for name in counts if name[0] != "/" and name not in _CLOSE_THEMSELVES]
    if sum(max(0, counts[name] - counts[f"/{name}"]) for name in opened) > MAX_UNCLOSED:
        return True
    return len(tags) >= _WALK_FROM and _depth(tags) > MAX_DEPTH


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
