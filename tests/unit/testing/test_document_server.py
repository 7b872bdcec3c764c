"""The document server serves the same documents every time, and counts each time."""

import asyncio

import aiohttp
import pytest

from outlive.testing.document_server import FAULTS, DocumentServer, generated_document
from outlive.testing.loopback import server_process


@pytest.fixture
async def session():
    async with aiohttp.ClientSession() as opened:
        yield opened


async def text_of(session, url):
    async with session.get(url) as response:
        return response.status, await response.text()


def test_a_generated_document_is_always_the_same_and_2_to_4_kilobytes_long():
    texts = [generated_document(number) for number in range(50)]

    assert texts == [generated_document(number) for number in range(50)]
    assert len(set(texts)) == 50
    assert all(2_000 <= len(text) < 4_200 for text in texts)


async def test_every_url_that_is_offered_is_served_and_counted(session, tmp_path):
    (tmp_path / "a folder").mkdir()
    (tmp_path / "a folder" / "b#1.txt").write_text("in a file")
    async with DocumentServer(folder=tmp_path, generated=2) as server:
        texts = [await text_of(session, url) for url in server.urls()]

        assert [text for _, text in texts] == ["in a file", generated_document(0), generated_document(1)]
        assert [(count.begun, count.completed) for count in server.counts.values()] == [(1, 1)] * 3


async def test_nothing_outside_the_folder_is_served(session, tmp_path):
    (tmp_path / "inside").mkdir()
    (tmp_path / "secret.txt").write_text("secret")
    async with DocumentServer(folder=tmp_path / "inside") as server:
        status, text = await text_of(session, f"{server.address}/files/%2e%2e%2fsecret.txt")

    assert status == 404
    assert "secret" not in text


async def test_a_document_given_up_halfway_did_not_complete(session):
    async with DocumentServer() as server:
        async with session.get(f"{server.address}/faults/endless/1") as response:
            await response.content.readexactly(100_000)
        async with asyncio.timeout(20), session.get(f"{server.address}/_counts?documents=all") as response:
            counts = await response.json()

    count = counts["by_path"]["/faults/endless/1"]
    assert (count["begun"], count["completed"]) == (1, 0)
    assert count["last_begun"] > 0


@pytest.mark.parametrize(
    ("fault", "status", "length"),
    [("missing", 404, None), ("unavailable", 503, None), ("empty", 200, 0), ("binary", 200, 4_096)],
)
async def test_a_fault_is_what_its_name_says(session, fault, status, length):
    assert fault in FAULTS
    async with DocumentServer() as server, session.get(f"{server.address}/faults/{fault}") as response:
        body = await response.read()

    assert response.status == status
    assert length in {None, len(body)}


async def test_the_command_prints_its_address_and_serves(session):
    async with server_process("outlive.testing.document_server", "--generated", "3") as process:
        assert await text_of(session, f"{process.address}/generated/2") == (200, generated_document(2))
        assert (await text_of(session, f"{process.address}/generated/3"))[0] == 404
