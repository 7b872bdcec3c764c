"""CPU, memory and tables: what every benchmark needs, once."""

import json
import os
import platform
import shutil
import sys
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from outlive.testing.loopback import ServerProcess, server_process

CACHE = Path(__file__).parent / ".cache"
TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pids: Iterable[int | None]) -> float:
    """Return the user and system time of processes so far, and of their children that have ended."""
    total = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        total += sum(int(ticks) for ticks in fields[11:15])
    return total / TICKS


def busy_seconds() -> float:
    """Return how much CPU time the whole machine has used so far, of all its cores."""
    fields = [int(ticks) for ticks in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    return (sum(fields) - fields[3] - fields[4]) / TICKS


def resident_megabytes(pid: int) -> float:
    """Return a process's resident memory."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:")), 0.0)


def file_megabytes(path: Path) -> float:
    """Return the size of a SQLite file with its write-ahead log."""
    return sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*") if file.is_file()) / 1e6


def fresh_folder(name: str) -> Path:
    """Return an empty folder under the cache."""
    folder = CACHE / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


@asynccontextmanager
async def model_server(*, latency: float) -> AsyncIterator[ServerProcess]:
    """Run the counting model server, and point the OpenAI client of this process and its children to it."""
    async with server_process("outlive.testing.model_server", "--latency", str(latency)) as server:
        os.environ |= {
            "OPENAI_BASE_URL": f"{server.address}/v1",
            "OPENAI_API_KEY": "none",
            # one call for one document, however long, so that calls can be counted by document
            "OUTLIVE_CONTEXT_TOKENS": "2000000",
        }
        yield server


async def fetch_json(address: str) -> dict[str, Any]:
    async with aiohttp.ClientSession() as session, session.get(address) as response:
        found: dict[str, Any] = await response.json()
    return found


async def post_json(address: str, value: dict[str, Any]) -> None:
    async with aiohttp.ClientSession() as session, session.post(address, json=value) as response:
        response.raise_for_status()


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(_shown(cell) for cell in line)} |" for line in lines)


def save(name: str, figures: dict[str, Any]) -> Path:
    """Write the figures as JSON under the cache, with what they were measured on."""
    CACHE.mkdir(exist_ok=True)
    path = CACHE / f"{name}.json"
    where = {"python": platform.python_version(), "cores": os.cpu_count(), "command": " ".join(sys.argv)}
    path.write_text(json.dumps({"where": where, **figures}, indent=2) + "\n")
    return path


def _shown(cell: object) -> str:
    if isinstance(cell, float):
        return f"{cell:,.0f}" if abs(cell) >= 100 else f"{cell:.3g}"
    return f"{cell:,}" if isinstance(cell, int) else str(cell)
