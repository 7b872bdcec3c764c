"""Reading a local file: only regular ones, only up to the size cap."""

import os
import re
import stat
from pathlib import Path
from typing import Final
from urllib.parse import unquote_to_bytes

from outlive.contracts.outcomes import Cause
from outlive.errors import DocumentError

_FILE_URL: Final = re.compile(r"file:(?://(?P<host>[^/]*))?(?P<path>/[^?#]*)", re.IGNORECASE)


def path_of_url(url: str) -> Path | None:
    """Return the path that a ``file:`` URL names, or None where it names none on this machine."""
    match = _FILE_URL.match(url)
    if match is None or (match["host"] or "").lower() not in {"", "localhost"}:
        return None
    return Path(os.fsdecode(unquote_to_bytes(match["path"])))


def read_file(path: str | Path, max_bytes: int) -> bytes:
    """Return the bytes of a regular file.

    Raises:
        DocumentError: It is missing, not readable, larger than ``max_bytes``, or no regular file (a device or pipe
            could block for ever, or never end).
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DocumentError(Cause.NOT_FOUND, f"There is no file {str(path)!r}.") from error
    except PermissionError as error:
        raise DocumentError(Cause.UNREADABLE, f"The file {str(path)!r} may not be read by this user.") from error
    except ValueError as error:
        raise DocumentError(Cause.BAD_ADDRESS, f"{str(path)!r} is not a path.") from error
    except OSError as error:
        raise DocumentError(Cause.UNREADABLE, f"The file {str(path)!r} cannot be read: {error.strerror}.") from error
    try:
        return _read(descriptor, path, max_bytes)
    except OSError as error:
        raise DocumentError(Cause.UNREADABLE, f"The file {str(path)!r} cannot be read: {error.strerror}.") from error
    finally:
        os.close(descriptor)


def _read(descriptor: int, path: str | Path, max_bytes: int) -> bytes:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise DocumentError(Cause.UNREADABLE, f"{str(path)!r} is not a regular file.")
    if status.st_size > max_bytes:
        raise too_large(str(path), max_bytes, status.st_size)
    pieces, room = [], max_bytes + 1
    while room > 0 and (piece := os.read(descriptor, min(room, max(status.st_size + 1, 65536)))):
        pieces.append(piece)
        room -= len(piece)
    if room <= 0:
        raise too_large(str(path), max_bytes)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def too_large(what: str, max_bytes: int, size: int | None = None) -> DocumentError:
    """Return the error for a document over the size cap."""
    has = f"has {size:,} bytes" if size is not None else "does not end"
    return DocumentError(Cause.TOO_LARGE, f"{what!r} {has} within the {max_bytes:,} bytes that are read of a document.")
