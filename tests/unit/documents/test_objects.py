"""Documents in buckets: which objects a prefix or glob takes, and how they are read."""

import itertools
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import obstore
import pytest

from object_store import ObjectServer
from outlive.cli.results import check_destination
from outlive.contracts.batches import ReadingOptions
from outlive.contracts.outcomes import Cause
from outlive.documents.entries import address_key
from outlive.documents.objects import ObjectListing
from outlive.documents.objects_written import PART_BYTES
from outlive.documents.reader import Reader
from outlive.documents.rows import ResultRow
from outlive.documents.sinks import open_sink
from outlive.documents.sources import open_source
from outlive.errors import DocumentError, SinkError, SourceError

KEYS = [
    "in/1.txt",
    "in/deep/2.md",
    "in/deep/3.bin",
    "in/.hidden/4.txt",
    "in/a b#c?d%20.txt",
    "in/[x].txt",
    "in/x.txt",
    "inner.txt",
    "rows.csv",
]


@pytest.fixture
def filled(bucket: str, shared_objects: ObjectServer) -> str:
    for key in KEYS:
        obstore.put(shared_objects.bucket(bucket), key, f"The text of {key}.".encode())
    return f"s3://{bucket}"


def keys_of(source: str, bucket: str) -> set[str]:
    return {entry.uri.removeprefix(f"{bucket}/") for entry in open_source(source).entries()}


def refusal(source: str, **how: str) -> str:
    with pytest.raises(SourceError) as caught:
        open_source(source, **how)
    return str(caught.value)


@pytest.mark.parametrize("prefix", ["in", "in/"])
def test_a_prefix_is_a_folder_of_documents_that_are_read_hidden_names_passed_over(filled, prefix):
    assert keys_of(f"{filled}/{prefix}", filled) == {
        "in/1.txt",
        "in/deep/2.md",
        "in/a b#c?d%20.txt",
        "in/[x].txt",
        "in/x.txt",
    }


def test_a_glob_takes_whatever_it_matches(filled):
    assert keys_of(f"{filled}/in/**/*", filled) == set(KEYS) - {"in/.hidden/4.txt", "inner.txt", "rows.csv"}
    assert keys_of(f"{filled}/in/*/*.bin", filled) == {"in/deep/3.bin"}
    assert keys_of(f"{filled}/*.txt", filled) == {"inner.txt"}


def test_a_key_that_is_there_is_one_document_whatever_characters_it_has(filled):
    assert keys_of(f"{filled}/in/[x].txt", filled) == {"in/[x].txt"}


def test_a_listing_of_the_same_objects_is_the_same_every_time(filled):
    first, second = (list(open_source(filled).entries()) for _ in range(2))

    assert first == second


def test_what_is_not_there_or_not_allowed_is_said(filled, monkeypatch):
    assert "holds no object that matches" in refusal(f"{filled}/nothing/")
    assert "404" in refusal("s3://no-such-bucket-here/x/")
    assert "has no columns" in refusal(f"{filled}/in", column="url")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a-wrong-one")
    said = refusal(f"{filled}/in")
    assert "AWS_ACCESS_KEY_ID" in said
    assert "403" in said


LISTED = {
    "lists/rows.csv": "path,id\r\na.txt,1\r\nhttps://example.org/b,2\r\n",
    "lists/rows.jsonl": '\ufeff{"path": "a.txt", "id": 1}\n\n{"path": "https://example.org/b", "id": 2}',
}


@pytest.mark.parametrize("key", LISTED)
def test_a_list_in_a_bucket_is_read_there_and_its_relative_paths_are_keys_beside_it(filled, shared_objects, key):
    obstore.put(shared_objects.bucket(filled[5:]), key, LISTED[key].encode())
    entries = list(open_source(f"{filled}/{key}").entries())

    assert [entry.uri for entry in entries] == [f"{filled}/lists/a.txt", "https://example.org/b"]
    assert [int(entry.fields["id"]) for entry in entries] == [1, 2]


def test_a_long_list_in_a_bucket_is_a_stream_of_all_its_rows(filled, shared_objects):
    lines = "".join(f'{{"text": "é {number} {"x" * 1000}"}}\n' for number in range(5000))
    obstore.put(shared_objects.bucket(filled[5:]), "long.jsonl", lines.encode())
    entries = list(open_source(f"{filled}/long.jsonl", text_column="text").entries())

    assert [entry.text.split()[1] for entry in entries] == [str(number) for number in range(5000)]


def test_keys_that_differ_are_different_documents(filled):
    assert address_key("s3://b/k#1") != address_key("s3://b/k#2")
    assert address_key("s3://b/k?1") != address_key("s3://b/k?2")


async def test_a_worker_reads_each_object_as_what_it_is(filled, shared_objects):
    obstore.put(shared_objects.bucket(filled[5:]), "page.html", b"<title>T</title><p>Words.</p>")
    async with Reader() as reader:
        page = await reader.read(f"{filled}/page.html")
        odd = await reader.read(f"{filled}/in/a b#c?d%20.txt")

    assert (page.title, page.media_type) == ("T", "text/html")
    assert odd.text == "The text of in/a b#c?d%20.txt."


