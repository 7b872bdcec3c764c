"""Who makes an effect: a name for this worker process, and whether the process behind another name is gone.

Each worker holds a lock on a file of its own, which the kernel lets go with it. So the death of a worker of the same
machine and project is known at once; of any other, only its lease tells.
"""

import fcntl
import hashlib
import os
import socket
import uuid
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from outlive.engine.home import Home

_SUFFIX = ".owner"


class Ownership:
    """The name of this worker process, for as long as the block runs, or the process lives."""

    def __init__(self, home: Home) -> None:
        self._folder = home.path / "workers"
        place = f"{socket.gethostname()}\0{uuid.getnode()}\0{self._folder.resolve()}"
        self._place = hashlib.sha256(place.encode()).hexdigest()[:12]
        self.owner = f"{self._place}.{os.getpid()}.{uuid.uuid4().hex[:8]}"
        self._descriptor = -1

    def __enter__(self) -> Self:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in self._folder.glob(f"*{_SUFFIX}"):
            self.is_gone(path.stem)
        path = self._path(self.owner)
        partial = path.with_suffix(".partial")
        self._descriptor = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        partial.replace(path)  # only now: who sees it unlocked takes it for a dead one's
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._path(self.owner).unlink(missing_ok=True)
        os.close(self._descriptor)

    def is_gone(self, owner: str) -> bool:
        """Whether a worker certainly cannot go on; False where that cannot be told from here."""
        if not owner.startswith(f"{self._place}."):
            return False
        path = self._path(owner)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        else:
            with suppress(OSError):
                path.unlink(missing_ok=True)
            return True
        finally:
            os.close(descriptor)

    def _path(self, owner: str) -> Path:
        return self._folder / f"{owner}{_SUFFIX}"
