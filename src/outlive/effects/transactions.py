"""Effects on the user's own database: the change is committed together with a marker that tells of it."""

import time
import typing
import weakref
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter
from sqlalchemy import Column, Connection, Engine, Float, MetaData, String, Table, Text, insert, inspect, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from outlive.errors import AppError, UsageError

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

Database = Any
"""A SQLAlchemy ``Engine`` or ``AsyncEngine``, or a function that returns one."""

_metadata = MetaData()

markers = Table(  # in the user's database: one row for each effect that was committed there
    "outlive_effects",
    _metadata,
    Column("effect_key", String(40), primary_key=True),
    Column("result", Text),  # JSON of what the tool returned
    Column("committed_at", Float, nullable=False),  # seconds since the epoch
)

_open: ContextVar[Any] = ContextVar("outlive_effect_connection", default=None)
_prepared: "weakref.WeakSet[Any]" = weakref.WeakSet()


def connection() -> Any:
    """Return the connection of the effect that is being made, in its open transaction.

    What is done over it is committed together with the marker of the effect, when the tool returns, and rolled back
    when it raises. Never commit it yourself.

    Returns:
        A SQLAlchemy ``AsyncConnection``; a ``Connection`` in a tool that is declared with ``def``.

    Raises:
        UsageError: Outside of a tool with the policy ``transactional`` in a durable run.
    """
    found = _open.get()
    if found is None:
        raise UsageError(
            "There is no connection here: no tool declared with `@effect('transactional', database=...)` is being "
            "made by a durable run."
        )
    return found


async def commit_with_marker(
    database: Database, key: str, make: Callable[[], Awaitable[Any]], function: Callable[..., Any]
) -> Any:
    """Make an effect in a transaction of its own; one that was committed before is not made, its result returned."""
    _refuse_nesting(function)
    engine: AsyncEngine = _engine(database, is_async=True)
    results = _results(function)
    if engine not in _prepared:
        try:
            async with engine.begin() as opened:
                await opened.run_sync(_metadata.create_all)
        except DBAPIError:  # another worker has made the table at the same time, or it cannot be made
            async with engine.connect() as opened:
                if not await opened.run_sync(_is_prepared):
                    raise
        _prepared.add(engine)
    try:
        async with engine.begin() as opened:
            await opened.run_sync(partial(_mark, key=key))
            result = await _within(opened, make)
            await opened.run_sync(partial(_keep, key=key, result=results.dump_json(result).decode()))
            return result
    except _AlreadyCommitted:
        async with engine.connect() as opened:
            return results.validate_json(await opened.run_sync(partial(_kept, key=key)))


def commit_with_marker_blocking(
    database: Database, key: str, make: Callable[[], Any], function: Callable[..., Any]
) -> Any:
    """Do as `commit_with_marker` in a thread."""
    _refuse_nesting(function)
    engine: Engine = _engine(database, is_async=False)
    results = _results(function)
    if engine not in _prepared:
        try:
            _metadata.create_all(engine)
        except DBAPIError:  # another worker has made the table at the same time, or it cannot be made
            with engine.connect() as opened:
                if not _is_prepared(opened):
                    raise
        _prepared.add(engine)
    try:
        with engine.begin() as opened:
            _mark(opened, key=key)
            token = _open.set(opened)
            try:
                result = make()
            finally:
                _open.reset(token)
            _keep(opened, key=key, result=results.dump_json(result).decode())
            return result
    except _AlreadyCommitted:
        with engine.connect() as opened:
            return results.validate_json(_kept(opened, key=key))


class _AlreadyCommitted(Exception):
    """The marker is there."""


def _is_prepared(opened: Connection) -> bool:
    return inspect(opened).has_table(markers.name)


def _refuse_nesting(function: Callable[..., Any]) -> None:
    """Refuse a transaction within one: both would wait for the marker of the one call that they are."""
    if _open.get() is not None:
        raise UsageError(
            f"{function.__qualname__!r} was called by another transactional effect, whose transaction is open. Let "
            "both call a plain function that uses `connection()`."
        )


async def _within(opened: "AsyncConnection", make: Callable[[], Awaitable[Any]]) -> Any:
    token = _open.set(opened)
    try:
        return await make()
    finally:
        _open.reset(token)


def _mark(opened: Connection, *, key: str) -> None:
    """Write the marker first: an attempt beside this one waits for its end, and then finds it."""
    try:
        opened.execute(insert(markers).values(effect_key=key, committed_at=time.time()))
    except IntegrityError:
        raise _AlreadyCommitted from None


def _keep(opened: Connection, *, key: str, result: str) -> None:
    opened.execute(update(markers).where(markers.c.effect_key == key).values(result=result, committed_at=time.time()))


def _kept(opened: Connection, *, key: str) -> str:
    return opened.execute(select(markers.c.result).where(markers.c.effect_key == key)).scalar_one() or "null"


def _results(function: Callable[..., Any]) -> TypeAdapter[Any]:
    try:
        kind = typing.get_type_hints(function).get("return", Any)
    except (NameError, TypeError):
        kind = Any
    return TypeAdapter(kind)


def _engine(database: Database, *, is_async: bool) -> Any:
    is_engine = isinstance(database, Engine) or hasattr(database, "sync_engine")
    engine = database if is_engine or not callable(database) else database()
    if is_async and not hasattr(engine, "sync_engine"):
        raise AppError(
            f"`database=` is {type(engine).__name__}. A tool declared with `async def` takes a SQLAlchemy AsyncEngine, "
            "from `sqlalchemy.ext.asyncio.create_async_engine`."
        )
    if not is_async and not isinstance(engine, Engine):
        raise AppError(
            f"`database=` is {type(engine).__name__}. A tool declared with `def` takes a SQLAlchemy Engine, from "
            "`sqlalchemy.create_engine`."
        )
    return engine
