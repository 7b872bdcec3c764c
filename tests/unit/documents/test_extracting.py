import asyncio
import codecs
import os

import pytest

from outlive.contracts.batches import ReadingOptions
from outlive.contracts.outcomes import Cause
from outlive.documents.document import Document
from outlive.documents.extracting import extract
from outlive.documents.html import page_text, starts_like_html
from outlive.documents.reader import Reader, check_options
from outlive.errors import DocumentError, UsageError

FRENCH = "L'été dernier, nous avons découvert à Besançon une forêt où les élèves étudiaient l'écologie. " * 5
JAPANESE = (
    "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。何でも薄暗いじめじめした所でニャーニャー泣いていた事だけは記憶している。"
    * 5
)


async def cause_of(data: bytes, **how: str) -> Cause:
    with pytest.raises(DocumentError) as caught:
        await extract(data, **how)
    return Cause(caught.value.cause)


@pytest.mark.parametrize(
    ("data", "charset"),
    [
        (FRENCH.encode(), None),
        (FRENCH.encode("utf-8-sig"), None),
        (FRENCH.encode("utf-16"), None),
        (codecs.BOM_UTF16_BE + FRENCH.encode("utf-16-be"), None),
        (FRENCH.encode("utf-32"), None),
        (FRENCH.encode("latin-1"), "iso-8859-1"),
        (FRENCH.encode("latin-1"), None),
        (FRENCH.encode(), "iso-8859-1"),
        (FRENCH.encode("latin-1"), "utf-8"),
        (FRENCH.encode("latin-1"), "no-such-charset"),
        (FRENCH.encode("latin-1"), "hex"),
        (FRENCH.encode(), "punycode"),
        (FRENCH.encode(), "unicode_escape"),
        (FRENCH.encode(), "idna"),
    ],
)
async def test_a_text_is_read_whatever_its_encoding_and_whatever_is_declared(data, charset):
    assert (await extract(data, charset=charset)).text.strip() == FRENCH.strip()


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
async def test_utf_16_without_a_mark_is_read_where_it_is_declared_or_looks_like_it(encoding):
    assert (await extract(FRENCH.encode(encoding), charset=encoding)).text.strip() == FRENCH.strip()
    assert (await extract(FRENCH.encode(encoding))).text.strip() == FRENCH.strip()


@pytest.mark.parametrize("encoding", ["shift_jis", "euc_jp", "iso2022_jp"])
async def test_a_declared_japanese_encoding_is_used(encoding):
    assert (await extract(JAPANESE.encode(encoding), charset=encoding)).text == JAPANESE


@pytest.mark.parametrize("encoding", ["shift_jis", "euc_jp"])
async def test_an_undeclared_japanese_encoding_is_found(encoding):
    assert (await extract(JAPANESE.encode(encoding))).text == JAPANESE


async def test_the_encoding_in_a_pages_own_meta_element_counts():
    page = f'<html><head><meta charset="Shift_JIS"><title>猫</title></head><body><p>{JAPANESE}</p></body></html>'

    got = await extract(page.encode("shift_jis"))

    assert (got.text, got.title) == (JAPANESE, "猫")


async def test_one_damaged_byte_spoils_one_character_only():
    data = FRENCH.encode()
    damaged = data[:20] + b"\xff" + data[20:]

    text = (await extract(damaged)).text

    assert text.count("\ufffd") == 1
    assert text.replace("\ufffd", "").strip() == FRENCH.strip()


async def test_control_characters_go_and_line_ends_are_unix_ones():
    got = await extract(b"one\r\ntwo\rthree\x00\x07\x1b[0m\x0cfour\tfive" + b" word" * 100)

    assert got.text.startswith("one\ntwo\nthree[0m\nfour\tfive word")


async def test_control_characters_that_a_page_names_go_too():
    got = await extract(b"<html><body><p>a&#1;b&#0;c&#xFFFF;d&#x1e;e</p></body></html>")

    assert got.text in {"ab\ufffdcde", "ab\ufffdcd e"}
    assert not any(ord(character) < 32 for character in got.text)


@pytest.mark.parametrize(
    "data",
    [
        b"\x89PNG\r\n\x1a\n" + b"x" * 100,
        b"PK\x03\x04abc",
        b"\x7fELF\x02\x01",
        b"\xff\xd8\xff\xe0JFIF",
        bytes(range(256)) * 8,
    ],
)
async def test_binary_of_no_kind_that_is_read_is_not_text(data):
    assert await cause_of(data) == Cause.NOT_TEXT
    assert await cause_of(data, declared="text/html", name="a.html") == Cause.NOT_TEXT


