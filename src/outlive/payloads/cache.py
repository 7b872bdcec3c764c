"""Bounded memories of a process: contents by digest, and which digests are known to be stored."""

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

KNOWN_SECONDS = 3_600.0
"""How long a process relies on a chunk being stored without telling the store that it is used."""
MOST_KNOWN = 200_000  # digests; some 30 MB


class BoundedCache(Generic[K, V]):
    """The values used last, up to a size in all. May be used from any thread."""

    def __init__(self, limit: int) -> None:
        """``limit`` is in the unit of the sizes given to `put`, most often bytes."""
        self._limit = limit
        self._size = 0
        self._values: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: K) -> V | None:
        """Return a value, or None where it is not kept."""
        with self._lock:
            if (found := self._values.get(key)) is None:
                return None
            self._values.move_to_end(key)
            return found[0]

    def get_all(self, keys: Iterable[K]) -> dict[K, V]:
        """Return those of the values that are kept."""
        found: dict[K, V] = {}
        with self._lock:
            values, move_to_end = self._values, self._values.move_to_end
            for key in keys:
                if (entry := values.get(key)) is not None:
                    move_to_end(key)
                    found[key] = entry[0]
        return found

    def put(self, key: K, value: V, size: int) -> None:
        """Keep a value; those used longest ago go. One above an eighth of the limit is not kept at all."""
        if size > self._limit // 8:
            return
        with self._lock:
            if (before := self._values.pop(key, None)) is not None:
                self._size -= before[1]
            self._values[key] = (value, size)
            self._size += size
            while self._size > self._limit:
                _, (_, gone) = self._values.popitem(last=False)
                self._size -= gone

    def pop(self, key: K) -> V | None:
        """Return a value and keep it no longer; None where it is not kept."""
        with self._lock:
            if (found := self._values.pop(key, None)) is None:
                return None
            self._size -= found[1]
            return found[0]


class KnownDigests:
    """Digests of chunks that were seen to be stored within the last hour."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """The clock is the wall's: the time that a machine sleeps counts."""
        self._clock = clock
        self._since: dict[bytes, float] = {}

    def __contains__(self, digest: bytes) -> bool:
        return not self.unknown((digest,))

    def unknown(self, digests: Iterable[bytes]) -> list[bytes]:
        """Return those of the digests that are not known."""
        now, since, never = self._clock(), self._since, -math.inf
        return [digest for digest in digests if not 0 <= now - since.get(digest, never) < KNOWN_SECONDS]

    def add(self, digest: bytes) -> None:
        """Remember a digest whose chunk the store has accepted just now."""
        if len(self._since) >= MOST_KNOWN:
            self._since = {}  # forgetting costs one look-up each, and this happens once in a long while
        self._since[digest] = self._clock()
