import io
import itertools
import json
import os
import tracemalloc
from pathlib import Path

import pytest

from outlive.contracts.outcomes import Cause
from outlive.documents.sources import open_source
from outlive.errors import SourceError


def uris(source, **how) -> list[str]:
    return [entry.uri for entry in open_source(source, **how).entries()]


def refusal(source, **how) -> str:
    with pytest.raises(SourceError) as caught:
        open_source(source, **how)
    return str(caught.value)


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_a_list_of_urls_and_paths_is_read_in_order_and_paths_are_its_neighbours(tmp_path):
    write(tmp_path / "docs/a.txt", "text")
    listed = write(
        tmp_path / "urls.txt",
        "# ours\n\n https://example.org/a \r\ndocs/a.txt\nfile:///tmp/b\n/abs/c.md\nmissing.txt\n",
    )

    assert uris(listed) == [
        "https://example.org/a",
        str(tmp_path / "docs/a.txt"),
        "file:///tmp/b",
        "/abs/c.md",
        str(tmp_path / "missing.txt"),
    ]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_list_with_a_byte_order_mark_is_a_list(tmp_path, encoding):
    assert uris(write(tmp_path / "l.txt", "http://a/é\nhttp://b/\n".encode(encoding))) == ["http://a/é", "http://b/"]


def test_a_text_that_is_no_list_is_one_document(tmp_path):
    for name, content in (
        ("prose.txt", "This is a text.\nhttp://example.org/\n"),
        ("links.md", "http://example.org/\n"),
        ("latin.txt", "l'été\n".encode("latin-1")),
        ("page.html", "<p>x"),
        ("paper.pdf", b"%PDF-1.4"),
    ):
        assert uris(write(tmp_path / name, content)) == [str(tmp_path / name)]


def test_a_list_may_have_any_name_and_lines_that_name_nothing(tmp_path):
    listed = write(tmp_path / "urls.list", "http://a/\nwhat is this\nhttp://b/\n")

    assert uris(listed) == ["http://a/", str(tmp_path / "what is this"), "http://b/"]


def test_a_folder_gives_its_documents_sorted_without_hidden_ones(tmp_path):
    for name in ("b.txt", "a/z.md", "a/b/c.html", ".hidden.txt", ".git/x.txt", "image.png", "c.PDF", "code.py"):
        write(tmp_path / name, "x")

    assert uris(tmp_path) == [str(tmp_path / name) for name in ("a/b/c.html", "a/z.md", "b.txt", "c.PDF", "code.py")]


def test_links_make_no_circles_and_no_doubles(tmp_path):
    outside = tmp_path / "outside"
    folder = tmp_path / "folder"
    write(outside / "o.txt", "x")
    write(folder / "a/one.txt", "x")
    (folder / "a/up").symlink_to(folder)
    (folder / "again").symlink_to(folder / "a")
    (folder / "same.txt").symlink_to(folder / "a/one.txt")
    (folder / "dead.txt").symlink_to(folder / "nothing.txt")
    (folder / "out1").symlink_to(outside)
    (folder / "out2").symlink_to(outside)
    (outside / "back").symlink_to(folder)
    (folder / "file.txt").symlink_to(outside / "o.txt")

    assert uris(folder) == [str(folder / "a/one.txt"), str(folder / "file.txt"), str(folder / "out1/o.txt")]


def test_a_name_that_is_no_text_is_kept_as_a_file_url(tmp_path):
    folder = os.fsencode(tmp_path)
    with open(os.path.join(folder, b"caf\xe9.txt"), "wb") as file:  # noqa: PTH118, PTH123
        file.write(b"x")

    assert uris(tmp_path) == [f"{tmp_path.as_uri()}/caf%E9.txt"]


def test_a_folder_without_documents_says_how_to_take_all_files(tmp_path):
    write(tmp_path / "image.png", "x")

    assert "**/*" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.txt", ["a.txt", "b.txt"]),
        ("**/*.txt", ["a.txt", "b.txt", "sub/c.txt", "sub/deep/d.txt"]),
        ("sub/**", ["sub/c.txt", "sub/deep/d.txt", "sub/x.bin"]),
        ("*/*.txt", ["sub/c.txt"]),
        ("[ab].txt", ["a.txt", "b.txt"]),
        ("[!a].txt", ["b.txt"]),
        ("?.txt", ["a.txt", "b.txt"]),
        ("sub/*.bin", ["sub/x.bin"]),
        (".h*.txt", [".hidden.txt"]),
        ("s*/**/d.txt", ["sub/deep/d.txt"]),
    ],
)
def test_a_glob_takes_what_it_matches(tmp_path, pattern, expected):
    for name in ("a.txt", "b.txt", "sub/c.txt", "sub/deep/d.txt", "sub/x.bin", ".hidden.txt"):
        write(tmp_path / name, "x")

    assert uris(f"{tmp_path}/{pattern}") == [str(tmp_path / name) for name in expected]