async def test_an_object_that_cannot_be_read_is_a_documents_outcome(filled, monkeypatch):
    async with Reader(ReadingOptions(max_bytes=10)) as reader:
        causes = [await cause(reader, f"{filled}/{key}") for key in ("gone.txt", "inner.txt", "a//b.txt", "")]
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-wrong-one")
    async with Reader() as reader:
        causes.append(await cause(reader, f"{filled}/inner.txt"))

    assert causes == [Cause.NOT_FOUND, Cause.TOO_LARGE, Cause.BAD_ADDRESS, Cause.BAD_ADDRESS, Cause.UNREADABLE]


async def cause(reader: Reader, url: str) -> str:
    with pytest.raises(DocumentError) as caught:
        await reader.read(url)
    return caught.value.cause


PAGES = 1000


class EndlessBucket(BaseHTTPRequestHandler):
    """Lists a million keys, a thousand a page, and counts how many pages were asked for."""

    protocol_version = "HTTP/1.1"
    pages_asked = 0

    def do_GET(self) -> None:
        place = int(parse_qs(urlsplit(self.path).query).get("continuation-token", ["0"])[0])
        type(self).pages_asked += 1
        objects = "".join(
            f"<Contents><Key>in/{place:04}-{number:03}.txt</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
            "<Size>1</Size><ETag>e</ETag><StorageClass>STANDARD</StorageClass></Contents>"
            for number in range(1000)
        )
        more = f"<NextContinuationToken>{place + 1}</NextContinuationToken>" if place + 1 < PAGES else ""
        body = (
            f"<ListBucketResult><Name>b</Name><Prefix>in/</Prefix><KeyCount>1000</KeyCount><MaxKeys>1000</MaxKeys>"
            f"<IsTruncated>{'true' if more else 'false'}</IsTruncated>{more}{objects}</ListBucketResult>"
        ).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def endless(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[EndlessBucket]]:
    EndlessBucket.pages_asked = 0
    server = ThreadingHTTPServer(("127.0.0.1", 0), EndlessBucket)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_address[1]}")
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"):
        monkeypatch.setenv(name, "any")
    yield EndlessBucket
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_million_keys_are_listed_a_page_at_a_time(endless):
    entries = ObjectListing("s3://b/in/").entries()
    read = list(itertools.islice(entries, 2500))

    assert read[-1].uri == "s3://b/in/0002-499.txt"
    assert endless.pages_asked <= 4  # the pages that were read, and at most one that is fetched ahead


def rows(*numbers: int) -> list[ResultRow]:
    return [
        ResultRow(position=number, uri=f"u{number}", status="done", result={"n": number, "text": "words " * 20})
        for number in numbers
    ]


def names_in(server: ObjectServer, bucket: str) -> list[str]:
    return [found["path"] for page in obstore.list(server.bucket(bucket)) for found in page]


def body_of(server: ObjectServer, bucket: str, key: str) -> bytes:
    return bytes(obstore.get(server.bucket(bucket), key).bytes())


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_an_object_holds_what_a_file_would_hold(bucket, shared_objects, tmp_path, kind):
    for destination in (tmp_path / f"out.{kind}", f"s3://{bucket}/some/out.{kind}"):
        with open_sink(destination) as sink:
            for first in range(0, 3000, 500):
                sink.write(rows(*range(first, first + 500)))

    assert body_of(shared_objects, bucket, f"some/out.{kind}") == (tmp_path / f"out.{kind}").read_bytes()


def test_an_object_of_several_parts_is_whole(bucket, shared_objects):
    with open_sink(f"s3://{bucket}/out.jsonl") as sink:
        for first in range(0, 60_000, 1000):
            sink.write(rows(*range(first, first + 1000)))
        written = sink.rows_written

    lines = body_of(shared_objects, bucket, "out.jsonl").splitlines()
    assert sum(map(len, lines)) > 2 * PART_BYTES
    assert [json.loads(line)["position"] for line in lines] == list(range(written))


def write_and_fail(destination: str) -> None:
    with open_sink(destination) as sink:
        for first in range(0, 60_000, 1000):
            sink.write(rows(*range(first, first + 1000)))
        raise ZeroDivisionError


def test_a_writer_that_fails_leaves_the_object_that_was_there_and_no_parts(bucket, shared_objects):
    obstore.put(shared_objects.bucket(bucket), "out.jsonl", b"yesterday's")
    with pytest.raises(ZeroDivisionError):
        write_and_fail(f"s3://{bucket}/out.jsonl")

    assert body_of(shared_objects, bucket, "out.jsonl") == b"yesterday's"
    assert shared_objects.unfinished_uploads(bucket) == 0


def test_whether_an_object_may_be_written_is_known_before_anything_is_paid_for(bucket, shared_objects, monkeypatch):
    check_destination(f"s3://{bucket}/out.jsonl")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a-wrong-one")
    with pytest.raises(SinkError) as caught:
        check_destination(f"s3://{bucket}/out.jsonl")

    assert "may not be written with these credentials: 403" in str(caught.value)
    assert names_in(shared_objects, bucket) == []
    assert shared_objects.unfinished_uploads(bucket) == 0


@pytest.mark.parametrize("key", ["", "/", "/folder/"])
def test_a_bucket_or_prefix_is_no_place_for_results(bucket, key):
    with pytest.raises(SinkError, match="names no object"):
        open_sink(f"s3://{bucket}{key}", format="csv")
