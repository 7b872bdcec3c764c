"""Reading a document, wherever it is, whatever it is. See docs/decisions/documents-reading.md for the rules."""

import asyncio
import random
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import PurePath
from types import TracebackType
from typing import Final, Self

from aiohttp import ClientSession

from outlive.contracts.batches import ReadingOptions
from outlive.contracts.outcomes import Cause
from outlive.documents.entries import is_url
from outlive.documents.extracting import Reading, extract
from outlive.documents.fetching import Fetched, Fetcher, Transient, open_session, parse_url
from outlive.documents.files import path_of_url, read_file
from outlive.documents.hosts import Hosts
from outlive.errors import DocumentError, UsageError

EXTRACTS: Final = ("page", "article")


@dataclass(frozen=True, kw_only=True)
class Backoff:
    """Pauses between attempts, where the server names none: doubled each time, each drawn between half and whole.

    Attributes:
        first_seconds: The pause after the first attempt, at most.
        longest_seconds: No pause is longer.
    """

    first_seconds: float = 1.0
    longest_seconds: float = 30.0

    def seconds(self, attempt: int) -> float:
        """Return the pause after attempt N, counted from 1."""
        whole = min(self.longest_seconds, self.first_seconds * 2.0 ** min(attempt - 1, 30))
        return whole * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, hides nothing


def check_options(options: ReadingOptions) -> None:
    """Refuse options that no document can be read with.

    Raises:
        UsageError: An unknown way to extract, a package that it needs and that is missing, or a limit of nothing.
    """
    if options.extract not in EXTRACTS:
        raise UsageError(f"The extract option is {options.extract!r}. It takes 'page' or 'article'.")
    if options.extract == "article" and find_spec("trafilatura") is None:
        raise UsageError("Extracting articles needs a package: `pip install 'outlive[articles]'`.")
    positive = ("max_bytes", "timeout_seconds", "attempts", "connections_per_host")
    for name in positive:
        if getattr(options, name) <= 0:
            raise UsageError(f"The reading option {name} is {getattr(options, name)!r}. It takes a number above 0.")
    if options.delay_seconds < 0:
        raise UsageError(f"The reading option delay_seconds is {options.delay_seconds!r}. It takes 0 or more.")


class Reader:
    """Reads the documents of one process: one HTTP session, one set of limits per host.

    ::

        async with Reader(options) as reader:
            reading = await reader.read("https://example.org/a.html")
    """

    def __init__(self, options: ReadingOptions | None = None, *, backoff: Backoff | None = None) -> None:
        self._options = options or ReadingOptions()
        self._backoff = backoff or Backoff()
        self._session: ClientSession | None = None
        self._fetcher: Fetcher | None = None
        self._hosts = Hosts(connections=self._options.connections_per_host, delay=self._options.delay_seconds)

    async def __aenter__(self) -> Self:
        """Check the options and open the session."""
        check_options(self._options)
        self._session = open_session(self._options)
        self._fetcher = Fetcher(self._options, self._session, self._hosts)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the session and its connections."""
        if self._session is not None:
            await self._session.close()
        self._session = self._fetcher = None

    async def read(self, uri: str) -> Reading:
        """Return the text of a document.

        Args:
            uri: An ``http``, ``https`` or ``file`` URL, or a path; a relative one is relative to the process's folder.

        Raises:
            DocumentError: It cannot be read: its cause and reason are the document's outcome.
        """
        if not is_url(uri):
            return await self._read_local(uri)
        if uri[:5].lower() == "file:":
            path = path_of_url(uri)
            if path is None:
                raise DocumentError(Cause.BAD_ADDRESS, f"{uri!r} is not a file on this machine.")
            return await self._read_local(str(path))
        fetched = await self._fetch(uri)
        return await extract(
            fetched.body,
            declared=fetched.media_type,
            charset=fetched.charset,
            name=fetched.name,
            article=self._options.extract == "article",
        )

    async def _read_local(self, path: str) -> Reading:
        # On the event loop: a read from the page cache takes 15 µs, a hop to a thread 60 to 100 µs of CPU.
        data = read_file(path, self._options.max_bytes)
        return await extract(data, name=PurePath(path).name, article=self._options.extract == "article")

    async def _fetch(self, uri: str) -> Fetched:
        if self._fetcher is None:
            raise UsageError("The reader is not open. Use it as `async with Reader(...) as reader:`.")
        url = parse_url(uri)
        attempt = 1
        while True:
            try:
                return await self._fetcher.attempt(url)
            except Transient as error:
                if attempt >= self._options.attempts:
                    raise _final(error, attempt) from error
                await self._pause(error, attempt)
                attempt += 1

    async def _pause(self, error: Transient, attempt: int) -> None:
        """Wait before the next attempt; where the server named a time, everyone who wants that host waits."""
        if error.retry_after is None:
            await asyncio.sleep(self._backoff.seconds(attempt))
            return
        self._hosts.pause(error.host, error.retry_after)
        await asyncio.sleep(error.retry_after)


def _final(error: Transient, attempts: int) -> DocumentError:
    times = f" So it was in each of {attempts} attempts." if attempts > 1 else ""
    return DocumentError(error.cause, f"{error.reason}{times}")
