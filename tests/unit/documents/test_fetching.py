import asyncio
import gzip
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from outlive.contracts.batches import ReadingOptions
from outlive.contracts.outcomes import Cause
from outlive.documents.fetching import retry_after_seconds
from outlive.documents.reader import Backoff, Reader
from outlive.errors import DocumentError

QUICK = Backoff(first_seconds=0.001, longest_seconds=0.002)


@asynccontextmanager
async def reading(**options: object) -> AsyncIterator[Reader]:
    values = {"allow_private_addresses": True, "timeout_seconds": 20.0, **options}
    async with Reader(ReadingOptions(**values), backoff=QUICK) as reader:
        yield reader


async def failure(reader: Reader, uri: str) -> DocumentError:
    with pytest.raises(DocumentError) as caught:
        await reader.read(uri)
    return caught.value


async def test_a_page_becomes_its_text_title_and_type(site, reader):
    url = site.page("/a", b"<html><head><title>Greeting</title></head><body><p>Hello</p><p>World</p></body></html>")

    got = await reader.read(url)

    assert (got.text, got.title, got.media_type) == ("Hello\nWorld", "Greeting", "text/html")
    assert got.bytes_read == 86


@pytest.mark.parametrize("status", [404, 410])
async def test_a_missing_page_is_not_found_and_asked_for_once(site, reader, status):
    url = site.page("/gone", b"", status=status)

    error = await failure(reader, url)

    assert error.cause == Cause.NOT_FOUND
    assert str(status) in error.reason
    assert site.asked["/gone"] == 1


@pytest.mark.parametrize("status", [400, 401, 403, 451, 501])
async def test_a_refusal_is_an_http_error_and_asked_for_once(site, reader, status):
    error = await failure(reader, site.page("/no", b"", status=status))

    assert error.cause == Cause.HTTP_ERROR
    assert site.asked["/no"] == 1


async def test_a_500_is_tried_again_until_it_answers(site, reader):
    async def flaky(request):
        good = site.asked["/flaky"] >= 3
        return web.Response(text="at last" if good else "oops", status=200 if good else 500)

    got = await reader.read(site.serve("/flaky", flaky))

    assert got.text == "at last"
    assert site.asked["/flaky"] == 3


async def test_a_server_that_keeps_failing_is_an_http_error_after_the_attempts(site):
    async with reading(attempts=3) as reader:
        error = await failure(reader, site.page("/down", b"", status=503))

    assert error.cause == Cause.HTTP_ERROR
    assert "503" in error.reason
    assert "3 attempts" in error.reason
    assert site.asked["/down"] == 3


async def test_a_429_makes_everyone_wait_for_that_host_as_long_as_it_asks(site, reader):
    limited = asyncio.Event()

    async def busy(request):
        if limited.is_set():
            return web.Response(text="now")
        limited.set()
        return web.Response(status=429, headers={"Retry-After": "1"})

    first = asyncio.create_task(reader.read(site.serve("/busy", busy)))
    await asyncio.wait_for(limited.wait(), 10)
    while not reader._hosts._gates["127.0.0.1"].free_at:  # noqa: ASYNC110 - the answer is on its way to the reader
        await asyncio.sleep(0.001)
    await reader.read(site.page("/other", b"other", "text/plain"))
    await first

    assert site.asked == {"/busy": 2, "/other": 1}
    assert min(site.moments[1:]) - site.moments[0] >= 0.99


def test_retry_after_takes_seconds_and_dates_and_is_capped():
    now = datetime(2026, 1, 1, tzinfo=UTC)

    assert retry_after_seconds("7", now) == 7
    assert retry_after_seconds("Thu, 01 Jan 2026 00:00:30 GMT", now) == 30
    assert retry_after_seconds("Thu, 01 Jan 2025 00:00:30 GMT", now) == 0
    assert retry_after_seconds("86400000000000000000000000", now) == 120
    assert retry_after_seconds("soon", now) is None
    assert retry_after_seconds("-5", now) is None
    assert retry_after_seconds(None, now) is None


async def test_an_endless_body_is_too_large_and_not_kept(site):
    async def endless(request):
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 65536)

    async with reading(max_bytes=1_000_000) as reader:
        error = await failure(reader, site.serve("/endless", endless))

    assert error.cause == Cause.TOO_LARGE
    assert site.asked["/endless"] == 1


