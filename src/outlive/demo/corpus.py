"""Real documents that every machine with Python has: the modules of its standard library."""

import sysconfig
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

DOCUMENTS = 720
SMALLEST_BYTES = 1_000
LARGEST_BYTES = 400_000


def standard_library() -> Path:
    """Return the folder that holds the standard library's own modules."""
    return Path(sysconfig.get_path("stdlib"))


def corpus(count: int = DOCUMENTS) -> list[str]:
    """Return the paths of modules with enough text, relative to the standard library's folder.

    The library itself comes first; where a distribution has stripped it, its tests and then the installed packages
    below the same folder make up the number.
    """
    folder = standard_library()
    found = sorted(folder.rglob("*.py"), key=lambda path: (_rank(path.relative_to(folder)), path))
    names: list[str] = []
    for path in found:
        if len(names) == count:
            break
        if _is_readable(path):
            names.append(str(path.relative_to(folder)))
    return names


def urls(address: str, names: list[str]) -> Iterator[str]:
    """Yield where a document server for the folder has each of them."""
    return (f"{address}/files/{quote(name)}" for name in names)


def _rank(path: Path) -> int:
    if {"site-packages", "dist-packages"} & set(path.parts):
        return 2
    return 1 if {"test", "tests", "idle_test"} & set(path.parts) else 0


def _is_readable(path: Path) -> bool:
    if not path.is_file() or not SMALLEST_BYTES <= path.stat().st_size <= LARGEST_BYTES:
        return False
    try:
        path.read_text(encoding="utf-8")
    except (UnicodeDecodeError, OSError):
        return False
    return True
