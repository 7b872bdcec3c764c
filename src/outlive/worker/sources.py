"""The files of a user's app, watched for changes: its module and what that imports from the project folder."""

import ast
from collections.abc import Iterator
from pathlib import Path

Stamps = dict[Path, tuple[int, int]]


def find_module(module: str, folder: Path) -> Path | None:
    """Return the file of a module by its dotted name, looked for in a folder; None for one that lies elsewhere."""
    base = folder.joinpath(*module.split("."))
    for candidate in (base.with_suffix(".py"), base / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


def app_sources(app: str, folder: Path) -> set[Path]:
    """Return the files that ``MODULE:APP`` is made of, as far as they lie in the folder."""
    start = find_module(app.partition(":")[0].removesuffix(".py"), folder)
    found: set[Path] = set()
    waiting = [start] if start else []
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found.add(path)
        waiting += [file for name in _imports(path, folder) if (file := find_module(name, folder))]
    return found


def stamps_of(paths: set[Path]) -> Stamps:
    """Return each file's time of change and size; a file that is gone has none."""
    stamps: Stamps = {}
    for path in paths:
        try:
            status = path.stat()
        except OSError:
            continue
        stamps[path] = (status.st_mtime_ns, status.st_size)
    return stamps


def changed(before: Stamps, after: Stamps) -> tuple[Path, ...]:
    """Return the files that differ between two looks, sorted."""
    return tuple(sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path)))


def syntax_fault(paths: set[Path]) -> str | None:
    """Return where the first file that is no valid Python goes wrong; None where all are well."""
    for path in sorted(paths):
        try:
            ast.parse(path.read_bytes(), filename=str(path))
        except (SyntaxError, ValueError) as error:
            line = getattr(error, "lineno", None)
            return f"{path}{f':{line}' if line else ''}: {getattr(error, 'msg', error)}"
        except OSError:
            continue
    return None


def _imports(path: Path, folder: Path) -> Iterator[str]:
    try:
        tree = ast.parse(path.read_bytes())
        package = path.relative_to(folder).parent.parts
    except (SyntaxError, ValueError, OSError):
        return
    for found in ast.walk(tree):
        if isinstance(found, ast.Import):
            yield from (alias.name for alias in found.names)
        elif isinstance(found, ast.ImportFrom):
            parents = package[: len(package) - found.level + 1] if found.level else ()
            base = ".".join([*parents, *([found.module] if found.module else [])])
            if base:
                yield base
            yield from (".".join(part for part in (base, alias.name) if part) for alias in found.names)
