"""What is typed behind `outlive answer ID`, and links."""

import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from outlive.cli.answering import chosen
from outlive.cli.desk_lines import details, table
from outlive.desk.links import Links
from outlive.desk.records import HandOff
from outlive.errors import LinkRefused, UsageError
from outlive.settings import Settings

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
ASKED = HandOff(
    id="q-1",
    workflow_id="agent/a/1",
    agent="a",
    kind="question",
    subject="ask",
    reason="How many?\x1b[2J",
    choices=["answer", "tell"],
    state="open",
    opened_at=NOW - timedelta(minutes=5),
    about={"schema": {"type": "integer"}, "args": {"question": "How many?"}},
)


def test_a_choice_is_a_choice_and_other_text_is_the_answer_in_the_type_that_was_asked_for():
    words = replace(ASKED, about={})

    assert chosen(ASKED, "tell", None) == ("tell", None)
    assert chosen(ASKED, "answer", "3") == ("answer", 3)
    assert chosen(ASKED, "3", None) == ("answer", 3)
    assert chosen(words, "3", None) == ("answer", "3")
    assert chosen(ASKED, "raise", None) == ("answer", "raise")
    with pytest.raises(UsageError, match="not both"):
        chosen(ASKED, "3", "4")
    with pytest.raises(UsageError, match="Choices: approve, deny"):
        chosen(replace(ASKED, choices=["approve", "deny"]), "3", None)


def test_what_an_agent_writes_commands_no_terminal():
    lines = [*table([ASKED], NOW), *details(ASKED, [{"who": "user", "text": "\x1b[2J"}], NOW)]

    assert "\x1b" not in "".join(lines)
    assert lines[1].startswith("q-1  question  5 min")
    assert "  outlive answer q-1 tell    tells the model that it failed, which may go another way" in lines


def test_a_link_of_another_project_is_refused_and_the_key_is_its_owners(tmp_path: Path):
    one, other = (Settings(home=tmp_path / name) for name in ("one", "other"))
    token = Links(one).sign("q-1", "approve", by="ada", lasts=timedelta(days=1))
    again = Links(one).read(token)

    assert (again.hand_off_id, again.choice, again.by) == ("q-1", "approve", "ada")
    assert stat.S_IMODE((tmp_path / "one" / "desk.key").stat().st_mode) == 0o600
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == ["desk.key"]
    with pytest.raises(LinkRefused, match="not made here"):
        Links(other).read(token)
    with pytest.raises(LinkRefused, match="not made here"):
        Links(replace(one, desk_key="k")).read(token)
    assert "secret" not in repr(replace(one, desk_key="secret"))
