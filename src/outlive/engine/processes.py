"""Child processes that do not outlive their parent, and the processes of this machine by command line."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

# Runs between fork and the real program, as a program of its own: code of ours between fork and exec of this process
# (`preexec_fn`) can deadlock, since Temporal's core has threads. PR_SET_PDEATHSIG (1) survives the exec. The parent
# may already be gone when it is set, hence the second look.
_DIE_WITH_PARENT = """
import ctypes, os, sys
parent, sign = int(sys.argv[1]), int(sys.argv[2])
ctypes.CDLL(None).prctl(1, sign, 0, 0, 0)
os.getppid() == parent or os._exit(1)
os.execv(sys.argv[3], sys.argv[3:])
"""
_HAS_PROC = Path("/proc/self/cmdline").exists()
POLL = 0.03  # seconds between two looks at a process


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A process of this machine.

    Attributes:
        folder: Its working folder, where that can be read.
    """

    pid: int
    command: tuple[str, ...]
    folder: Path | None = None


async def spawn(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    output: int,
    dies_with_parent: bool = False,
    pass_fds: Sequence[int] = (),
    umask: int = -1,
) -> asyncio.subprocess.Process:
    """Start a child in a session of its own, so that Ctrl-C on the terminal reaches only its parent.

    Args:
        command: Program and arguments; the program as an absolute path.
        output: Descriptor for both standard output and standard error.
        dies_with_parent: The kernel kills it when this process ends, however it ends (Linux only; more precisely,
            when the thread ends that called this).
        umask: For the files that it creates; -1 leaves it this process's.
    """
    if dies_with_parent and sys.platform == "linux":
        launcher = [sys.executable, "-I", "-S", "-c", _DIE_WITH_PARENT, str(os.getpid()), str(int(signal.SIGKILL))]
        command = [*launcher, *command]
    return await asyncio.create_subprocess_exec(
        *command,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        pass_fds=pass_fds,
        start_new_session=True,
        umask=umask,
    )


async def wait_ready(
    process: asyncio.subprocess.Process, is_ready: Callable[[], Awaitable[bool]], *, patience: float
) -> bool:
    """Return True when a child has become ready, False when it ended before.

    Raises:
        TimeoutError: When neither happened within the patience (seconds).
    """
    async with asyncio.timeout(patience):
        while True:
            if process.returncode is not None:
                return False
            if await is_ready():
                return process.returncode is None
            await asyncio.sleep(POLL)


async def end(process: asyncio.subprocess.Process, *, grace: float) -> int:
    """Ask a child to end, kill it after the grace period (seconds), and return its exit status."""
    if process.returncode is None:
        _signal(process.pid, signal.SIGTERM)
    try:
        return await asyncio.wait_for(process.wait(), grace)
    except TimeoutError:
        _signal(process.pid, signal.SIGKILL)
        return await process.wait()


async def end_stranger(listed: Listed, *, grace: float) -> None:
    """End a process that is not our child: it is looked at again before each signal, as pids are reused."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        if not await is_still(listed):
            return
        _signal(listed.pid, sign)
        for _ in range(int(grace / POLL)):
            if not await is_still(listed):
                return
            await asyncio.sleep(POLL)


async def is_still(listed: Listed) -> bool:
    """Return whether the process is there and is still the same program with the same arguments."""
    if _HAS_PROC:
        return _command_of(listed.pid) == listed.command
    return any(found.command == listed.command for found in await _from_ps(listed.pid))


def is_alive(pid: int) -> bool:
    """Return whether a process with this id exists, whatever it is."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


async def list_processes() -> list[Listed]:
    """Return the processes of this machine that can be seen, without zombies."""
    return list(_from_proc()) if _HAS_PROC else await _from_ps()


def _command_of(pid: int) -> tuple[str, ...]:
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return ()
    return tuple(part.decode(errors="surrogateescape") for part in raw.split(b"\0")[:-1])


def _from_proc() -> Iterator[Listed]:
    for entry in os.scandir("/proc"):
        if not entry.name.isdecimal() or not (command := _command_of(int(entry.name))):
            continue
        try:
            folder = Path(f"/proc/{entry.name}/cwd").readlink()
        except OSError:
            folder = None
        yield Listed(pid=int(entry.name), command=command, folder=folder)


async def _from_ps(pid: int | None = None) -> list[Listed]:
    which = ["-ax"] if pid is None else ["-p", str(pid)]
    ps = await asyncio.create_subprocess_exec(
        "/bin/ps",
        *which,
        "-ww",
        "-o",
        "pid=,command=",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    output, _ = await ps.communicate()
    rows = (line.split(None, 1) for line in output.decode(errors="replace").splitlines())
    return [Listed(pid=int(row[0]), command=tuple(row[1].split())) for row in rows if len(row) == 2]


def _signal(pid: int, sign: signal.Signals) -> None:
    try:
        os.kill(pid, sign)
    except ProcessLookupError:
        return
