"""The pages as files: where deep links lead, what browsers may keep, and what no page may do."""

import gzip

import pytest

from consoles import console_of, page_of
from outlive.app import App
from outlive.console.pages import STATIC
from outlive.settings import Settings

SCRIPT = "console.log(1);\n" * 200


@pytest.fixture
def static(tmp_path):
    folder = tmp_path / "static"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>Index</title>")
    (folder / "assets" / "index-4f2a.js").write_text(SCRIPT)
    (folder / "icon.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    return folder


@pytest.fixture
async def page(static, tmp_path):
    async with (
        console_of(App("shop"), Settings(home=tmp_path / ".outlive"), static=static) as url,
        page_of(url) as page,
    ):
        yield page


@pytest.mark.parametrize(
    ("path", "accept"),
    [("/", "*/*"), ("/batches/invoices", "*/*"), ("/runs/agent/desk/v1.2", "text/html,*/*"), ("/money?by=day", "*/*")],
)
async def test_each_address_of_a_page_is_the_same_program(page, path, accept):
    answer = await page.get(path, headers={"Accept": accept})

    assert (answer.status, answer.body) == (200, "<!doctype html><title>Index</title>")
    assert answer.headers["Cache-Control"] == "no-cache"
    assert answer.headers["Content-Type"].startswith("text/html")


async def test_what_is_no_page_is_not_found(page):
    for path in ("/assets/gone-1.js", "/favicon.ico", "/v1/nothing", "/openapi.yaml"):
        answer = await page.get(path, headers={"Accept": "*/*"})

        assert answer.status == 404, path
    assert (await page.post("/batches/invoices")).status == 405


async def test_files_with_a_digest_in_their_name_are_kept_for_ever_and_packed(page):
    packed = await page.session.get(f"{page.url}/assets/index-4f2a.js", auto_decompress=False)
    raw = await packed.read()
    plain = await page.get("/assets/index-4f2a.js", headers={"Accept-Encoding": "identity"})

    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(raw).decode() == plain.body == SCRIPT
    assert "immutable" in plain.headers["Cache-Control"]
    assert plain.headers["ETag"] != packed.headers["ETag"]


async def test_what_a_browser_has_is_not_sent_again(page):
    first = await page.get("/icon.svg")
    again = await page.get("/icon.svg", headers={"If-None-Match": f'"other", W/{first.headers["ETag"]}'})
    other = await page.get("/icon.svg", headers={"If-None-Match": '"other"'})

    assert (first.status, again.status, again.body, other.status) == (200, 304, "", 200)


async def test_every_answer_forbids_what_no_page_of_ours_does(page):
    for path in ("/", "/assets/index-4f2a.js", "/v1/session", "/v1/nothing", "/openapi.json"):
        headers = (await page.get(path)).headers

        assert headers.getall("Content-Security-Policy")[0].startswith("default-src 'none'; script-src 'self';"), path
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert len(headers.getall("X-Content-Type-Options")) == 1
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert "camera=()" in headers["Permissions-Policy"]
        assert "Server" not in headers


async def test_an_installation_without_pages_says_so_and_serves_the_api(tmp_path):
    settings = Settings(home=tmp_path / ".outlive")

    async with console_of(App("shop"), settings, static=tmp_path / "none") as url, page_of(url) as page:
        missing, api = await page.get("/"), await page.get("/v1/app")

    assert (missing.status, api.status) == (503, 200)
    assert "make console" in missing.body


def test_the_pages_are_in_the_package():
    assert (STATIC / "index.html").is_file()
