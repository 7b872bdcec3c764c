"""Objects in S3, Google Cloud Storage and Azure: addresses, listing, reading. See docs/stores.md."""

import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import obstore
from obstore.exceptions import BaseError, InvalidPathError, PermissionDeniedError, UnauthenticatedError
from obstore.store import ObjectStore, from_url

from outlive.contracts.outcomes import Cause
from outlive.documents.entries import MAX_FIELD, Entry
from outlive.documents.files import too_large
from outlive.documents.folders import MAGIC, glob_regex, is_readable_kind
from outlive.documents.kinds import ending
from outlive.documents.places import OBJECT_URL
from outlive.errors import DocumentError, SourceError

PATIENCE: Final = timedelta(minutes=3)
"""How long a worker waits for a store that does not answer: one that restarts is back by then, and a document that was
recorded as failed would have to be done again by hand."""
SHORT_PATIENCE: Final = timedelta(seconds=10)
"""… and whoever starts a batch or writes its results, at a terminal."""
FIRST_PAUSE: Final = timedelta(milliseconds=200)
LONGEST_PAUSE: Final = timedelta(seconds=5)
KEYS_PER_PAGE: Final = 1000  # what S3 returns at most; no more is held in memory

PIECE_BYTES: Final = 1_000_000  # of a list that lies in a bucket

_STATUS: Final = re.compile(r"status code: (\d{3}[ \w-]*)")
_CODE: Final = re.compile(r"<Code>(\w+)</Code>")


@dataclass(frozen=True, kw_only=True)
class ObjectPlace:
    """What ``s3://BUCKET/KEY`` names. A key is taken as it is written: nothing in it is percent-decoded.

    Attributes:
        bucket: With its scheme: ``s3://reports``.
        key: Everything after the slash; empty for the bucket itself.
    """

    bucket: str
    key: str

    @classmethod
    def parse(cls, url: str) -> "ObjectPlace":
        """Return what a URL names; `places.is_object_url` has said that it is one."""
        match = OBJECT_URL.fullmatch(url)
        if match is None:
            raise ValueError(url)
        return cls(bucket=f"{match['scheme'].lower()}://{match['bucket']}", key=match["key"] or "")

    def url_of(self, key: str) -> str:
        """Return the URL of another key of the same bucket."""
        return f"{self.bucket}/{key}"


def open_bucket(bucket: str, *, patience: timedelta) -> ObjectStore:
    """Return a bucket's store; nothing is asked of it yet.

    Credentials, region and endpoint come from the environment: ``AWS_…``, ``GOOGLE_…``, ``AZURE_…``. So would the
    client's options, which are therefore left alone: given here, they would replace those of the environment.

    Args:
        patience: How long a request is tried again while the store does not answer, or answers 5xx.

    Raises:
        BaseError, ValueError: The environment does not say enough to reach it.
    """
    pauses: Any = {"init_backoff": FIRST_PAUSE, "max_backoff": LONGEST_PAUSE, "base": 2}
    return from_url(bucket, retry_config={"max_retries": 1000, "retry_timeout": patience, "backoff": pauses})


def why(error: Exception) -> str:
    """Return what a store said, in a few words and without its listing of internals."""
    text = str(error)
    status, code = _STATUS.search(text), _CODE.search(text)
    if status:
        return f"{status[1].strip()} ({code[1]})" if code else status[1].strip()
    return text.partition("\n")[0].strip().rstrip(".")


class ObjectReader:
    """Reads the objects of one process; a bucket is opened once."""

    def __init__(self, *, max_bytes: int, patience: timedelta = PATIENCE) -> None:
        self._max_bytes = max_bytes
        self._patience = patience
        self._buckets: dict[str, ObjectStore] = {}

    async def read(self, url: str) -> bytes:
        """Return the bytes of an object.

        Raises:
            DocumentError: It is missing, refused, larger than the cap, or the store did not answer for so long.
        """
        place = ObjectPlace.parse(url)
        if not place.key or place.key.endswith("/"):
            raise DocumentError(Cause.BAD_ADDRESS, f"{url!r} names no object. Name one, or start from the prefix.")
        try:
            answer = await obstore.get_async(self._bucket(place.bucket), place.key)
            if answer.meta["size"] > self._max_bytes:
                raise too_large(url, self._max_bytes, answer.meta["size"])
            return bytes(await answer.bytes_async())
        except FileNotFoundError as error:
            raise DocumentError(Cause.NOT_FOUND, f"There is no object {url!r}.") from error
        except (PermissionDeniedError, UnauthenticatedError) as error:
            reason = f"The object {url!r} may not be read with this worker's credentials: {why(error)}."
            raise DocumentError(Cause.UNREADABLE, reason) from error
        except (InvalidPathError, ValueError) as error:
            raise DocumentError(Cause.BAD_ADDRESS, f"{url!r} is not the address of an object.") from error
        except BaseError as error:
            reason = f"The object {url!r} could not be read: {why(error)}."
            raise DocumentError(Cause.CONNECTION, reason) from error

    def _bucket(self, bucket: str) -> ObjectStore:
        store = self._buckets.get(bucket)
        if store is None:
            store = open_bucket(bucket, patience=self._patience)
            self._buckets[bucket] = store
        return store