def test_a_glob_that_matches_nothing_is_refused(tmp_path):
    assert "no documents" in refusal(f"{tmp_path}/*.txt")
    assert "no documents" in refusal(f"{tmp_path}/nowhere/*.txt")


def test_a_file_whose_name_looks_like_a_glob_is_itself(tmp_path):
    assert uris(write(tmp_path / "a[1].md", "x")) == [str(tmp_path / "a[1].md")]


def test_a_csv_gives_its_column_and_the_others_as_fields(tmp_path):
    table = write(tmp_path / "t.csv", 'id,URL,note\r\n1,http://a/,"x, ""y""\nz"\r\n2,b.txt,\r\n')

    entries = list(open_source(table).entries())

    assert [entry.uri for entry in entries] == ["http://a/", str(tmp_path / "b.txt")]
    assert entries[0].fields == {"id": "1", "note": 'x, "y"\nz'}
    assert "'URL'" in open_source(table).description


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_of_a_csv_is_found(tmp_path, delimiter):
    rows = [["url", "a b", "c"], ["http://a/?x=1", "1", "2"]]
    table = write(tmp_path / "t.csv", "\ufeff" + "\n".join(delimiter.join(row) for row in rows))

    assert next(open_source(table).entries()).fields == {"a b": "1", "c": "2"}


def test_a_csv_can_hold_the_texts_themselves(tmp_path):
    table = write(tmp_path / "reviews.csv", f'id,review\n1,"good\nindeed"\n2,{"long " * 100_000}\n')

    entries = list(open_source(table, text_column="review").entries())

    assert [entry.text[:11] for entry in entries] == ["good\nindeed", "long long l"]
    assert [entry.uri for entry in entries] == [f"{table}#1", f"{table}#2"]
    assert entries[0].fields == {"id": "1"}


def test_a_named_column_beside_texts_only_names_them(tmp_path):
    table = write(tmp_path / "reviews.csv", "id,review\nr-17,good\n")

    entry = next(open_source(table, column="id", text_column="review").entries())

    assert (entry.uri, entry.text, entry.fields) == ("r-17", "good", {})


def test_a_missing_column_is_refused_with_the_columns_that_are_there(tmp_path):
    table = write(tmp_path / "t.csv", "id,address\n1,http://a/\n")
    lines = write(tmp_path / "t.jsonl", '{"id": 1, "meta": {"address": "http://a/"}}\n')

    assert refusal(table, column="url").endswith("has no column 'url'. Its columns: 'id', 'address'.")
    assert "'meta.address'" in refusal(lines, column="url")
    assert "--column" in refusal(table)


def test_a_csv_without_a_header_is_refused(tmp_path):
    assert "The first row" in refusal(write(tmp_path / "t.csv", "http://a/,1\nhttp://b/,2\n"))


def test_malformed_rows_are_entries_with_a_cause_and_the_others_go_on(tmp_path):
    table = write(
        tmp_path / "t.csv",
        b"url,n\nhttp://a/,1\nhttp://b/,2,extra\n,3\n\nhttp://c\x00/,4\nhttp://\xe9/,5\nhttp://d/\nhttp://e/,6\n",
    )

    entries = list(open_source(table).entries())

    assert [entry.uri if entry.cause is None else entry.cause for entry in entries] == [
        "http://a/",
        Cause.BROKEN,
        Cause.BROKEN,
        Cause.BROKEN,
        Cause.BROKEN,
        "http://d/",
        "http://e/",
    ]
    assert entries[1].reason == f"Row 2 of {table} has 3 cells, but there are 2 columns."
    assert entries[1].uri == f"{table}#2"
    assert entries[-1].fields == {"n": "6"}


def test_a_quote_that_never_closes_does_not_swallow_the_memory(tmp_path):
    rows = "".join(f"http://a/{number},{'x' * 1000}\n" for number in range(25_000))
    table = write(tmp_path / "t.csv", f'url,note\nhttp://first/,1\nhttp://b/,"open\n{rows}')

    entries = list(open_source(table).entries())

    assert entries[0].uri == "http://first/"
    assert entries[1].cause == Cause.BROKEN
    assert entries[-1].uri == "http://a/24999"


def test_json_lines_give_their_field_and_keep_the_others_as_they_are(tmp_path):
    lines = write(
        tmp_path / "t.jsonl",
        '{"url": "http://a/", "n": 1, "tags": ["x"], "o": {"p": null}}\n\nnot json\n[1]\n{"url": 5}\n{"x": 1}\n'
        '{"url": "b.txt", "bad": "\\ud800 \\u0000"}\n{"url": "http://c/"',
    )

    entries = list(open_source(lines).entries())

    assert [entry.cause or entry.uri for entry in entries] == [
        "http://a/",
        *[Cause.BROKEN] * 4,
        str(tmp_path / "b.txt"),
        Cause.BROKEN,
    ]
    assert entries[0].fields == {"n": 1, "tags": ["x"], "o": {"p": None}}
    assert entries[5].fields == {"bad": "\ufffd \ufffd"}
    assert entries[1].reason == f"Line 3 of {lines} is not a JSON object."


