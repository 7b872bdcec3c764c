import os
import sys

import pytest

from engines import until
from outlive.engine.logfile import LogFile
from outlive.engine.processes import end, spawn

CHATTY = "import itertools, time\nfor n in itertools.count(): print(f'line {n:08}', flush=True); time.sleep(0.0005)"


async def test_a_log_is_rotated_under_a_process_that_keeps_writing(tmp_path):
    log = LogFile(tmp_path / "engine.log", max_bytes=2_000, kept=2)
    output = log.open()
    process = await spawn([sys.executable, "-c", CHATTY], environment=dict(os.environ), output=output)
    os.close(output)
    rotations = 0

    def rotated_often() -> bool:
        nonlocal rotations
        rotations += log.rotate_if_large()
        return rotations >= 5

    try:
        await until(rotated_often, "five rotations")
        await until(lambda: "line" in log.tail(), "lines after the last rotation")
    finally:
        await end(process, grace=5)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["engine.log", "engine.log.1", "engine.log.2"]
    assert all((tmp_path / f"engine.log.{number}").stat().st_size < 20_000 for number in (1, 2))


def test_a_log_that_exploded_is_kept_only_in_its_last_part(tmp_path):
    log = LogFile(tmp_path / "engine.log", max_bytes=1_000)
    log.path.write_bytes(b"x" * 50_000 + b"\nthe end\n")

    assert log.rotate_if_large()
    assert (tmp_path / "engine.log.1").stat().st_size == 1_000
    assert (tmp_path / "engine.log.1").read_bytes().endswith(b"the end\n")
    assert log.size() == 0


def test_the_tail_of_a_log_starts_where_the_process_started(tmp_path):
    log = LogFile(tmp_path / "engine.log")
    log.path.write_text("before\n")
    start = log.size()
    with log.path.open("a") as file:
        file.write("one\n\ntwo\n")

    assert log.tail(since=start) == "one\ntwo"
    assert log.tail(lines=1) == "two"
    assert LogFile(tmp_path / "missing.log").tail() == ""


def test_a_log_that_cannot_be_kept_is_emptied_all_the_same(tmp_path):
    log = LogFile(tmp_path / "engine.log", max_bytes=1_000, kept=1)
    log.path.write_bytes(b"x" * 5_000)
    (tmp_path / "engine.log.1").mkdir()

    with pytest.raises(IsADirectoryError):
        log.rotate_if_large()
    assert log.size() == 0


def test_the_gist_of_a_log_is_the_lines_that_say_what_went_wrong(tmp_path):
    log = LogFile(tmp_path / "engine.log")
    log.path.write_text("banner\npanic: address already in use\n" + "goroutine 1\n" * 50)
    assert log.gist() == "panic: address already in use"

    log.path.write_text("one\ntwo\n")
    assert log.gist() == "one\ntwo"
