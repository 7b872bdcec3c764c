"""The files of a folder or glob: one after the other, in a fixed order, whatever links to what."""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from outlive.documents.kinds import DOCUMENT_ENDINGS, ending

Wanted = Callable[[str], bool]
"""Says of a path relative to the walked folder, with ``/`` between its parts, whether it is a document."""

MAGIC: Final = re.compile(r"[*?\[]")


def is_readable_kind(relative: str) -> bool:
    """Return whether a file of a folder is taken: not hidden, and of a kind that is read."""
    return not _is_hidden(relative) and ending(relative) in DOCUMENT_ENDINGS


def walk(folder: Path, wanted: Wanted, *, hidden: bool = False, depth: int | None = None) -> Iterator[Path]:
    """Yield the wanted files below a folder, sorted by name within each folder.

    A link to something that the same walk meets under its own name is passed over, so that it is one document and a
    circle of links ends. Links that lead out of the folder are followed, each folder once.

    Args:
        hidden: Whether names that begin with a dot are looked at.
        depth: How many levels of names are looked at; None for all.
    """
    root = Path(os.path.realpath(folder))
    yield from _walk(folder, "", _Walk(root, wanted, hidden, depth))


class _Walk:
    def __init__(self, root: Path, wanted: Wanted, hidden: bool, depth: int | None) -> None:
        self.root, self.wanted, self.hidden, self.depth = root, wanted, hidden, depth
        self.seen = {_identity(root)}

    def meets_itself(self, entry: "os.DirEntry[str]", *, is_folder: bool) -> bool:
        """Return whether the target of a link lies in the folder and is met there by its own name."""
        target = os.path.realpath(entry.path)
        if not target.startswith(f"{self.root}{os.sep}"):
            return target == str(self.root)
        relative = os.path.relpath(target, self.root)
        if is_folder:
            return self.hidden or not _is_hidden(relative)
        return self.wanted(relative.replace(os.sep, "/"))

    def takes(self, entry: "os.DirEntry[str]", relative: str) -> bool:
        """Return whether an entry is a document that this walk does not meet under another name as well."""
        if not self.wanted(relative) or not entry.is_file():
            return False
        return not (entry.is_symlink() and self.meets_itself(entry, is_folder=False))

    def may_enter(self, entry: "os.DirEntry[str]", level: int) -> bool:
        """Return whether the walk goes into a folder; one that a link leads to is entered once."""
        if self.depth is not None and level >= self.depth:
            return False
        if not entry.is_symlink():
            return True
        identity = _identity(entry.path)
        if identity in self.seen or self.meets_itself(entry, is_folder=True):
            return False
        self.seen.add(identity)
        return True


def _walk(folder: Path, prefix: str, state: _Walk, level: int = 1) -> Iterator[Path]:
    with os.scandir(folder) as listing:
        entries = sorted(listing, key=lambda entry: entry.name)
    for entry in entries:
        if entry.name.startswith(".") and not state.hidden:
            continue
        relative = prefix + entry.name
        if entry.is_dir():
            if state.may_enter(entry, level):
                yield from _enter(folder / entry.name, relative, state, level)
        elif state.takes(entry, relative):
            yield folder / entry.name


def _enter(folder: Path, relative: str, state: _Walk, level: int) -> Iterator[Path]:
    try:
        yield from _walk(folder, f"{relative}/", state, level + 1)
    except PermissionError:
        return  # a folder that we may not look into holds nothing for us; its siblings do


def _identity(path: Path | str) -> tuple[int, int]:
    status = os.stat(path)  # noqa: PTH116 - called for each linked folder
    return status.st_dev, status.st_ino


def _is_hidden(relative: str) -> bool:
    return any(part.startswith(".") for part in relative.replace(os.sep, "/").split("/"))


class Glob:
    """A glob such as ``docs/**/*.md``: ``*`` and ``?`` within one name, ``**`` over any number of folders.

    Attributes:
        folder: The part before the first name with a wildcard.
        pattern: The rest.
    """

    def __init__(self, text: str) -> None:
        parts = Path(text).expanduser().parts
        magic = next(index for index, part in enumerate(parts) if MAGIC.search(part))
        self.folder = Path(*parts[:magic]).absolute() if magic else Path.cwd()
        self.pattern = "/".join(parts[magic:])
        self._regex = re.compile(_glob_regex(parts[magic:]))
        self._hidden = any(part.startswith(".") for part in parts[magic:])
        self._depth = None if "**" in parts else len(parts) - magic

    def files(self) -> Iterator[Path]:
        """Yield the files that match, sorted by name within each folder."""
        if self.folder.is_dir():
            yield from walk(self.folder, self._matches, hidden=self._hidden, depth=self._depth)

    def _matches(self, relative: str) -> bool:
        return self._regex.fullmatch(relative) is not None


def _glob_regex(parts: tuple[str, ...]) -> str:
    """Return a glob as a regular expression. ``fnmatch`` alone lets ``*`` run over ``/``."""
    pieces = []
    for index, part in enumerate(parts):
        last = index == len(parts) - 1
        if part == "**":
            pieces.append("[^.][^/]*(?:/[^.][^/]*)*" if last else "(?:[^./][^/]*/)*")
            continue
        guard = "" if part.startswith(".") else r"(?!\.)"
        pieces.append(guard + _part_regex(part) + ("" if last else "/"))
    return "".join(pieces)


def _part_regex(part: str) -> str:
    pieces, index = [], 0
    while index < len(part):
        end = part.find("]", index + 2) if part[index] == "[" else -1
        if end > 0:
            inside = part[index + 1 : end].replace("\\", r"\\")
            inside = f"^{inside[1:]}/" if inside.startswith("!") else inside
            pieces.append(f"[{inside}]")
            index = end + 1
            continue
        pieces.append({"*": "[^/]*", "?": "[^/]"}.get(part[index], re.escape(part[index])))
        index += 1
    return "".join(pieces)