async def test_random_bytes_are_not_text():
    assert await cause_of(os.urandom(5000)) == Cause.NOT_TEXT


@pytest.mark.parametrize("data", [b"", b"  \n\t \r\n", b"\xef\xbb\xbf", b"\xff\xfe", b"\xef\xbb\xbf \n", b"\x00"])
async def test_nothing_but_white_space_is_empty(data):
    assert await cause_of(data) in {Cause.EMPTY, Cause.NOT_TEXT}
    assert data == b"\x00" or await cause_of(data) == Cause.EMPTY


@pytest.mark.parametrize("body", ["", "<script>var a = 1</script>", "<div><img src=x></div>", "<nav> </nav>"])
async def test_a_page_without_text_has_no_text(body):
    assert await cause_of(f"<html><head><title>T</title></head><body>{body}</body></html>".encode()) == Cause.NO_TEXT


async def test_content_goes_before_declaration_and_name(pdf):
    html = b"<!DOCTYPE html><p>words"

    assert (await extract(html, declared="text/plain", name="a.txt")).media_type == "text/html"
    assert (await extract(pdf("hello"), declared="text/html", name="a.html")).media_type == "application/pdf"
    assert (await extract(b"just <b>words</b>", declared="text/html")).text == "just words"
    assert (await extract(b"just <b>words</b>", name="a.htm")).text == "just words"
    assert (await extract(b"# Title\nwords", declared="text/plain", name="a.md")).title == "Title"
    assert (await extract(b"a = '<html>'", name="a.py")).text == "a = '<html>'"
    assert (await extract(b'{"a": 1}', declared="application/json")).media_type == "application/json"


async def test_what_is_declared_a_pdf_and_is_none_is_broken():
    assert await cause_of(b"Please log in.", declared="application/pdf") == Cause.BROKEN
    assert await cause_of(b"Please log in.", name="report.pdf") == Cause.BROKEN


def test_menus_scripts_and_footers_go_and_paragraphs_stay():
    text, title = page_text(
        "<!doctype html><html><head><title> A\n title </title><style>p{}</style></head><body>"
        "<nav><a>Home</a><aside>deep<footer>x</footer></aside></nav><form><input value=q><label>Search</label></form>"
        "<header><h1>Head</h1></header><p>One <b>bo</b>ld\n  word.</p>tail<ul><li>a</li><li>b</li></ul>"
        "<noscript>enable it</noscript><template>t</template><script>var x = '<p>';</script><!-- no -->"
        "<p>x<br>y</p><button>Buy</button><footer>legal</footer></body></html>"
    )

    assert title == "A title"
    assert text == "Head\nOne bold word.\ntail\na\nb\nx\ny"


def test_a_table_is_one_line_a_row():
    text, _ = page_text(
        "<TABLE><TR><TH>a</TH><TH class='x'>b</TH></TR>\n<TR><TD><P>1</P></TD><TD>2\n3</TD></TR></TABLE>"
    )

    assert text == "a\tb\n1\t2 3"


def test_preformatted_text_keeps_its_lines():
    text, _ = page_text("<p>before</p><pre>\na  b\n  <b>c</b>\n\nd</pre><p>after\nit</p>")

    assert text == "before\na  b\n  c\n\nd\nafter it"


def test_a_form_around_the_whole_page_is_no_reason_to_lose_it():
    assert page_text("<form action=x><p>The page.</p></form>")[0] == "The page."
    assert page_text("<nav>Only a menu.</nav>")[0] == "Only a menu."


def test_nested_surroundings_do_not_break_the_parser():
    for _ in range(200):
        text, _ = page_text(
            "<nav>a<aside>b<footer>c<nav>d<svg><svg></svg></svg></nav></footer></aside></nav><p>keep</p>" * 20
        )
        assert text == "\n".join(["keep"] * 20)


def test_hostile_html_ends():
    assert page_text("<div>" * 300_000 + "deep<script>code</script>er")[0] == "deep er"
    assert page_text("<div>" * 100_000 + "deep" + "</div>" * 100_000)[0] == "deep"
    assert page_text("<div></x>" * 100_000 + "deep")[0] == "deep"
    assert page_text("".join(f"<b id={number}>" for number in range(5000)) + "<p>x" * 5000)[0].startswith("x\nx")
    assert page_text("<" * 100_000 + "p>x")[0]
    assert page_text("<!--" * 20_000)[0] == ""
    assert page_text("<td " * 20_000)[0] == ""
    assert page_text("<td>" + " " * 500_000 + "x")[0] == "x"
    for begin, end in (("<b id={}>", ""), ("<B/id={}>", ""), ("<b id={}></i>", ""), ("<b id={}>", "</b>")):
        opened = "".join(begin.format(number) for number in range(1500))
        assert page_text(f"<p>{opened}</p>" + "<p>x</p>" * 1500 + end * 1500)[0].startswith("x\nx")
    assert not starts_like_html(b"<!---->" * 500)


