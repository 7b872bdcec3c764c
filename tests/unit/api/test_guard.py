"""Who is served: checked before anything of a request is looked at."""

import asyncio
import json

import pytest

from outlive.api.access import Access
from outlive.api.application import create_api, described_api
from outlive.api.guard import Guard
from outlive.api.server import check_host, port_for
from outlive.app import App
from outlive.errors import SettingError
from outlive.settings import Settings

TOKEN = "a-token-that-is-long-enough"
LOCAL = {"host": "127.0.0.1:8234"}


async def echo(scope, receive, send):
    message = await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": message["body"]})


def guarded(**settings):
    return Guard(echo, Access(Settings(**settings)))


async def ask(guard, *, method="GET", headers=LOCAL, body=(b"",), client=("127.0.0.1", 5000)):
    """Send one request, its body in parts, and return status, headers and body of the answer."""
    raw = headers.items() if isinstance(headers, dict) else headers
    scope = {
        "type": "http",
        "method": method,
        "path": "/v1/app",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in raw],
        "client": client,
    }
    parts = [{"type": "http.request", "body": part, "more_body": n < len(body)} for n, part in enumerate(body, 1)]
    sent = []

    async def receive():
        return parts.pop(0)

    async def send(message):
        sent.append(message)

    await guard(scope, receive, send)
    answer = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], answer, b"".join(message.get("body", b"") for message in sent[1:])


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8234", "localhost:1", "LOCALHOST", "[::1]:8234"])
async def test_this_machine_is_served_under_its_own_names(host):
    status, headers, _ = await ask(guarded(), headers={"host": host})

    assert status == 200
    assert (headers["cache-control"], headers["x-content-type-options"]) == ("no-store", "nosniff")


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "evil@127.0.0.1", "127.0.0.1/x", "127.0.0.1:x", "", "0.0.0.0"]
)
async def test_a_name_that_somebody_lets_point_to_this_machine_is_not_served(host):
    status, headers, body = await ask(guarded(), headers={"host": host})

    assert status == 403
    assert headers["content-type"] == "application/problem+json"
    assert json.loads(body)["status"] == 403


@pytest.mark.parametrize("address", ["10.0.0.7", "192.168.1.1", "::ffff:10.0.0.7", "2001:db8::1", "unknown"])
async def test_other_machines_are_not_served_without_a_token(address):
    status, _, _ = await ask(guarded(), client=(address, 5000))

    assert status == 403


async def test_loopback_in_the_notation_of_ipv6_is_this_machine():
    assert (await ask(guarded(), client=("::ffff:127.0.0.1", 1)))[0] == 200
    assert (await ask(guarded(), client=("::1", 1)))[0] == 200


async def test_with_a_token_whoever_sends_it_is_served_and_nobody_else_this_machine_included():
    guard = guarded(api_token=TOKEN)
    far = {"client": ("10.0.0.7", 1)}

    right = await ask(guard, headers={"host": "api.example", "authorization": f"Bearer {TOKEN}"}, **far)
    lower = await ask(guard, headers={"host": "api.example", "authorization": f"bearer {TOKEN}"}, **far)
    wrong = [
        await ask(guard, headers=LOCAL | {"authorization": value})
        for value in (f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", "Bearer ", f"Basic {TOKEN}", TOKEN, "Bearer \u00e9")
    ]
    missing = await ask(guard)

    assert (right[0], lower[0]) == (200, 200)
    assert [answer[0] for answer in wrong] == [401] * len(wrong)
    assert missing[0] == 401
    assert missing[1]["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9999"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
async def test_what_a_page_of_another_origin_sends_is_refused(headers):
    status, _, _ = await ask(guarded(), method="POST", headers=LOCAL | headers)

    assert status == 403


async def test_what_a_page_of_this_very_origin_sends_is_served():
    headers = LOCAL | {"origin": "http://127.0.0.1:8234", "sec-fetch-site": "same-origin"}

    assert (await ask(guarded(), method="POST", headers=headers))[0] == 200


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
async def test_a_body_that_a_form_can_send_is_refused(kind):
    headers = LOCAL | ({} if kind is None else {"content-type": kind})

    status, _, _ = await ask(guarded(), method="POST", headers=headers, body=(b"{}",))

    assert status == 415


async def test_a_header_that_decides_may_be_given_only_once():
    twice = [("host", "127.0.0.1"), ("host", "evil.example")]

    assert (await ask(guarded(), headers=twice))[0] == 400


async def test_a_body_reaches_the_api_whole_up_to_its_limit():
    guard = Guard(echo, Access(Settings()), max_body_bytes=6)
    headers = LOCAL | {"content-type": "application/json; charset=utf-8"}

    whole = await ask(guard, method="POST", headers=headers, body=(b"123", b"456"))
    larger = await ask(guard, method="POST", headers=headers, body=(b"123", b"456", b"7"))
    declared = await ask(guard, method="POST", headers=headers | {"content-length": "7"}, body=(b"",))

    assert whole[::2] == (200, b"123456")
    assert (larger[0], declared[0]) == (413, 413)


def test_another_address_than_loopback_needs_a_token():
    for host in ("0.0.0.0", "::", "10.0.0.7", "api.example"):
        with pytest.raises(SettingError, match="without a token"):
            check_host(host, Settings())
        check_host(host, Settings(api_token=TOKEN))
    for host in ("127.0.0.1", "::1", "localhost"):
        check_host(host, Settings())


def test_the_port_of_the_settings_counts():
    assert port_for(Settings(api_port=4711)) == 4711
    assert port_for(Settings()) > 0


def test_the_token_is_in_no_representation_and_a_short_one_is_refused():
    assert TOKEN not in repr(Settings(api_token=TOKEN))
    with pytest.raises(SettingError, match="has 5 characters"):
        Settings.load({"OUTLIVE_API_TOKEN": "short"})


def test_every_answer_is_described_and_no_page_loads_scripts():
    described = described_api(App("test"), Settings()).openapi()

    operations = [(path, method, one) for path, item in described["paths"].items() for method, one in item.items()]
    assert len(operations) > 20
    for path, method, operation in operations:
        success = next(answer for status, answer in operation["responses"].items() if status.startswith("2"))
        assert operation["summary"], path
        assert "default" in operation["responses"], path
        assert path.endswith(("/events", "/live", "/download")) or success["content"]["application/json"]["schema"], (
            path,
            method,
        )
    assert not {"/docs", "/redoc"} & set(described["paths"])


async def test_the_description_needs_the_token_too():
    guard = create_api(App("test"), Settings(api_token=TOKEN))

    status, _, _ = await asyncio.wait_for(ask(guard), 5)

    assert status == 401