def test_a_field_within_an_object_is_reached_by_a_dot(tmp_path):
    lines = write(tmp_path / "t.jsonl", '{"meta": {"text": "hello"}}\n{"meta.text": "flat"}\n{"meta": 1}\n')

    entries = list(open_source(lines, text_column="meta.text").entries())

    assert [entry.text for entry in entries] == ["hello", "flat", None]
    assert entries[2].cause == Cause.BROKEN


def test_hostile_json_is_a_malformed_line(tmp_path):
    lines = write(
        tmp_path / "t.jsonl", '{"url": "http://a/"}\n' + '{"url":' + "[" * 100_000 + "\n" + '{"url": 1e999}\n'
    )

    assert [entry.cause for entry in open_source(lines).entries()] == [None, Cause.BROKEN, Cause.BROKEN]


def test_standard_input_gives_lines_once():
    source = open_source("-", stdin=io.StringIO("# list\nhttp://a/\n\nb.txt\n"))

    assert [entry.uri for entry in source.entries()] == ["http://a/", str(Path.cwd() / "b.txt")]
    with pytest.raises(SourceError, match="only once"):
        source.entries()


def test_standard_input_gives_json_lines_where_they_are_or_a_column_is_named():
    rows = "".join(json.dumps({"url": f"http://a/{number}", "n": number}) + "\n" for number in range(300))
    source = open_source("-", stdin=io.StringIO("\ufeff" + rows))

    entries = list(source.entries())

    assert [entry.uri for entry in entries] == [f"http://a/{number}" for number in range(300)]
    assert "no column 'uri'" in refusal("-", column="uri", stdin=io.StringIO(rows))


def test_standard_input_without_anything_is_refused():
    assert "empty" in refusal("-", stdin=io.StringIO(" \n"))
    assert "Nothing is piped" in refusal("-", stdin=None)


def test_a_url_is_a_source_of_one():
    assert uris("https://example.org/a.pdf") == ["https://example.org/a.pdf"]


def test_a_file_url_is_the_file(tmp_path):
    assert uris(write(tmp_path / "a b.md", "x").as_uri()) == [str(tmp_path / "a b.md")]
    assert "http" in refusal("ftp://example.org/list.txt")


def test_what_is_not_there_is_refused_with_what_to_do(tmp_path):
    os.mkfifo(tmp_path / "pipe")

    assert "There is no file or folder" in refusal(tmp_path / "nothing.txt")
    assert "neither a file nor a folder" in refusal(tmp_path / "pipe")
    for name in ("empty.txt", "empty.csv", "empty.jsonl"):
        assert "is empty" in refusal(write(tmp_path / name, ""))
    assert "no documents" in refusal(write(tmp_path / "header.csv", "url,n\n"))
    assert "is empty" in refusal(write(tmp_path / "blank.jsonl", "\n\n"))
    assert "no JSON object" in refusal(write(tmp_path / "prose.jsonl", "Dear reader\n"))
    assert "iconv" in refusal(write(tmp_path / "latin.csv", "url,né\nhttp://a/,é\n".encode("latin-1")))
    assert "None of the first 2 rows" in refusal(write(tmp_path / "bad.csv", "url,n\n,1\n,2\n"))
    assert "no columns" in refusal(tmp_path, column="url")
    assert "no columns" in refusal("http://a/", column="url")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_source_that_may_not_be_read_is_refused(tmp_path):
    write(tmp_path / "a.csv", "url\nhttp://a/\n").chmod(0)

    assert "may not be read" in refusal(tmp_path / "a.csv")


@pytest.mark.parametrize("kind", ["txt", "csv", "jsonl"])
def test_a_large_list_is_never_in_memory_as_a_whole(tmp_path, kind):
    path = tmp_path / f"large.{kind}"
    header = {"txt": "", "csv": "url,n\n", "jsonl": ""}[kind]
    line = {"txt": "http://a/{}\n", "csv": "http://a/{},x\n", "jsonl": '{{"url": "http://a/{}"}}\n'}[kind]
    with path.open("w") as file:
        file.write(header)
        file.writelines(line.format(number) for number in range(30_000))
    tracemalloc.start()
    try:
        count = sum(1 for _ in open_source(path).entries())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert count == 30_000
    assert peak < 1_000_000


def test_the_entries_of_a_file_can_be_read_again(tmp_path):
    source = open_source(write(tmp_path / "urls.txt", "http://a/\nhttp://b/\n"))

    first = list(itertools.islice(source.entries(), 1))

    assert [entry.uri for entry in first] == ["http://a/"]
    assert len(list(source.entries())) == 2
