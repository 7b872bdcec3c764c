"""`outlive chat`, from a pipe and on a terminal."""

import pytest

from command_line import Folder

pytestmark = pytest.mark.embedded


async def test_a_conversation_from_a_pipe_is_answered_in_order_and_goes_on_later(folder: Folder):
    status, out, err = await folder.run("chat", "looker", "--id", "c", text="one\ntwo\n/cost\n")
    assert (status, out) == (0, "ONE\nTWO\n"), err
    assert "4 model calls" in err
    assert "The conversation stays open: `outlive chat looker --id c` goes on." in err

    status, out, err = await folder.run("chat", "looker", "--id", "c", text="/nonsense\nthree\n/close\n")
    assert (status, out) == (0, "THREE\n"), err
    assert err.index("you> one") < err.index("ONE") < err.index("you> two") < err.index("TWO")
    assert "/nonsense is no command" in err
    assert "The conversation is completed." in err
    assert folder.lines("looked") == ["one", "two", "three"]

    status, _, err = await folder.run("chat", "looker", "--id", "c", text="four\n")
    assert status == 2
    assert "The conversation 'looker/c' is completed. Take another id for a new one." in err


async def test_a_conversation_that_waits_for_a_person_is_decided_in_it(folder: Folder):
    async with folder.up("--workers", "1"):
        status, out, err = await folder.run("chat", "parker", "--id", "p", text="door\n")
        assert (status, out) == (3, ""), err
        assert "The run waits for a person" in err

        folder.put("mended")
        status, out, err = await folder.run("chat", "parker", "--id", "p", text="/retry\n")
        assert (status, out) == (0, "DOOR\n"), err


async def test_on_a_terminal_words_come_as_they_are_written_and_what_is_typed_meanwhile_waits(folder: Folder):
    folder.put("hold")
    terminal = await folder.on_terminal("chat", "streamer", "--id", "t")
    await terminal.shows("you> ")
    terminal.type("hello there")
    await terminal.shows("HELLO")
    assert "THERE" not in terminal.text
    terminal.type("again")
    folder.take("hold")
    await terminal.shows(" THERE")
    await terminal.shows("AGAIN")
    terminal.type("/close")

    assert await terminal.ended() == 0
    assert (terminal.text.count("HELLO"), terminal.text.count("THERE")) == (1, 1)
    assert "The conversation is completed." in terminal.text


async def test_on_a_terminal_a_run_shows_its_words_once(folder: Folder):
    terminal = await folder.on_terminal("run", "streamer", "hello there")

    assert await terminal.ended() == 0
    assert terminal.text.count("HELLO THERE") == 1
    assert "Completed: 1 model call" in terminal.text
