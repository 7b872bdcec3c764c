"""Who is served by the console, asked over HTTP as browsers and programs ask."""

import json
import logging
from collections import Counter

import aiohttp
import pytest

from consoles import console_of, page_of
from outlive.api.access import Access, Caller
from outlive.api.connected import acting_name
from outlive.api.roles import WRITES, Role, needed
from outlive.api.sessions import Session, Sessions
from outlive.app import App
from outlive.console import attempts
from outlive.console.describe import description
from outlive.errors import SettingError, UsageError
from outlive.settings import Settings

OPERATE, DECIDE, LOOK = "operate-token-1234567", "decide-token-12345678", "look-token-1234567890"
TOKENS = {"api_token": OPERATE, "decide_token": DECIDE, "look_token": LOOK}


@pytest.fixture
def settings(tmp_path):
    return Settings(home=tmp_path / ".outlive", **TOKENS)


@pytest.fixture
def open_settings(tmp_path):
    return Settings(home=tmp_path / ".outlive")


async def test_without_a_token_this_machine_operates_and_nobody_signs_in(open_settings):
    async with console_of(App("shop"), open_settings) as url, page_of(url) as page:
        session = await page.get("/v1/session")
        signed = await page.post("/v1/session", {"token": OPERATE, "name": "ada"})
        read = await page.get("/v1/app")

    assert session.body["role"] == "operate"
    assert (session.body["needs_sign_in"], session.body["csrf"], session.body["project"]) == (False, None, "shop")
    assert (signed.status, read.status) == (409, 200)


async def test_with_a_token_a_page_shows_nothing_before_somebody_has_signed_in(settings):
    async with console_of(App("shop"), settings) as url, page_of(url) as page:
        before = await page.get("/v1/session")
        refused = [await page.get(path) for path in ("/v1/app", "/openapi.json", "/v1/live", "/temporal/", "/v1/demo")]
        codec = await page.post("/codec/decode", {"payloads": []})
        pages = await page.get("/runs/agent/desk/lamps")
        signed = await page.sign_in(OPERATE)
        after = await page.get("/v1/session")
        read = await page.get("/v1/app")

    assert before.body["needs_sign_in"]
    assert (before.body["role"], before.body["version"], before.body["project"]) == (None, "", "")
    assert [answer.status for answer in [*refused, codec]] == [401] * 6
    assert pages.status == 200
    assert (signed.status, signed.body["role"], signed.body["name"]) == (200, "operate", "ada")
    assert after.body == signed.body
    assert read.status == 200


@pytest.mark.parametrize(("token", "role"), [(OPERATE, "operate"), (DECIDE, "decide"), (LOOK, "look")])
async def test_a_role_may_do_what_its_writes_need_and_no_more(settings, token, role):
    writes = {
        "/v1/runs/agent/nobody": "operate",
        "/v1/runs/agent/nobody/x/cancel": "operate",
        "/v1/batches": "operate",
        "/v1/demo/kill": "operate",
        "/temporal/api/v1/namespaces/default/workflows/x/terminate": "operate",
        "/v1/something/new": "operate",
        "/v1/hand-offs/none/decision": "decide",
        "/v1/hand-offs/none/claim": "decide",
        "/v1/hand-offs/none/release": "decide",
        "/v1/runs/agent/nobody/x/messages": "decide",
        "/codec/decode": "look",
    }
    ranks = ["look", "decide", "operate"]

    async with console_of(App("shop"), settings) as url, page_of(url) as page, aiohttp.ClientSession() as program:
        await page.sign_in(token)
        by_page = {path: (await page.post(path, {})).status for path in writes}
        by_program = {}
        for path in writes:
            async with program.post(url + path, json={}, headers={"Authorization": f"Bearer {token}"}) as answer:
                by_program[path] = answer.status
        reads = [(await page.get(path)).status for path in ("/v1/app", "/v1/session", "/openapi.json")]

    for found in (by_page, by_program):
        refused = {path for path, status in found.items() if status == 403}
        assert refused == {path for path, need in writes.items() if ranks.index(need) > ranks.index(role)}
    assert reads == [200] * 3


def test_each_write_route_has_a_role_that_somebody_has_chosen():
    paths = json.loads(description())["paths"]
    writes = {
        (method.upper(), path) for path, item in paths.items() for method in item if method not in {"get", "head"}
    }

    without_converter = {(method, path.replace(":path", "")) for method, path in WRITES}
    assert len(writes) > 10
    assert writes - without_converter == set()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/unknown"),
        ("PUT", "/v1/hand-offs/x/decision"),
        ("PATCH", "/v1/app"),
        ("POST", "/v1/hand-offs/x/y/decision"),
        ("POST", "/v1/hand-offs/x/decision\n"),
        ("POST", "/v1/runs/agent/a/messages/cancel"),
        ("DELETE", "/v1/app"),
        ("BREW", "/v1/app"),
    ],
)
def test_a_write_that_nobody_knows_needs_the_highest_role(method, path):
    assert needed(method, path).role is Role.OPERATE