async def test_a_body_that_declares_too_much_is_refused_before_it_is_read(site):
    async with reading(max_bytes=1000) as reader:
        error = await failure(reader, site.page("/big", b"x" * 2000, "text/plain"))

    assert error.cause == Cause.TOO_LARGE
    assert "2,000" in error.reason


async def test_a_body_of_exactly_the_cap_is_read(site):
    async with reading(max_bytes=2000) as reader:
        got = await reader.read(site.page("/edge", b"x" * 2000, "text/plain"))

    assert len(got.text) == 2000


async def test_a_gzip_bomb_is_too_large(site):
    bomb = gzip.compress(b"\0" * 50_000_000)

    async def handler(request):
        return web.Response(body=bomb, headers={"Content-Encoding": "gzip", "Content-Type": "text/plain"})

    async with reading(max_bytes=1_000_000) as reader:
        error = await failure(reader, site.serve("/bomb", handler))

    assert len(bomb) < 100_000
    assert error.cause == Cause.TOO_LARGE


async def test_a_compressed_page_is_unpacked(site, reader):
    async def handler(request):
        return web.Response(body=gzip.compress(b"packed text"), headers={"Content-Encoding": "gzip"})

    assert (await reader.read(site.serve("/gz", handler))).text == "packed text"


async def test_damaged_compression_is_a_failed_connection(site):
    async def handler(request):
        return web.Response(body=b"this is not gzip", headers={"Content-Encoding": "gzip"})

    async with reading(attempts=2) as reader:
        error = await failure(reader, site.serve("/gz", handler))

    assert error.cause == Cause.CONNECTION
    assert site.asked["/gz"] == 2


async def test_a_slow_drip_is_a_timeout(site):
    async def drip(request):
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x")
            await asyncio.sleep(0.02)

    async with reading(timeout_seconds=0.3, attempts=1) as reader:
        error = await failure(reader, site.serve("/drip", drip))

    assert error.cause == Cause.TIMEOUT
    assert "0.3 seconds" in error.reason


async def test_a_server_that_never_answers_is_a_timeout(site):
    async def silent(request):
        await asyncio.sleep(30)
        return web.Response()

    async with reading(timeout_seconds=0.2, attempts=2) as reader:
        error = await failure(reader, site.serve("/silent", silent))

    assert error.cause == Cause.TIMEOUT
    assert site.asked["/silent"] == 2


async def test_waiting_for_a_hosts_turn_is_no_timeout(site):
    async def slow(request):
        await asyncio.sleep(0.1)
        return web.Response(text="done")

    url = site.serve("/slow", slow)
    async with reading(timeout_seconds=5, connections_per_host=1, attempts=1) as reader:
        got = await asyncio.gather(*(reader.read(url) for _ in range(4)))

    assert [item.text for item in got] == ["done"] * 4
    assert site.most_in_flight == 1


async def test_a_truncated_body_is_tried_again_and_then_a_failed_connection(site):
    async def cut(request):
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b"only this")
        request.transport.close()
        return response

    async with reading(attempts=2) as reader:
        error = await failure(reader, site.serve("/cut", cut))

    assert error.cause == Cause.CONNECTION
    assert site.asked["/cut"] == 2


async def test_a_closed_port_is_a_failed_connection():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, never listening: nobody else can open it meanwhile
        async with reading(attempts=2) as reader:
            error = await failure(reader, f"http://127.0.0.1:{taken.getsockname()[1]}/")

    assert error.cause == Cause.CONNECTION


async def test_a_name_that_cannot_be_resolved_is_a_dns_failure():
    async with reading(attempts=2) as reader:
        error = await failure(reader, "http://nothing.example.invalid/")

    assert error.cause == Cause.DNS
    assert "nothing.example.invalid" in error.reason


async def test_redirects_are_followed_relative_ones_too(site, reader):
    async def go(request):
        return web.Response(status=302, headers={"Location": "sub/end?x=1"})

    site.page("/sub/end", b"the end", "text/plain")

    assert (await reader.read(site.serve("/start", go))).text == "the end"


