"""The text of an HTML page: paragraphs, without what surrounds the page's own words."""

import re
from typing import Final

from selectolax.lexbor import LexborHTMLParser, LexborNode

from outlive.documents.encodings import clean
from outlive.documents.nesting import flat_text, nests_too_deep

ARTICLE_SHARE: Final = 0.6
"""Smallest share of the page's text that an extracted article may have; else the whole page is taken."""

MAX_TITLE: Final = 500

_NEVER_TEXT: Final = (
    "script,style,template,noscript,iframe,object,svg,canvas,audio,video,select,button,textarea,datalist"
)
_AROUND: Final = "nav,footer,aside,[hidden],[aria-hidden=true],[role=navigation],[role=search],form"
_CONTENT_OF_FORM: Final = "p,article,main,h1,h2,pre,table"

# Marks show where blocks begin, since text nodes alone do not. The break is white space, which a parser leaves alone
# anywhere, between table rows too; the others stand within elements. Cleaned text holds none of them.
_BREAK, _CELL, _CELL_END, _PRE, _PRE_END = "\x0c", "\x1f", "\x1e", "\x1d", "\x1c"
_BLOCKS: Final = (
    "p|div|br|li|ul|ol|dl|dt|dd|h[1-6]|tr|table|caption|thead|tbody|section|article|main|header|blockquote|figure|"
    "figcaption|hr|address|details|summary|fieldset|legend|form|option|pre"
)
_EITHER_CASE: Final = f"{_BLOCKS}|{_BLOCKS.upper()}"  # three times as fast as IGNORECASE
_BLOCK: Final = re.compile(f"<(?=/?(?:{_EITHER_CASE})[\\s/>])")
_CELLS: Final = re.compile(r"<(/?)t[dh](?:\s[^<>]*)?>", re.IGNORECASE)  # never over a "<": hostile pages make that slow
_NEXT_CELL: Final = re.compile(f"{_CELL_END}[ \t\n]*{_CELL}[ \t\n\f]*")
"""From the end of a cell's text to the text of the next cell in its row."""

_PRES: Final = re.compile(r"<(/?)pre(?:\s[^<>]*)?>", re.IGNORECASE)
_STARTS_LIKE_HTML: Final = re.compile(
    rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--(?:(?!-->).){0,2000}-->\s*)*<(?:!doctype\s+html|html|head|body|title)[\s>]",
    re.IGNORECASE | re.DOTALL,
)


def starts_like_html(data: bytes) -> bool:
    """Return whether bytes begin as an HTML page does."""
    return _STARTS_LIKE_HTML.match(data[:4096].removeprefix(b"\xef\xbb\xbf")) is not None


def page_text(html: str) -> tuple[str, str | None]:
    """Return the visible text of a page, one paragraph a line, and its title.

    Menus, side columns, footers and controls are left out, unless nothing else is there. The text of ``pre`` elements
    keeps its lines.
    """
    if nests_too_deep(html):
        return clean(_paragraphs(flat_text(_marked(html)))), None
    parser = LexborHTMLParser(_marked(html))
    title = _title(parser)
    body = parser.body
    if body is None:
        return "", title
    for node in reversed(body.css(_NEVER_TEXT)):
        node.decompose()
    text = _without_surroundings(body)
    return (clean(text) if "&#" in html else text), title


def _without_surroundings(body: LexborNode) -> str:
    """Return the text without menus and the like, or with them where nothing else is there.

    Nodes go in reverse order, what lies within before what it lies in: the memory of a node goes with its parent's.
    """
    around = body.css(_AROUND)
    if not around:
        return _paragraphs(body.text())
    whole = body.text()
    for node in reversed(around):
        if node.tag != "form" or node.css_first(_CONTENT_OF_FORM) is None:
            node.decompose()
    return _paragraphs(body.text()) or _paragraphs(whole)


def article_text(html: str) -> tuple[str, str | None]:
    """Return the main text of a page and its title; the whole page where too little was found.

    The extractor guesses, and may drop nearly all of a page that is not a news article (98.7 % of RFC 9110).
    """
    import trafilatura

    whole, title = page_text(html)
    if nests_too_deep(html):
        return whole, title
    try:
        article = clean(trafilatura.extract(html, include_comments=False) or "")
    except (AttributeError, LookupError, RecursionError, TypeError, ValueError):  # it is no parser of hostile pages
        article = ""
    return (article if len(article) >= ARTICLE_SHARE * len(whole) else whole), title


def _title(parser: LexborHTMLParser) -> str | None:
    node = parser.css_first("head > title") or parser.css_first("h1")
    if node is None:
        return None
    return " ".join(clean(node.text()).split())[:MAX_TITLE] or None


def _marked(html: str) -> str:
    """Return the page with its marks."""
    marked = _BLOCK.sub(f"{_BREAK}<", html)
    if "<t" in marked or "<T" in marked:
        marked = _CELLS.sub(lambda match: f"{_CELL_END}{match[0]}" if match[1] else f"{match[0]}{_CELL}", marked)
    if "<pre" in marked or "<PRE" in marked:
        marked = _PRES.sub(lambda match: f"{_PRE_END}{match[0]}" if match[1] else f"{match[0]}{_PRE}", marked)
    return marked


def _paragraphs(text: str) -> str:
    lines: list[str] = []
    first, *rest = text.split(_PRE)
    _flow(first, lines)
    for piece in rest:
        fixed, _, flowing = piece.partition(_PRE_END)
        fixed = fixed.replace(_BREAK, "").replace(_CELL_END, "").replace(_CELL, "\t").strip("\n")
        lines += [line.rstrip() for line in fixed.split("\n")]
        _flow(flowing, lines)
    return "\n".join(lines).strip("\n")


def _flow(text: str, lines: list[str]) -> None:
    """Add one line for each paragraph of running text, whose own line ends mean nothing, and for each table row."""
    if _CELL in text:
        text = _CELL_END.join(cell.rstrip(" \t\n\f") for cell in text.split(_CELL_END))
        text = _NEXT_CELL.sub(_CELL, text).replace(_CELL_END, "")
        found = [_row(piece) if _CELL in piece else " ".join(piece.split()) for piece in text.split(_BREAK)]
    else:
        found = [" ".join(piece.split()) for piece in text.split(_BREAK)]
    lines += filter(None, found)


def _row(piece: str) -> str:
    cells = [" ".join(cell.split()) for cell in piece.split(_CELL)]
    return "\t".join(cell for cell in cells if cell)
