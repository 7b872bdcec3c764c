"""One reader for each topic that anybody looks at, however many look.

What is sent are states, never changes of counters. A page that is slow, or was away, gets the newest state and not
those between; nothing is kept for it but the mark of what it has.
"""

import asyncio
import base64
import binascii
import json
import logging
import time
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from pydantic_core import to_json
from temporalio.service import RPCError

from outlive.api.problems import Problem, status_of
from outlive.api.pulse import ANSWER_SECONDS, LOOK_SECONDS, Watch, within
from outlive.api.topic import Argument, Topic
from outlive.client import Client
from outlive.errors import OutliveError, UsageError

logger = logging.getLogger(__name__)

SHORTEST_PAUSE = 1.0  # seconds between two reads of a topic
PAUSE_FACTOR = 5  # times as long as a read took: at most a sixth of the time is spent on reading
LONGEST_READ = 30.0  # seconds; an engine that is away answers nothing for long
LONGEST_PAUSE = 30.0  # seconds: who looks is not left with the past for longer, whatever a read takes
PULSE_SECONDS = 5.0
MOST_TOPICS = 16  # of one page
PROBLEM_EVENT, PULSE_EVENT = "problem", "pulse"


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One event of a page's stream.

    Attributes:
        id: Lets a new connection go on with what has changed since; None leaves the last one.
        data: JSON.
    """

    event: str
    data: bytes
    id: str | None = None


class Hub:
    """Reads what is looked at, and hands it to all who look."""

    def __init__(self, client: Client, topics: Sequence[Topic], *, pause: float = SHORTEST_PAUSE) -> None:
        """Take the topics that there are.

        Args:
            pause: Least seconds between two reads of a topic.
        """
        self._client = client
        self._topics = {topic.name: topic for topic in topics}
        self._pause = pause
        self._watch = Watch(client)
        self._sources: dict[str, _Source] = {}
        self._has_stopped = False

    def check(self, names: Iterable[str]) -> list[str]:
        """Return the names of topics, each once.

        Raises:
            UsageError: If one is not known, or too many are given.
        """
        wanted = list(dict.fromkeys(filter(None, (name.strip() for name in names))))
        if len(wanted) > MOST_TOPICS:
            raise UsageError(f"{len(wanted)} topics are asked for. One stream has at most {MOST_TOPICS}.")
        for name in wanted:
            self._topic(name)
        return wanted

    async def follow(self, names: Sequence[str], last_id: str = "") -> AsyncGenerator[Frame, None]:
        """Yield the state of topics, and again whenever it changes, and the pulse. Goes on until it is closed.

        Args:
            last_id: Of the last event that the page has got.
        """
        marks = {name: mark for name, mark in _read_id(last_id).items() if name in names}
        looking = asyncio.Event()
        with self._looking(names, looking) as sources, self._watch.watched(looking):
            seen: dict[str, int] = {}
            told, pulse_due = ("", ""), 0.0
            clock = asyncio.get_running_loop().time
            while not self._has_stopped:
                looking.clear()
                if self._watch.states != told or clock() >= pulse_due:
                    told, pulse_due = self._watch.states, clock() + PULSE_SECONDS
                    yield Frame(event=PULSE_EVENT, data=to_json(self._watch.pulse()))
                for source in sources:
                    if seen.get(source.name) == source.version:
                        continue
                    seen[source.name] = source.version
                    frame = source.frame(marks)
                    if frame is not None:
                        yield frame
                await within(looking.wait(), pulse_due - clock())

    def stop(self) -> None:
        """End all that follow, after what they are being sent."""
        self._has_stopped = True
        for source in self._sources.values():
            source.wake()
        self._watch.wake()

    async def aclose(self) -> None:
        """End all reading."""
        tasks = [source.task for source in self._sources.values() if source.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._watch.aclose()

    @contextmanager
    def _looking(self, names: Sequence[str], event: asyncio.Event) -> Iterator["list[_Source]"]:
        sources = []
        for name in names:
            source = self._sources.get(name) or _Source(name, self._topic(name), self._client)
            self._sources[name] = source
            source.lookers.add(event)
            if source.task is None:
                source.task = asyncio.create_task(self._read_on(source))
            sources.append(source)
        try:
            yield sources
        finally:
            for source in sources:
                source.lookers.discard(event)

    async def _read_on(self, source: "_Source") -> None:
        """Read a topic for as long as anybody looks; who comes back within the pause finds it read already."""
        clock = asyncio.get_running_loop().time
        try:
            while source.lookers:
                began, back = clock(), self._watch.back
                await source.read()
                pause = min(LONGEST_PAUSE, PAUSE_FACTOR * (clock() - began))
                if not self._watch.is_away and not back.is_set():
                    source.tell_unread()
                await asyncio.sleep(self._pause)
                await within(back.wait(), pause - self._pause)
        finally:
            self._sources.pop(source.name, None)

    def _topic(self, name: str) -> Topic:
        known, colon, argument = name.partition(":")
        topic = self._topics.get(known)
        if topic is None:
            raise UsageError(f"There is no topic {known!r}. There are: {', '.join(sorted(self._topics))}.")
        if topic.argument is Argument.NEEDED and not argument:
            raise UsageError(f"The topic {known!r} says not of what. Write it as `{known}:ID`.")
        if topic.argument is Argument.NONE and colon:
            raise UsageError(f"The topic {known!r} has nothing behind its name, and {argument!r} was given.")
        return topic


class _Source:
    """The newest state of one topic."""

    def __init__(self, name: str, topic: Topic, client: Client) -> None:
        self.name = name
        self.version = 0  # of state or problem: 0 is before the first read
        self.lookers: set[asyncio.Event] = set()
        self.task: asyncio.Task[None] | None = None
        self._topic = topic
        self._client = client
        self._state: Any = None
        self._mark = ""
        self._whole = b""  # as JSON, once somebody needs it
        self._changes = ("", b"")  # since which mark, as JSON: what most who look lack
        self._problem: Problem | None = None
        self._unread = ""  # why reading comes to nothing
        self._unread_since = 0.0

    async def read(self) -> None:
        """Read the state, and tell who looks where it is another."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(LONGEST_READ):
                state = await self._topic.read(self._client, self.name.partition(":")[2])
        except TimeoutError:
            self._note_unread(f"no answer came within {LONGEST_READ:.0f} s", began)
        except RPCError as error:
            self._note_unread(error.message, began)
        except OutliveError as error:
            status = status_of(error)
            if status is HTTPStatus.SERVICE_UNAVAILABLE:
                self._note_unread(str(error), began)
            else:
                self._fail(status, str(error), type(error).__name__)
        except Exception as error:  # noqa: BLE001 - one topic that fails must not end the others
            logger.error("A topic could not be read", extra={"topic": self._topic.name, "error": type(error).__name__})  # noqa: TRY400 - what it says may be secret
            self._fail(HTTPStatus.INTERNAL_SERVER_ERROR, "It could not be read here. The log says why.", None)
        else:
            self._keep(state)

    def _note_unread(self, why: str, began: float) -> None:
        """Keep what was seen last: that the engine or the ledger is away, the pulse tells."""
        self._unread_since = self._unread_since if self._unread else began
        self._unread = why

    def tell_unread(self) -> None:
        """Say that reading comes to nothing, once the pulse would know if something were away."""
        if self._unread and time.monotonic() - self._unread_since > LOOK_SECONDS + ANSWER_SECONDS:
            detail = f"This cannot be read: {self._unread.rstrip('.')}. What is shown may be old. It is tried again."
            self._fail(HTTPStatus.GATEWAY_TIMEOUT, detail, None)

    def frame(self, marks: dict[str, str]) -> Frame | None:
        """Return the event for a page, and note what it has then; None where it has it already.

        Args:
            marks: What the page has of each topic; written to.
        """
        if self._problem is not None:
            said = {"topic": self.name, **self._problem.model_dump(exclude_none=True)}
            marks.pop(self.name, None)  # when it is well, its state comes again
            return Frame(event=PROBLEM_EVENT, data=to_json(said), id=_write_id(marks))
        if self._state is None or marks.get(self.name) == self._mark:
            return None
        data = self._data_since(marks.get(self.name))
        marks[self.name] = self._mark
        return Frame(event=self.name, data=data, id=_write_id(marks))

    def _data_since(self, mark: str | None) -> bytes:
        if mark is None or self._topic.since is None:
            self._whole = self._whole or self._topic.json(self._state)
            return self._whole
        before, data = self._changes
        if before != mark or not data:
            data = self._topic.json(self._topic.since(self._client, self._state, mark))
            self._changes = (mark, data)
        return data

    def _keep(self, state: Any) -> None:
        self._unread = ""
        mark = self._topic.marked(state)
        if self._state is not None and self._problem is None and mark == self._mark:
            return
        self._state, self._mark, self._problem = state, mark, None
        self._whole, self._changes = b"", ("", b"")
        self._changed()

    def _fail(self, status: HTTPStatus, detail: str, error: str | None) -> None:
        problem = Problem(title=status.phrase, status=status, detail=detail, error=error)
        if problem != self._problem:
            self._problem = problem
            self._changed()

    def _changed(self) -> None:
        self.version += 1
        self.wake()

    def wake(self) -> None:
        """Let all who look see whether there is something new."""
        for looker in self.lookers:
            looker.set()


def _write_id(marks: dict[str, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(marks, separators=(",", ":")).encode()).decode()


def _read_id(last_id: str) -> dict[str, str]:
    """Return what a page has; nothing where its id was not made here."""
    try:
        found = json.loads(base64.urlsafe_b64decode(last_id.encode("ascii", "replace")))
    except (binascii.Error, ValueError, RecursionError):
        return {}
    return {key: value for key, value in found.items() if isinstance(value, str)} if isinstance(found, dict) else {}
