"""A hand-off waits on, whatever dies, and is decided after."""

from pathlib import Path

import pytest

from crash.processes import children, kill_all
from engines import is_running, until
from people import people_in, waiting

pytestmark = pytest.mark.timeout(400)  # a dozen commands, each a process that imports for a second


async def test_everything_killed_at_once_the_hand_off_waits_on_and_its_edited_call_is_made_once(tmp_path: Path):
    folder = people_in(tmp_path)
    try:
        async with folder.up("--workers", "1") as first:
            status, _, err = await folder.run("run", "payer", "pay 500", "--id", "p")
            assert status == 3, err
            (asked,) = await waiting(folder)
            below = {*children(first.pid), folder.engine_pid() or 0} - {0}
            kill_all({first.pid, *below})
            await first.wait()
            await until(lambda: not any(map(is_running, below)), "all are gone")
        async with folder.up("--workers", "1"):
            (still,) = await waiting(folder)
            edited = ("--args", '{"to": "bob", "amount": 5}', "--by", "ada")
            status, out, err = await folder.run("answer", asked["id"], "approve", *edited)
            assert status == 0, err
            status, out, err = await folder.run("run", "payer", "pay 500", "--id", "p")
            assert (status, out) == (0, "paid 5\n"), err
            status, _, err = await folder.run("answer", asked["id"], "deny", "--by", "eve")
    finally:
        await folder.close()

    assert still["id"] == asked["id"]
    assert folder.lines("paid") == ["5 to bob"]
    assert (status, "ada chose 'approve'" in err) == (2, True)
