"""Lines of standard input, for a program that goes on while nobody types."""

import asyncio
import codecs
import os
import threading
from collections.abc import Callable

CHUNK = 65_536


def read_lines(descriptor: int, take: Callable[[str | None], None]) -> None:
    """Call ``take`` in the running event loop with each line of a descriptor, and with None once there are no more.

    Read by a thread of its own, straight from the descriptor: making a terminal non-blocking would change it for every
    process that shares it, and a thread that waits in Python's own buffer keeps the interpreter from ending.
    """
    loop = asyncio.get_running_loop()

    def hand_over(line: str | None) -> bool:
        try:
            loop.call_soon_threadsafe(take, line)
        except RuntimeError:  # the loop is closed: nobody listens any more
            return False
        return True

    threading.Thread(target=_read, args=(descriptor, hand_over), name="input", daemon=True).start()


def _read(descriptor: int, hand_over: Callable[[str | None], bool]) -> None:
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    rest = ""
    while True:
        try:
            chunk = os.read(descriptor, CHUNK)
        except OSError:  # the terminal is gone
            chunk = b""
        *lines, rest = (rest + decoder.decode(chunk, final=not chunk)).split("\n")
        if not chunk:
            lines += [rest] if rest else []
        if not all(hand_over(line.rstrip("\r")) for line in lines):
            return
        if not chunk:
            hand_over(None)
            return
