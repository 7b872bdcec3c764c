"""A local path means the machine where it was named; others say so."""

import platform

import pytest

from outlive.cli.requests import has_local_files
from outlive.contracts.outcomes import Cause
from outlive.documents.reader import Reader
from outlive.documents.sources import open_source
from outlive.errors import DocumentError


async def reason(machine: str, path: str) -> str:
    async with Reader(machine=machine) as reader:
        with pytest.raises(DocumentError) as caught:
            await reader.read(path)
    assert caught.value.cause == Cause.NOT_FOUND
    return caught.value.reason


@pytest.mark.parametrize("form", ["{}", "file://{}"])
async def test_a_file_of_another_machine_is_an_outcome_that_names_it(tmp_path, form):
    said = await reason("the-one-in-berlin", form.format(tmp_path / "a.txt"))

    assert "The batch was started on 'the-one-in-berlin'" in said
    assert f"on this worker's machine {platform.node()!r}" in said


async def test_a_file_that_is_missing_where_it_was_named_is_just_missing(tmp_path):
    path = str(tmp_path / "a.txt")

    assert await reason(platform.node(), path) == await reason("", path) == f"There is no file {path!r}."


async def test_a_file_that_is_here_too_is_read_wherever_it_was_named(tmp_path):
    (tmp_path / "a.txt").write_text("on a shared mount")
    async with Reader(machine="the-one-in-berlin") as reader:
        assert (await reader.read(str(tmp_path / "a.txt"))).text == "on a shared mount"


def test_local_files_are_told_from_what_every_machine_reads(tmp_path):
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "urls.txt").write_text("https://example.org/a\n")
    (tmp_path / "texts.jsonl").write_text('{"text": "a"}\n')

    assert has_local_files(open_source(tmp_path / "a.txt"))
    assert has_local_files(open_source(f"file://{tmp_path}/a.txt"))
    assert not has_local_files(open_source(tmp_path / "urls.txt"))
    assert not has_local_files(open_source(tmp_path / "texts.jsonl"))
