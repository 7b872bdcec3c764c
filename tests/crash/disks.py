"""A disk small enough to be filled in a test."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

SIZE = 32_000_000  # bytes; an empty engine takes 4 to 5 with its WAL


@contextlib.contextmanager
def small_disk_in(folder: Path) -> Iterator[Path]:
    """A folder with 32 MB of its own; the test is skipped where this user may not mount one."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("no `mount` on this system")
    if done.returncode:
        pytest.skip(f"a small tmpfs cannot be mounted without rights: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(path: Path) -> None:
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(b"\0" * 65536)
