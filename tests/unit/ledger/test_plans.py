"""What a run has done, read page by page in the reverse order of its ends."""

import pytest

from outlive.ledger.effects import EffectClaim, Effects, EffectState
from outlive.ledger.plans import PlanBook, undo_key


@pytest.fixture
def books(ledger):
    return Effects(ledger.engine), PlanBook(ledger.engine)


def claim(key: str, *, run: str = "plan/p/r", kind: str = "effect", name: str = "put") -> EffectClaim:
    return EffectClaim(effect_key=key, workflow_id=run, activity_id="1", kind=kind, name=name, policy="idempotent")


def done(effects: Effects, key: str, **values) -> None:
    effects.claim(claim(key, **values))
    effects.finish(key, b"", {})


def test_every_effect_is_on_one_page_the_latest_first(books):
    effects, book = books
    keys = [f"{number:02}" for number in range(7)]
    for key in keys:
        done(effects, key)
    found, before = [], None
    while page := book.done(["plan/p/r"], before=before, limit=3):
        before = (page[-1].ended_at, page[-1].record.effect_key)
        found += [one.record.effect_key for one in page]

    assert found == keys[::-1]


def test_what_was_taken_back_is_told_and_what_only_failed_is_not_there(books):
    effects, book = books
    done(effects, "a")
    done(effects, "b")
    done(effects, undo_key("a"), kind="undo", run="undo/plan/p/r")
    effects.claim(claim(undo_key("b"), kind="undo", run="undo/plan/p/r"))
    effects.claim(claim("failed"))
    effects.fail("failed", "no", attempt=1)
    effects.claim(claim("begun"))
    done(effects, "model", kind="model")
    done(effects, "other", run="plan/p/other")
    found = {one.record.effect_key: one.is_undone for one in book.done(["plan/p/r"])}

    assert found == {"a": True, "b": False, "begun": False}


def test_a_rehearsed_effect_keeps_its_first_result_and_is_no_done_one(books):
    effects, book = books
    first = book.shadow(claim("s"), b"one")
    again = book.shadow(claim("s"), b"two")

    assert (first, again) == (b"one", b"one")
    assert effects.find("s").state is EffectState.SHADOWED
    assert book.done(["plan/p/r"]) == []


def test_the_effects_of_waves_are_those_of_their_plan(books):
    effects, book = books
    done(effects, "a")
    done(effects, "b", run="plan/p/r/waves-1", name="copy")
    book.shadow(claim("c", run="plan/p/r/waves-2", name="copy"), b"")
    done(effects, "d", run="plan/p/r2")

    assert [record.effect_key for record in book.tree("plan/p/r")] == ["a", "b", "c"]
    assert book.counts("plan/p/r") == {("copy", "done"): 1, ("copy", "shadowed"): 1, ("put", "done"): 1}
    assert {record.effect_key for record in effects.listed(workflow_id="plan/p/r")} == {"a", "b", "c"}
