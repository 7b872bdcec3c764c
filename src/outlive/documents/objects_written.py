"""An object as the target of a sink: uploaded in parts as it is written, and there once it is whole."""

import contextlib
import io
from collections.abc import Iterator
from typing import Any, BinaryIO, Final, cast

import obstore
from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError

from outlive.documents.objects import SHORT_PATIENCE, ObjectPlace, open_bucket, why
from outlive.documents.targets import ByteTarget
from outlive.errors import SinkError

PART_BYTES: Final = 8 * 1024 * 1024  # S3 takes 10,000 parts: 80 GB
PARTS_AT_ONCE: Final = 4


class ObjectTarget(ByteTarget):
    """An object that appears whole or not at all; what was at its key before stays until then.

    A process that is killed leaves parts at the store that no listing shows and that are paid for: let the bucket
    remove unfinished uploads after a day or so.
    """

    def __init__(self, url: str) -> None:
        """Make sure that the object may be written: an upload is begun and given up.

        Raises:
            SinkError: It may not.
        """
        self.name = url
        self._place = ObjectPlace.parse(url)
        if not self._place.key or self._place.key.endswith("/"):
            raise SinkError(f"{url!r} names no object. Name one, such as {url.rstrip('/') + '/results.jsonl'!r}.")
        self._upload: Any = None
        with self.errors():
            self._store = open_bucket(self._place.bucket, patience=SHORT_PATIENCE)
            self._try()
            self._upload = self._opened(PART_BYTES)
        self.file = cast("BinaryIO", _UploadedFile(self._upload))

    def commit(self) -> None:
        """Let the object appear."""
        upload, self._upload = self._upload, None
        with self.errors():
            upload.close()

    def abandon(self) -> None:
        """Give the upload up, with the parts that the store has."""
        if self._upload is not None:
            upload, self._upload = self._upload, None
            with contextlib.suppress(BaseError, OSError):
                upload.__exit__(_GivenUp, _GivenUp(), None)

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """Turn what the store says into what the user can do."""
        try:
            yield
        except (PermissionDeniedError, UnauthenticatedError) as error:
            raise SinkError(f"{self.name!r} may not be written with these credentials: {why(error)}.") from error
        except (BaseError, OSError, ValueError) as error:
            raise SinkError(f"Results cannot be written to {self.name!r}: {why(error)}.") from error

    def _opened(self, part_bytes: int) -> Any:
        return obstore.open_writer(
            self._store, self._place.key, buffer_size=part_bytes, max_concurrency=PARTS_AT_ONCE
        ).__enter__()

    def _try(self) -> None:
        tried = self._opened(1)
        try:
            tried.write(b"two")  # more than the buffer: a part is uploaded, and given up with its upload
            tried.flush()
        finally:
            tried.__exit__(_GivenUp, _GivenUp(), None)


class _GivenUp(Exception):
    """Tells an upload that it is not to be completed."""


class _UploadedFile(io.RawIOBase):
    """The upload as pyarrow and others expect a file to be."""

    def __init__(self, upload: Any) -> None:
        self._upload = upload
        self._written = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._upload.write(bytes(data))
        self._written += len(data)
        return len(data)

    def tell(self) -> int:
        return self._written
