"""Whatever dies while a run is followed, or a conversation held, its reader sees the right end."""

import os
import signal
from asyncio.subprocess import PIPE

import pytest

from command_line import Errors, Folder, ended
from engines import is_running, until

pytestmark = pytest.mark.embedded


async def test_worker_and_engine_killed_while_a_run_is_followed(folder: Folder):
    folder.put("hold")
    process = await folder.begin("run", "looker", "one two three", "--id", "k")
    errors = Errors(process)
    await until(lambda: folder.lines("begun") == ["one"], "the first tool runs")
    worker = folder.worker_pids()[0]
    os.kill(worker, signal.SIGKILL)
    await errors.say("its worker died")
    await until(lambda: folder.lines("begun") == ["one", "one"], "the tool runs again")

    engine = folder.engine_pid()
    os.kill(engine, signal.SIGKILL)
    await until(lambda: folder.engine_pid() not in {engine, None}, "another engine")
    folder.take("hold")
    status, out, err = await ended(process)

    assert (status, out) == (0, "ONE TWO THREE\n"), errors.text + err
    assert folder.lines("looked")[-3:] == ["one", "two", "three"]
    assert folder.lines("answers") == ["one two three"]
    assert not is_running(worker)


async def test_the_owner_of_engine_and_workers_killed_the_follower_takes_over(folder: Folder):
    folder.put("hold")
    up = await folder.begin("up", "--workers", "1")
    await until(lambda: len(folder.worker_pids()) == 1, "a worker serves")
    process = await folder.begin("run", "looker", "one two", "--id", "o")
    await until(lambda: folder.lines("begun") == ["one"], "the tool runs")
    up.kill()
    await ended(up)
    folder.take("hold")
    status, out, err = await ended(process)

    assert (status, out) == (0, "ONE TWO\n"), err
    assert folder.lines("answers") == ["one two"]
    assert not folder.home.is_owned()


async def test_a_conversation_goes_on_after_worker_and_engine_were_killed_between_two_turns(folder: Folder):
    process = await folder.begin("chat", "looker", "--id", "c", stdin=PIPE)
    process.stdin.write(b"one\n")
    assert await process.stdout.readline() == b"ONE\n"

    engine = folder.engine_pid()
    for pid in [*folder.worker_pids(), engine]:
        os.kill(pid, signal.SIGKILL)
    process.stdin.write(b"two\n")
    assert await process.stdout.readline() == b"TWO\n"
    process.stdin.write(b"/close\n")
    status, out, err = await ended(process, "")

    assert (status, out) == (0, ""), err
    assert folder.lines("looked") == ["one", "two"]
    assert folder.engine_pid() != engine


async def test_a_chat_killed_in_mid_answer_is_gone_on_with(folder: Folder):
    folder.put("hold")
    async with folder.up("--workers", "1"):
        process = await folder.begin("chat", "looker", "--id", "c", stdin=PIPE)
        process.stdin.write(b"one\n")
        await until(lambda: folder.lines("begun") == ["one"], "the tool runs")
        process.kill()
        await ended(process)
        folder.take("hold")

        status, out, err = await folder.run("chat", "looker", "--id", "c", text="two\n")

    assert status == 0, err
    assert out.endswith("TWO\n")
    assert folder.lines("looked") == ["one", "two"]
