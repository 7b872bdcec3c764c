"""What others wrote commands no terminal, wherever it is shown."""

import asyncio
import json

from click.testing import CliRunner

from outlive.cli.main import cli
from outlive.cli.terminal import printable, shown
from outlive.engine.home import Home
from outlive.ledger.ledger import Ledger
from unit.ledger.conftest import failed, sealed

HOSTILE = "\x1b]0;owned\x07 \x1b[2J \x9b31m \u202egnp.exe"


def test_what_would_command_a_terminal_is_escaped():
    assert shown("a\x1b[2Jb\x07\u202ec\nd\té") == "a\\x1b[2Jb\\x07\\u202ec\nd\té"
    assert printable("a\x1b[2Jb\nc\td") == "a\\x1b[2Jb\\nc\\td"


def test_ordinary_text_of_any_language_stays_as_it_is():
    for text in ("naïve 東京 “yes” 🙂", "10\u202f000\u00a0€", "\u0645\u06cc\u200c\u062e", "👩\u200d🔧"):
        assert printable(text) == shown(text) == text


def test_documents_and_their_failures_command_no_terminal_and_programs_have_them_as_they_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    home = Home(tmp_path / ".outlive")
    home.create()

    async def furnish() -> None:
        async with Ledger(home.ledger_db) as ledger:
            sealed(ledger, [HOSTILE], model=HOSTILE, source=HOSTILE)
            await (await ledger.window("b")).record(failed(0, reason=HOSTILE))

    def say(*arguments: str) -> str:
        return CliRunner().invoke(cli, ["batch", *arguments], catch_exceptions=False).stdout

    asyncio.run(furnish())

    for arguments in (("list",), ("failures", "b"), ("status", "b")):
        said = say(*arguments)
        assert said
        assert all(character.isprintable() or character == "\n" for character in said)
    assert "\\x1b[2J" in say("failures", "b")
    assert json.loads(say("failures", "b", "--json"))[0]["example"]["reason"] == HOSTILE