async def test_a_pdf_becomes_its_text_and_title(pdf):
    got = await extract(pdf("Hello world", "Second page", title="My title"))

    assert (got.text, got.title, got.media_type) == ("Hello world\n\nSecond page", "My title", "application/pdf")


async def test_a_pdf_without_text_has_no_text(pdf):
    assert await cause_of(pdf("", "")) == Cause.NO_TEXT


async def test_an_encrypted_pdf_is_encrypted_and_one_without_a_password_is_read(pdf):
    assert await cause_of(pdf("secret", password=b"sesame")) == Cause.ENCRYPTED
    assert (await extract(pdf("only marked", password=b""))).text == "only marked"


async def test_a_damaged_pdf_is_broken(pdf):
    whole = pdf("Hello")

    assert await cause_of(b"%PDF-1.4\n" + b"rubbish" * 50) == Cause.BROKEN
    assert await cause_of(whole[:40]) == Cause.BROKEN


async def test_pdfs_are_read_one_at_a_time_and_all_of_them(pdf):
    got = await asyncio.gather(*(extract(pdf(f"Document {number}")) for number in range(30)))

    assert [item.text for item in got] == [f"Document {number}" for number in range(30)]


async def test_an_article_is_its_main_text_and_the_whole_page_where_too_little_is_found():
    paragraphs = "".join(f"<p>Paragraph {number} of the story has quite a few words in it.</p>" for number in range(20))
    page = f"<html><body><div class='menu'>Home About</div><article>{paragraphs}</article></body></html>".encode()
    bare = b"<html><body><pre>" + b"RFC text that no extractor takes for an article. " * 3 + b"</pre></body></html>"

    assert "Paragraph 19" in (await extract(page, article=True)).text
    assert "RFC text" in (await extract(bare, article=True)).text


async def test_files_urls_and_paths_are_read(tmp_path):
    path = tmp_path / "with space é.txt"
    path.write_text("words")
    async with Reader() as reader:
        by_path = await reader.read(str(path))
        by_url = await reader.read(path.as_uri())

    assert by_path == by_url
    assert by_path.text == "words"


async def test_a_file_that_cannot_be_read_says_why(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "big").write_bytes(b"x" * 101)
    causes = {}
    async with Reader(ReadingOptions(max_bytes=100)) as reader:
        for name in ("none", "pipe", "big", "big/child", ".", "nul\0byte", "n" * 5000):
            with pytest.raises(DocumentError) as caught:
                await reader.read(str(tmp_path / name))
            causes[name[:9]] = caught.value.cause
        for device in ("/dev/zero", "file:///dev/zero"):
            with pytest.raises(DocumentError) as caught:
                await reader.read(device)
            causes[device] = caught.value.cause

    assert causes == {
        "none": Cause.NOT_FOUND,
        "pipe": Cause.UNREADABLE,
        "big": Cause.TOO_LARGE,
        "big/child": Cause.NOT_FOUND,
        ".": Cause.UNREADABLE,
        "nul\0byte": Cause.BAD_ADDRESS,
        "nnnnnnnnn": Cause.UNREADABLE,
        "/dev/zero": Cause.UNREADABLE,
        "file:///dev/zero": Cause.UNREADABLE,
    }


async def test_a_file_larger_than_its_size_says_is_read_whole():
    async with Reader() as reader:
        got = await reader.read("/proc/self/status")  # its size is said to be 0

    assert "Name:" in got.text


def test_options_that_cannot_work_are_refused():
    check_options(ReadingOptions(extract="article"))
    for options in (
        ReadingOptions(extract="all"),
        ReadingOptions(attempts=0),
        ReadingOptions(connections_per_host=0),
        ReadingOptions(timeout_seconds=0),
        ReadingOptions(max_bytes=-1),
        ReadingOptions(delay_seconds=-1),
    ):
        with pytest.raises(UsageError):
            check_options(options)


def test_equal_texts_have_one_digest():
    first, second = Document(uri="a", text="same", position=0), Document(uri="b", text="same", position=9)

    assert first.digest == second.digest
    assert first.digest == "0967115f2813a3541eaef77de9d9d5773f1c0c04314b0bbfe4ff3b3b1c55b5d5"
    assert Document(uri="a", text="other").digest != first.digest
