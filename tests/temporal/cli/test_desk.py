"""`outlive desk` and `outlive answer`, from other processes than those that wait."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from command_line import Folder, ended
from people import people_in, waiting

pytestmark = [
    pytest.mark.embedded,
    pytest.mark.timeout(400),  # up to twenty commands, each a process that imports for a second
]


@pytest.fixture
async def people(tmp_path: Path) -> AsyncIterator[Folder]:
    folder = people_in(tmp_path)
    yield folder
    await folder.close()


async def test_what_waits_is_listed_shown_claimed_edited_ruled_and_gone_once_decided(people: Folder):
    async with people.up("--workers", "1"):
        status, out, err = await people.run("run", "payer", "pay 500 5 7", "--id", "p")
        assert (status, out) == (3, ""), err
        (asked,) = await waiting(people)
        assert f"outlive answer {asked['id']} approve" in err
        assert f"outlive answer {asked['id']} deny" in err

        status, out, err = await people.run("desk")
        assert status == 0, err
        assert f"{asked['id']}  approval" in out
        assert 'The agent asks to call pay({"to": "ada", "amount": 500}).' in out

        status, out, _ = await people.run("desk", "show", asked["id"])
        assert "user: pay 500 5 7" in out
        assert '"amount": 500' in out
        assert f"outlive answer {asked['id']} approve [--args JSON]" in out

        assert (await people.run("answer", asked["id"], "--claim", "--by", "ada"))[0] == 0
        status, _, err = await people.run("answer", asked["id"], "approve", "--by", "bob")
        assert (status, "ada has claimed" in err) == (2, True)
        status, _, err = await people.run("answer", asked["id"], "maybe", "--by", "ada")
        assert (status, "Choices: approve, deny, stop." in err) == (2, True)
        edited = ("--args", '{"to": "ada", "amount": "x"}', "--by", "ada")
        status, _, err = await people.run("answer", asked["id"], *edited)
        assert (status, "amount: not of type integer" in err) == (2, True)
        edited = ("--args", '{"to": "ada", "amount": 50}', "--by", "ada", "--always", "--when", "amount<=6")
        status, out, err = await people.run("answer", asked["id"], "approve", *edited)
        assert status == 0, err
        assert "Decided: approve, by ada." in out
        assert "Rule 1: calls of 'pay' by 'payer' with amount<=6 are approved from now on." in out

        (last,) = await waiting(people)
        assert people.lines("paid") == ["50 to ada", "5 to ada"]
        status, out, _ = await people.run("desk", "--all")
        assert "decided: approve by rule 1 of ada" in out
        assert "1  payer: pay  amount<=6  by ada" in (await people.run("desk", "rules"))[1]
        assert "revoked by eve" in (await people.run("desk", "rules", "--revoke", "1", "--by", "eve"))[1]

        token = (await people.run("desk", "link", last["id"], "--choice", "deny", "--by", "cleo"))[1].strip()
        assert (await people.run("answer", "--token", token))[:2] == (0, "Decided: deny, by cleo.\n")
        status, _, err = await people.run("answer", "--token", token)
        assert (status, "was used before" in err) == (2, True)
        await waiting(people, count=0)
        status, out, _ = await people.run("run", "payer", "pay 500 5 7", "--id", "p")
        assert (status, out) == (0, "paid 50 paid 5 The call was denied by cleo.\n")
        status, out, _ = await people.run("show", "p")
        assert "decided: deny, by cleo" in out

    assert people.lines("paid") == ["50 to ada", "5 to ada"]
    assert "opened approval " in people.lines("told")
    assert "decided approval deny" in people.lines("told")


async def test_two_people_who_answer_at_once_one_decision_counts_and_the_other_is_told(people: Folder):
    async with people.up("--workers", "1"):
        await people.run("run", "payer", "pay 1", "--id", "p")
        (asked,) = await waiting(people)
        first = await people.begin("answer", asked["id"], "approve", "--by", "ada")
        second = await people.begin("answer", asked["id"], "deny", "--by", "bob")
        results = [await ended(first), await ended(second)]
        status, out, _ = await people.run("run", "payer", "pay 1", "--id", "p")

    (lost,) = [result for result in results if result[0] == 2]
    won = next(result for result in results if result[0] == 0)
    approved = "approve, by ada" in won[1]
    assert ("ada chose 'approve' at" if approved else "bob chose 'deny' at") in lost[2]
    assert people.lines("paid") == (["1 to ada"] if approved else [])
    assert (status, out) == (0, "paid 1\n" if approved else "The call was denied by bob.\n")


async def test_a_question_is_answered_in_words_and_without_anything_up(people: Folder):
    status, _, err = await people.run("run", "payer", "ask how many", "--id", "q")
    assert status == 3, err
    async with people.up("--workers", "1"):
        (asked,) = await waiting(people)
    status, _, err = await people.run("answer", asked["id"], "many")
    assert (status, "does not fit what was asked" in err) == (2, True), err
    status, out, err = await people.run("answer", asked["id"], "12", "--by", "ada")
    assert (status, out) == (0, "Decided: answer, by ada.\n"), err
    status, out, err = await people.run("run", "payer", "ask how many", "--id", "q")
    assert (status, out) == (0, "12\n"), err


async def test_a_conversation_is_taken_over_spoken_in_and_handed_back(people: Folder):
    async with people.up("--workers", "1"):
        assert (await people.run("chat", "payer", "--id", "c", text="hello\n"))[:2] == (0, "HELLO\n")
        assert (await people.run("desk", "take", "payer/c", "--by", "ada"))[0] == 0
        said = await people.run("say", "payer/c", "is anybody there")
        assert said[:2] == (0, "Said to payer/c: turn 2.\n")
        assert (await people.run("desk", "speak", "payer/c", "it is me", "--by", "ada"))[:2] == (0, "Said.\n")
        assert (await people.run("desk", "return", "payer/c", "--by", "ada"))[:2] == (0, "The agent goes on.\n")
        status, out, err = await people.run("chat", "payer", "--id", "c", text="again\n/close\n")
        assert (status, out) == (0, "AGAIN\n"), err
        assert err.index("is anybody there") < err.index("ada, in the agent's place:") < err.index("it is me")


async def test_nothing_waits_where_nothing_ever_ran(people: Folder):
    status, out, err = await people.run("desk")

    assert (status, out) == (2, "")
    assert "Nothing was ever run here" in err