async def test_a_write_of_a_session_needs_its_csrf_token_and_a_program_none(settings):
    path = "/v1/batches/none/pause"

    async with console_of(App("shop"), settings) as url, page_of(url) as page, page_of(url) as other:
        await page.sign_in(OPERATE)
        await other.sign_in(OPERATE, "bob")
        right = await page.post(path)
        theirs = await page.post(path, headers={"X-CSRF-Token": other.csrf})
        page.csrf = ""
        without = await page.post(path)
        read = await page.get("/v1/app")
        async with aiohttp.ClientSession() as program:
            answer = await program.post(url + path, headers={"Authorization": f"Bearer {OPERATE}"})
            by_program = answer.status

    assert (right.status, by_program) == (404, 404)  # let through: there is no such batch
    assert (theirs.status, without.status) == (403, 403)
    assert "X-CSRF-Token" in without.body["detail"]
    assert read.status == 200


async def test_a_session_outlives_the_process_and_ends_with_its_token_or_when_it_is_ended(settings, tmp_path):
    async with console_of(App("shop"), settings) as url, page_of(url) as page:
        await page.sign_in(DECIDE, "ada")
        cookies = {cookie.key: cookie.value for cookie in page.session.cookie_jar}
    port = url.rpartition(":")[2]
    renewed = Settings(home=tmp_path / ".outlive", **TOKENS | {"decide_token": "another-token-1234567"})

    async def session_at(chosen):
        async with console_of(App("shop"), chosen, port=int(port)) as again, page_of(again) as page:
            found = await page.get("/v1/session", cookies=cookies)
            page.csrf = found.body["csrf"] or ""
            await page.ask("DELETE", "/v1/session", cookies=cookies)
            return found.body["name"], (await page.get("/v1/session", cookies=cookies)).body["name"]

    kept, lost = await session_at(settings), await session_at(renewed)

    assert kept == ("ada", "")
    assert lost == ("", "")


def test_a_session_is_over_after_half_a_day_and_cannot_be_made_up(monkeypatch):
    sessions = Sessions({Role.LOOK: LOOK, Role.OPERATE: OPERATE})
    session, cookie = sessions.new(Role.LOOK, "ada")

    assert sessions.read(cookie) == session
    assert Sessions({Role.OPERATE: OPERATE}).read(cookie) is None
    assert sessions.read(cookie[:-1] + ("A" if cookie[-1] != "A" else "B")) is None
    assert sessions.read("") is None
    monkeypatch.setattr("outlive.api.sessions.LONGEST_SECONDS", -1)
    assert sessions.read(cookie) is None


async def test_the_cookie_is_hidden_from_scripts_and_other_sites_and_kept_to_https_where_that_is_spoken(settings):
    settings = Settings(**{**settings.__dict__, "console_hosts": "console.example"})
    body = {"token": LOOK, "name": "ada"}

    async with console_of(App("shop"), settings) as url, page_of(url) as page:
        plain = await page.post("/v1/session", body)
        secure = await page.post(
            "/v1/session", body, headers={"Host": "console.example", "Origin": "https://console.example"}
        )

    for answer in (plain, secure):
        said = answer.headers["Set-Cookie"].lower()
        assert "httponly" in said
        assert "samesite=strict" in said
    assert "secure" not in plain.headers["Set-Cookie"].lower()
    assert "secure" in secure.headers["Set-Cookie"].lower()


async def test_wrong_tokens_are_slow_and_soon_not_looked_at(settings, monkeypatch):
    monkeypatch.setattr(attempts.Attempts.__init__, "__kwdefaults__", {"pause": 0.01})

    async with console_of(App("shop"), settings) as url, page_of(url) as page:
        wrong = [await page.post("/v1/session", {"token": f"wrong-{n}", "name": "eve"}) for n in range(11)]
        right = await page.post("/v1/session", {"token": OPERATE, "name": "ada"})

    assert Counter(answer.status for answer in wrong) == {401: 10, 429: 1}
    assert right.status == 429
    assert 0 < int(right.headers["Retry-After"]) <= 61


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", ""])
async def test_a_name_that_somebody_lets_point_here_is_not_served_with_a_token_either(settings, host):
    paths = ("/", "/v1/session", "/v1/app", "/temporal/", "/assets/x.js")

    async with console_of(App("shop"), settings) as url, page_of(url) as page:
        await page.sign_in(OPERATE)
        refused = [await page.get(path, headers={"Host": host}) for path in paths]
        by_program = await page.get("/v1/app", headers={"Host": host, "Authorization": f"Bearer {LOOK}"})

    assert [answer.status for answer in refused] == [403] * len(paths)
    assert by_program.status == 200  # no page knows the token


