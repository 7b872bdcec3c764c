"""Lines of a descriptor reach the event loop whole, in order, and once."""

import asyncio
import os

from outlive.cli.chat_lines import read_lines


async def lines_of(*chunks: bytes) -> list[str | None]:
    reading, writing = os.pipe()
    found: asyncio.Queue[str | None] = asyncio.Queue()
    read_lines(reading, found.put_nowait)
    taken: list[str | None] = []
    for chunk in chunks:
        os.write(writing, chunk)
        await asyncio.sleep(0)
    os.close(writing)
    while not taken or taken[-1] is not None:
        taken.append(await asyncio.wait_for(found.get(), 30))
    os.close(reading)
    return taken


async def test_lines_come_whole_though_they_are_written_in_pieces():
    assert await lines_of(b"on", b"e\ntwo\r\n", b"\nlast") == ["one", "two", "", "last", None]


async def test_the_end_without_a_line_is_told():
    assert await lines_of() == [None]


async def test_a_character_that_is_cut_in_two_is_whole_again():
    encoded = "grün\n".encode()

    assert await lines_of(encoded[:3], encoded[3:]) == ["grün", None]


async def test_bytes_that_are_no_text_are_replaced():
    assert await lines_of(b"a\xffb\n") == ["a\ufffdb", None]