async def test_redirects_in_a_circle_end(site, reader):
    async def there(request):
        return web.Response(status=302, headers={"Location": "/b"})

    async def back(request):
        return web.Response(status=302, headers={"Location": "/a"})

    site.serve("/b", back)
    error = await failure(reader, site.serve("/a", there))

    assert error.cause == Cause.REDIRECTS
    assert sum(site.asked.values()) == 2


async def test_redirects_without_end_end_after_ten(site, reader):
    async def further(request):
        return web.Response(status=302, headers={"Location": f"/hop?n={site.asked['/hop']}"})

    error = await failure(reader, site.serve("/hop", further))

    assert error.cause == Cause.REDIRECTS
    assert site.asked["/hop"] == 11


@pytest.mark.parametrize(
    "location", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:text/plain,hi", "javascript:1", "http://"]
)
async def test_a_redirect_to_anything_but_the_web_is_refused(site, reader, location):
    async def go(request):
        return web.Response(status=302, headers={"Location": location})

    error = await failure(reader, site.serve("/go", go))

    assert error.cause == Cause.REDIRECTS


async def test_a_redirect_without_a_target_is_an_http_error(site, reader):
    async def go(request):
        return web.Response(status=302)

    assert (await failure(reader, site.serve("/go", go))).cause == Cause.HTTP_ERROR


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/a",
        "http://",
        "https:///path",
        "http://exa mple.org/",
        "http://a:99999/",
        "gopher://x/",
        "file://elsewhere/etc/hosts",
    ],
)
async def test_what_is_no_web_address_is_a_bad_address(reader, url):
    assert (await failure(reader, url)).cause == Cause.BAD_ADDRESS


ODD_HOSTS = [
    "xn--a.invalid",
    "a" * 70 + ".com",
    "exa\x00mple",
    "a..b",
    "[::1",
    "user@",
    "1.2.3",
    "%31%32",
    "[v1.x]",
    "\u2100",
    ".",
]


@pytest.mark.parametrize(
    "host", [*ODD_HOSTS, "a:b", "a:-1", "a:0", "%", "%zz", "\ud800", "a\nb", "\u3002", "*", "a_b.invalid"]
)
async def test_no_odd_host_does_more_than_fail_its_own_document(host):
    async with Reader(ReadingOptions(attempts=1, timeout_seconds=10), backoff=QUICK) as reader:
        error = await failure(reader, f"http://{host}/")

    assert error.cause in {Cause.BAD_ADDRESS, Cause.DNS, Cause.ADDRESS_REFUSED, Cause.CONNECTION, Cause.TIMEOUT}


@pytest.mark.parametrize("host", ODD_HOSTS)
async def test_no_odd_redirect_does_more_than_fail_its_own_document(site, reader, host):
    async def go(request):
        return web.Response(status=302, headers={"Location": f"http://{host}/".replace("\x00", "%00")})

    error = await failure(reader, site.serve("/go", go))

    assert error.cause in {Cause.REDIRECTS, Cause.BAD_ADDRESS, Cause.DNS, Cause.CONNECTION, Cause.TIMEOUT}


async def test_no_more_than_the_allowed_requests_are_in_flight_to_one_host(site):
    async def slow(request):
        await asyncio.sleep(0.01)
        return web.Response(text="ok")

    url = site.serve("/slow", slow)
    async with reading(connections_per_host=3) as reader:
        await asyncio.gather(*(reader.read(url) for _ in range(30)))

    assert site.most_in_flight == 3


async def test_the_delay_lies_between_any_two_requests_to_a_host(site):
    url = site.page("/a", b"text", "text/plain")
    async with reading(delay_seconds=0.05) as reader:
        await asyncio.gather(*(reader.read(url) for _ in range(5)))

    gaps = [later - earlier for earlier, later in zip(site.moments, site.moments[1:], strict=False)]
    # The gap is kept where requests leave; they may arrive bunched on a busy machine, but not sooner in sum.
    assert sum(gaps) >= 4 * 0.05 - 0.03


async def test_the_server_learns_who_asks_and_no_cookie_comes_back(site, reader):
    seen = []

    async def handler(request):
        seen.append((request.headers["User-Agent"], request.headers.get("Cookie")))
        return web.Response(text="ok", headers={"Set-Cookie": "a=b"})

    url = site.serve("/", handler)
    await reader.read(url)
    await reader.read(url)

    assert [cookie for _, cookie in seen] == [None, None]
    assert seen[0][0].startswith("outlive/")