class _Pieces(io.RawIOBase):
    """What comes piece by piece, as a file."""

    def __init__(self, next_piece: Callable[[], Any]) -> None:
        self._next_piece = next_piece
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest:
            self._rest = memoryview(bytes(self._next_piece() or b""))
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size


class ObjectListing:
    """The objects of a bucket that a source names: a prefix, a glob, or one key."""

    def __init__(self, url: str) -> None:
        """Look whether the URL names one object; else it is a prefix, or a glob.

        Raises:
            SourceError: The bucket cannot be reached or read.
        """
        self.url = url
        self.place = ObjectPlace.parse(url)
        self._store = self._asked(lambda: open_bucket(self.place.bucket, patience=SHORT_PATIENCE))
        self.is_one_object = self._asked(self._is_one_object)
        self.is_glob = not self.is_one_object and MAGIC.search(self.place.key) is not None

    def entries(self) -> Iterator[Entry]:
        """Yield the objects in the order in which the store lists them, a page of keys at a time.

        Below a prefix those of a kind that is read, hidden names passed over, as in a folder; with a glob, whatever
        matches.

        Raises:
            SourceError: The store does not list them.
        """
        if self.is_one_object:
            yield Entry(uri=self.url)
            return
        folder, matches = self._matcher()
        pages = obstore.list(self._store, folder or None, chunk_size=KEYS_PER_PAGE)
        while (page := self._asked(lambda: next(pages, None))) is not None:
            for found in page:
                key = found["path"]
                relative = key[len(folder) + 1 :] if folder else key
                if matches(relative) and not (found["size"] == 0 and not ending(key)):  # some tools mark folders so
                    yield Entry(uri=self.place.url_of(key))

    def lines(self) -> Iterator[str]:
        """Yield the lines of the one object, read as a stream; a byte that is no UTF-8 survives as a lone surrogate.

        Raises:
            SourceError: The store does not give them.
        """
        pieces = iter(self._asked(lambda: obstore.get(self._store, self.place.key)).stream(min_chunk_size=PIECE_BYTES))
        raw = _Pieces(lambda: self._asked(lambda: next(pieces, None)))
        with io.TextIOWrapper(io.BufferedReader(raw), encoding="utf-8-sig", errors="surrogateescape") as text:
            yield from iter(lambda: text.readline(MAX_FIELD), "")

    def _matcher(self) -> tuple[str, Any]:
        """Return the prefix to list, without a slash at its end, and what says whether a key below it is taken."""
        parts = [part for part in self.place.key.split("/") if part]
        if not self.is_glob:
            return "/".join(parts), is_readable_kind
        magic = next(index for index, part in enumerate(parts) if MAGIC.search(part))
        return "/".join(parts[:magic]), re.compile(glob_regex(tuple(parts[magic:]))).fullmatch

    def _is_one_object(self) -> bool:
        if not self.place.key or self.place.key.endswith("/"):
            return False
        try:
            obstore.head(self._store, self.place.key)
        except FileNotFoundError:
            return False
        return True

    def _asked(self, request: Any) -> Any:
        try:
            return request()
        except (PermissionDeniedError, UnauthenticatedError) as error:
            raise SourceError(
                f"{self.url!r} may not be read with these credentials: {why(error)}. They come from the environment: "
                "AWS_ACCESS_KEY_ID and its like, GOOGLE_APPLICATION_CREDENTIALS, AZURE_STORAGE_…."
            ) from error
        except (BaseError, OSError, ValueError) as error:
            raise SourceError(f"{self.url!r} cannot be listed: {why(error)}.") from error
