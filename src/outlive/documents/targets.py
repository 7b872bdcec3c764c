"""Where sinks write: a file or stream here, an object in `objects_written`, a table in `tables`."""

import contextlib
import os
import secrets
import stat
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from outlive.errors import SinkError


class Target(ABC):
    """Where a sink writes: all or nothing.

    Attributes:
        name: For people.
    """

    name: str

    @abstractmethod
    def commit(self) -> None:
        """Let what was written appear.

        Raises:
            SinkError: It cannot, and nothing of it is there.
        """

    @abstractmethod
    def abandon(self) -> None:
        """Leave what was there before as it was. Called after `commit` too, and then does nothing."""

    @abstractmethod
    def errors(self) -> contextlib.AbstractContextManager[None]:
        """Turn what the system says while the block runs into a `SinkError` that says what the user can do."""


class ByteTarget(Target):
    """One that takes bytes, through ``file``."""

    file: BinaryIO


class FileTarget(ByteTarget):
    """A file that appears whole or not at all, or a stream such as standard output."""

    def __init__(self, path: Path | None, stdout: BinaryIO | None) -> None:
        self.name = "standard output" if path is None else str(path)
        self._final = self._part = None
        self._ours = path is not None
        if path is None:
            self.file = stdout or sys.stdout.buffer
            return
        final = Path(os.path.realpath(path))  # a link stays one
        with self.errors():
            if final.is_dir():
                raise SinkError(f"{self.name!r} is a folder. Name a file in it.")
            if final.exists() and not stat.S_ISREG(final.stat().st_mode):
                self.file = final.open("wb")  # a pipe or device: nothing to rename onto
                return
            part = final.with_name(f".{final.name}.{secrets.token_hex(4)}.part")
            self.file = part.open("xb")
            self._final, self._part = final, part

    def commit(self) -> None:
        """Put the file in its place."""
        with self.errors():
            self.file.flush()
            if self._part is not None:
                os.fsync(self.file.fileno())
            if self._ours:
                self.file.close()
            if self._part is not None and self._final is not None:
                self._part.replace(self._final)

    def abandon(self) -> None:
        """Leave what was there before as it was."""
        if self._ours:
            with contextlib.suppress(OSError):
                self.file.close()
        if self._part is not None:
            self._part.unlink(missing_ok=True)

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """Turn what the system says into what the user can do."""
        try:
            yield
        except BrokenPipeError:
            raise  # the reader of our output has gone: the command ends, silently
        except FileNotFoundError as error:
            raise SinkError(f"The folder of {self.name!r} does not exist. Create it, or name another.") from error
        except OSError as error:
            raise SinkError(f"Results cannot be written to {self.name!r}: {error.strerror or error}.") from error