async def test_hosts_that_are_named_are_served_and_their_pages_may_write(settings):
    settings = Settings(**{**settings.__dict__, "console_hosts": "console.example, Other.example"})
    proxied = {"Host": "other.example", "Origin": "https://console.example"}  # a proxy that passes another name on

    async with console_of(App("shop"), settings) as url, page_of(url) as page:
        read = await page.get("/", headers={"Host": "console.example:8443"})
        address = await page.get("/", headers={"Host": "10.0.0.7:8234"})
        signed = await page.post("/v1/session", {"token": LOOK, "name": "ada"}, headers=proxied)
        elsewhere = await page.post(
            "/v1/session", {"token": LOOK, "name": "ada"}, headers=proxied | {"Origin": "https://evil.example"}
        )

    assert (read.status, address.status, signed.status, elsewhere.status) == (200, 200, 200, 403)


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
async def test_a_page_of_another_origin_signs_nobody_in_and_writes_nothing(settings, origin):
    async with console_of(App("shop"), settings) as url, page_of(url) as page:
        signed = await page.post("/v1/session", {"token": OPERATE, "name": "ada"}, headers={"Origin": origin})
        await page.sign_in(OPERATE)
        written = await page.post("/v1/batches/none/pause", headers={"Origin": origin})
        codec = await page.post("/codec/decode", {"payloads": []}, headers={"Origin": origin})
        own = await page.post("/codec/decode", {"payloads": []})

    assert (signed.status, written.status, codec.status, own.status) == (403, 403, 403, 200)


async def test_no_token_or_cookie_is_logged(settings, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    logging.getLogger("aiohttp").setLevel(logging.WARNING)

    async with console_of(App("shop"), settings) as url, page_of(url) as page:
        await page.sign_in("a-wrong-token-12345678")
        await page.sign_in(OPERATE)
        await page.get("/v1/app")
        await page.get("/v1/app", headers={"Authorization": f"Bearer {DECIDE}"})
        cookies = [cookie.value for cookie in page.session.cookie_jar]

    printed = caplog.text + "".join(capfd.readouterr())
    assert cookies
    for secret in (*cookies, *TOKENS.values(), "a-wrong-token-12345678", page.csrf):
        assert secret not in printed


def test_tokens_of_two_roles_may_not_be_the_same_and_none_may_be_short():
    with pytest.raises(SettingError, match="are the same"):
        Settings.load({"OUTLIVE_API_TOKEN": OPERATE, "OUTLIVE_LOOK_TOKEN": OPERATE})
    for name in ("DECIDE", "LOOK"):
        with pytest.raises(SettingError, match=f"OUTLIVE_{name}_TOKEN has 5 characters"):
            Settings.load({f"OUTLIVE_{name}_TOKEN": "short"})
    assert not any(token in repr(Settings(**TOKENS)) for token in TOKENS.values())
    assert Access(Settings(look_token=LOOK)).needs_token


async def test_decisions_are_made_under_the_name_that_was_signed_in_with(settings):
    async with console_of(App("shop"), settings) as url, page_of(url) as page, aiohttp.ClientSession() as program:
        await page.sign_in(DECIDE, "ada")
        signed = await page.post("/v1/hand-offs/none/claim", {})
        async with program.post(
            f"{url}/v1/hand-offs/none/claim", json={}, headers={"Authorization": f"Bearer {DECIDE}"}
        ) as answer:
            unnamed = answer.status, await answer.json()

    assert signed.status == 404  # named, and there is no such hand-off
    assert unnamed[0] == 422
    assert "Nobody is named" in unnamed[1]["detail"]


def test_nobody_who_has_signed_in_decides_under_another_name():
    session = Session(id="x", name="ada", role=Role.DECIDE)

    assert acting_name(Caller(role=Role.DECIDE, session=session), "bob") == "ada"
    assert acting_name(Caller(role=Role.DECIDE), " bob ") == "bob"
    with pytest.raises(UsageError, match="Nobody is named"):
        acting_name(Caller(role=Role.DECIDE), "  ")
