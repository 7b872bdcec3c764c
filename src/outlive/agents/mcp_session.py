"""One MCP session of a worker process, kept open between calls; how it is told that one has broken."""

import asyncio
import re
import shlex
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

from fastmcp.exceptions import ToolError
from mcp.shared.exceptions import MCPError
from mcp.types import CONNECTION_CLOSED, METHOD_NOT_FOUND
from pydantic_ai import RunContext
from pydantic_ai.exceptions import ModelRetry, ToolFailed
from pydantic_ai.mcp import CallToolFunc, MCPToolset, ProcessToolCallback, ToolResult

from outlive.errors import McpSessionLost, McpUnavailable

_ALIVE_SECONDS = 2.0  # a server that does not answer a ping in this time is busy: only a broken session says so at once
_LEAVE_SECONDS = 2.0  # calls in a broken session fail at once; nobody waits longer for them to notice
_ANSWERS = (ModelRetry, ToolFailed, ToolError)
_SECRET = re.compile(r"(?i)(key|token|secret|password|auth)")
_LONGEST_COMMAND = 200  # characters of a command in a message


class KeptSession:
    """One toolset, entered by a task of its own: what is entered in a task has to be left in it."""

    def __init__(self, toolset: MCPToolset[Any], idle: float) -> None:
        self._toolset = toolset
        self._idle = idle
        self._original_hook = toolset.process_tool_call
        toolset.process_tool_call = self._guarded(self._original_hook)
        self._check: asyncio.Task[None] | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()
        self._is_broken = False
        self._is_template = False
        self._users = 0
        self._working = 0
        self._all_left = asyncio.Event()
        self._last_used = 0.0

    @asynccontextmanager
    async def use(self) -> AsyncIterator[None]:
        """Keep the session open within the block, as `McpPool.hold` says."""
        self._users += 1  # before the session is looked at, so that it is not closed for idleness meanwhile
        try:
            await self._ready()
            self._working += 1
            self._all_left.clear()
            try:
                yield
            finally:
                self._working -= 1
                if not self._working:
                    self._all_left.set()
        finally:
            self._users -= 1
            self._last_used = asyncio.get_running_loop().time()

    async def retire(self) -> None:
        """Close the session, and leave the toolset as it was."""
        await self._close()
        self._toolset.process_tool_call = self._original_hook

    # -- opening and closing

    async def _ready(self) -> None:
        if self._is_template:
            return
        if self._check is None:  # whoever comes while the session is being looked at or opened shares the outcome
            self._check = asyncio.create_task(self._make_ready())
            self._check.add_done_callback(self._checked)
        await asyncio.shield(self._check)

    def _checked(self, check: "asyncio.Task[None]") -> None:
        self._check = None
        if not check.cancelled():
            check.exception()  # seen: whoever waited has it, and nobody need have waited until now

    async def _make_ready(self) -> None:
        if self._keeper is not None and not self._keeper.done():
            if not self._is_broken and await self._is_alive():
                return
            await self._close()
        opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._is_broken = False
        self._closing = asyncio.Event()
        self._keeper = asyncio.create_task(self._keep(opened, self._closing))
        await opened

    async def _close(self) -> None:
        if self._keeper is None:
            return
        self._closing.set()
        await asyncio.wait([self._keeper])
        self._keeper = None
        with suppress(TimeoutError):  # MCPToolset forgets what it knew of the server when the last one has left
            async with asyncio.timeout(_LEAVE_SECONDS):
                while self._working:
                    await self._all_left.wait()

    async def _keep(self, opened: "asyncio.Future[None]", closing: asyncio.Event) -> None:
        """Enter the toolset, stay until closed or idle, and leave it."""
        try:
            async with AsyncExitStack() as stack:
                await stack.enter_async_context(self._toolset)
                self._is_template = not self._toolset.is_running  # each run connects with a copy of its own
                if self._is_template:
                    opened.set_result(None)
                else:
                    await self._stay(stack, opened, closing)
        except Exception as error:  # noqa: BLE001 - a server may fail in any way, also while it is being left
            if not opened.done():
                opened.set_exception(self._unavailable(error))
        finally:
            opened.cancel()  # of no effect but where this task itself was cancelled before the session was open

    async def _stay(self, stack: AsyncExitStack, opened: "asyncio.Future[None]", closing: asyncio.Event) -> None:
        client = self._toolset.client
        await stack.enter_async_context(client)  # where others hold the toolset too, it alone would not connect again
        opened.set_result(None)
        await self._until_closed_or_idle(closing)
        with suppress(Exception):  # raises what the session died of
            await client.close()  # type: ignore[no-untyped-call]
        with suppress(Exception):
            await client.transport.close()  # the process of a stdio server would live on otherwise

    async def _until_closed_or_idle(self, closing: asyncio.Event) -> None:
        clock = asyncio.get_running_loop().time
        while not closing.is_set():
            rest = self._idle if self._users else self._last_used + self._idle - clock()
            if rest <= 0 and not self._users:
                self._is_broken = True  # from here on nobody may come in: the next use opens anew
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(rest):
                    await closing.wait()

    # -- telling a broken session

    async def _is_alive(self) -> bool:
        try:
            async with asyncio.timeout(_ALIVE_SECONDS):
                return await self._toolset.client.ping()
        except TimeoutError:
            return True
        except MCPError as error:
            return error.code == METHOD_NOT_FOUND  # a server of the newest protocol knows no ping, but answers
        except Exception:  # noqa: BLE001 - whatever a transport raises, this session is not usable
            return False

    def _guarded(self, hook: ProcessToolCallback | None) -> ProcessToolCallback:
        async def process(
            ctx: RunContext[Any], call_tool: CallToolFunc, name: str, arguments: dict[str, Any]
        ) -> ToolResult:
            async def call(name: str, args: dict[str, Any], *, metadata: dict[str, Any] | None = None) -> ToolResult:
                session = self._closing
                try:
                    return await call_tool(name, args, metadata=metadata)
                except Exception as error:
                    if not await self._is_lost(error, session):
                        raise
                    self._is_broken = self._is_broken or self._closing is session
                    raise self._lost(name) from error

            return await (call(name, arguments) if hook is None else hook(ctx, call, name, arguments))

        return process

    async def _is_lost(self, error: Exception, session: asyncio.Event) -> bool:
        """Whether a call failed with its session, rather than by an answer of the server."""
        cause = error.__cause__
        if isinstance(error, _ANSWERS) and (cause is None or isinstance(cause, ToolError)):
            return False
        cause = error if isinstance(error, MCPError) else cause
        if isinstance(cause, MCPError) and cause.code == CONNECTION_CLOSED:
            return True
        return self._closing is not session or not await self._is_alive()

    # -- messages

    def _unavailable(self, error: Exception) -> McpUnavailable:
        why = " ".join(str(error).split()).removeprefix("Client failed to connect: ") or type(error).__name__
        server, address = self._server(), _reached_by(self._toolset)
        return McpUnavailable(
            f"The MCP server {server!r} cannot be reached by {address}: {why}. "
            "Check that it runs there, and that the worker may use it.",
            server=server,
        )

    def _lost(self, tool: str) -> McpSessionLost:
        server, address = self._server(), _reached_by(self._toolset)
        return McpSessionLost(
            f"The session with the MCP server {server!r} ({address}) broke while {tool!r} was called: the server was "
            "killed, restarted or cut off. The next attempt opens a new one.",
            server=server,
        )

    def _server(self) -> str:
        return self._toolset.id or _reached_by(self._toolset)


def _reached_by(toolset: MCPToolset[Any]) -> str:
    """Return the command or address of a server, without what looks like a secret."""
    transport = toolset.client.transport
    url = getattr(transport, "url", None)
    if url is not None:
        return repr(str(url).partition("?")[0])
    command = getattr(transport, "command", None)
    if command is None:
        return type(transport).__name__
    shown, hides_next = [str(command)], False
    for argument in map(str, getattr(transport, "args", ())):
        flag, equals, _ = argument.partition("=")
        is_secret = bool(_SECRET.search(flag))
        shown.append("***" if hides_next else f"{flag}=***" if is_secret and equals else argument)
        hides_next = is_secret and not equals and flag.startswith("-")
    return f"`{shlex.join(shown)[:_LONGEST_COMMAND]}`"