async def test_a_password_in_a_url_is_not_repeated_in_the_reason(site, reader):
    error = await failure(reader, f"http://user:secret@127.0.0.1:{site.port}/none")

    assert error.cause == Cause.NOT_FOUND
    assert "secret" not in error.reason


async def test_four_thousand_urls_at_five_hundred_in_flight_are_read_over_one_host(site):
    async def handler(request):
        return web.Response(text=request.path)

    gate = asyncio.Semaphore(500)
    paths = [f"/{number}" for number in range(4000)]
    site.pages = dict.fromkeys(paths, handler)

    async def one(reader, path):
        async with gate:
            return (await reader.read(site.url(path))).text

    async with reading(connections_per_host=100) as reader:
        texts = await asyncio.gather(*(one(reader, path) for path in paths))

    assert texts == paths
    assert set(site.asked.values()) == {1}
    assert site.most_in_flight <= 100


async def test_closing_the_reader_leaves_no_socket_open(site):
    url = site.page("/a", b"text", "text/plain")
    before = open_descriptors()
    async with reading() as reader:
        await asyncio.gather(*(reader.read(url) for _ in range(8)))
    deadline = asyncio.get_running_loop().time() + 10
    while open_descriptors() > before and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(0.01)

    assert open_descriptors() <= before


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_private_addresses_are_refused_by_default_and_never_asked(site):
    async with Reader(ReadingOptions(attempts=3), backoff=QUICK) as reader:
        error = await failure(reader, site.page("/a", b"text"))

    assert error.cause == Cause.ADDRESS_REFUSED
    assert "127.0.0.1" in error.reason
    assert "OUTLIVE_ALLOW_PRIVATE_ADDRESSES" in error.reason
    assert not site.asked


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
        "127.0.0.1.",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "0",
        "[64:ff9b::7f00:1]",
        "LOCALHOST.",
    ],
)
async def test_odd_spellings_of_this_machine_are_refused(site, host):
    site.page("/a", b"text")
    async with Reader(ReadingOptions(attempts=1), backoff=QUICK) as reader:
        error = await failure(reader, f"http://{host}:{site.port}/a")

    assert error.cause in {Cause.ADDRESS_REFUSED, Cause.DNS, Cause.BAD_ADDRESS}
    assert not site.asked


class _Rebinding(aiohttp.abc.AbstractResolver):
    """Says of any name what it is told to, as a hostile name server does."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses

    async def resolve(self, host, port=0, family=socket.AF_INET):
        return [
            {"hostname": host, "host": address, "port": port, "family": socket.AF_INET, "proto": 0, "flags": 0}
            for address in self.addresses
        ]

    async def close(self):
        pass


async def test_a_name_that_leads_here_after_it_was_checked_is_refused_at_the_socket(site):
    site.page("/a", b"text")
    async with Reader(ReadingOptions(attempts=1), backoff=QUICK) as reader:
        reader._session.connector._resolver = _Rebinding("127.0.0.1")
        error = await failure(reader, f"http://public.example.org:{site.port}/a")

    assert error.cause == Cause.ADDRESS_REFUSED
    assert not site.asked


async def test_a_name_with_private_addresses_only_is_refused_when_it_is_resolved(site):
    async with Reader(ReadingOptions(attempts=1), backoff=QUICK) as reader:
        reader._session.connector._resolver._inner = _Rebinding("10.0.0.7", "169.254.169.254")
        error = await failure(reader, f"http://inside.example.org:{site.port}/a")

    assert error.cause == Cause.ADDRESS_REFUSED
    assert "10.0.0.7" in error.reason


@pytest.mark.parametrize("target", ["http://169.254.169.254/latest/meta-data", "http://localhost/x", "http://[::1]/"])
async def test_a_redirect_to_a_private_address_is_refused(target):
    async with Reader(ReadingOptions(attempts=1), backoff=QUICK) as reader:
        with pytest.raises(DocumentError) as caught:  # as the second hop: no public server is at hand for the first
            await reader._fetcher._hop(URL(target), 5, first=False)

    assert caught.value.cause == Cause.REDIRECTS
    assert "not a public address" in caught.value.reason
