"""The states of an effect, and what each claim is told."""

import pytest

from outlive.errors import LedgerError
from outlive.ledger.effects import EffectClaim, EffectState, Settlement, Standing
from outlive.ledger.ledger import Ledger


def claim(*, owner: str = "a", lease: float | None = None, once: bool = False, key: str = "k") -> EffectClaim:
    return EffectClaim(
        effect_key=key,
        workflow_id="w",
        activity_id="1",
        kind="tool",
        name="t",
        owner=owner,
        lease_seconds=lease,
        is_once=once,
    )


@pytest.fixture
async def effects(where):
    async with Ledger(where) as ledger:
        yield ledger.effects


def test_a_new_effect_is_made_and_one_that_is_done_is_not(effects):
    first = effects.claim(claim())
    effects.finish("k", b"result", {"tokens": 1})
    second = effects.claim(claim())

    assert first.standing is Standing.MAKE
    assert second.standing is Standing.DONE
    assert (second.record.result, second.record.attempts) == (b"result", 1)


def test_an_effect_whose_worker_died_is_remade_by_its_policy(effects):
    effects.claim(claim())

    assert effects.claim(claim(owner="b")).standing is Standing.REMAKE
    assert effects.find("k").attempts == 2
    assert effects.find("k").owner == "b"


def test_an_effect_that_failed_is_made_as_if_for_the_first_time(effects):
    effects.claim(claim())
    effects.fail("k", "no", attempt=1)

    assert effects.claim(claim()).standing is Standing.MAKE


def test_one_that_may_have_happened_is_remade_or_goes_to_a_person(effects):
    for key in ("checked", "once"):
        effects.claim(claim(key=key, lease=60))
        effects.fail(key, "timeout", attempt=1, may_have_happened=True)

    assert effects.claim(claim(key="checked", lease=60)).standing is Standing.REMAKE
    assert effects.claim(claim(key="once", lease=60, once=True)).standing is Standing.UNKNOWN
    assert effects.find("once").attempts == 1


def test_a_lease_is_waited_for_unless_its_owner_is_gone_or_gave_it_back(effects):
    effects.claim(claim(lease=60))
    held = effects.claim(claim(owner="b", lease=60))
    gone = effects.claim(claim(owner="b", lease=60), is_gone=lambda owner: owner == "a")
    effects.release("k", attempt=2)
    given_back = effects.claim(claim(owner="c", lease=60))

    assert [held.standing, gone.standing, given_back.standing] == [Standing.HELD, Standing.REMAKE, Standing.REMAKE]
    assert held.record.attempts == 1


def test_an_effect_that_is_done_once_goes_to_a_person_when_its_lease_is_over(effects):
    effects.claim(claim(lease=0.0, once=True))

    assert effects.claim(claim(owner="b", lease=60, once=True)).standing is Standing.UNKNOWN
    assert effects.find("k").state is EffectState.UNKNOWN


def test_an_attempt_that_was_given_up_can_neither_renew_nor_release_nor_fail(effects):
    effects.claim(claim(lease=0.0))
    effects.claim(claim(owner="b", lease=60))

    assert not effects.renew("k", attempt=1, seconds=60)
    effects.release("k", attempt=1)
    effects.fail("k", "late", attempt=1)
    assert effects.renew("k", attempt=2, seconds=60)
    assert effects.claim(claim(owner="c", lease=60)).standing is Standing.HELD
    assert (effects.find("k").failures, effects.find("k").state) == (0, EffectState.BEGUN)


def test_of_two_attempts_that_finish_the_first_result_counts(effects):
    effects.claim(claim())
    effects.claim(claim(owner="b"))

    assert effects.finish("k", b"first", {}) == b"first"
    assert effects.finish("k", b"second", {}) == b"first"


@pytest.mark.parametrize(
    ("verdict", "standing"), [("retry", Standing.MAKE), ("failed", Standing.REFUSED), ("done", Standing.DONE)]
)
def test_what_a_person_settled_is_what_the_next_claim_is_told(effects, verdict, standing):
    effects.claim(claim(once=True))
    effects.fail("k", "timeout", attempt=1, may_have_happened=True)
    effects.settle("k", Settlement(verdict=verdict, value={"receipt": 7}, by="ada"))
    claimed = effects.claim(claim(once=True))

    assert claimed.standing is standing
    assert claimed.record.settled.by == "ada"
    assert claimed.record.settled.value == {"receipt": 7}
    assert claimed.record.failures == 0


def test_one_that_was_recorded_after_all_is_not_settled_any_more(effects):
    effects.claim(claim(once=True))
    effects.claim(claim(owner="b", once=True))
    effects.finish("k", b"late but true", {})
    settled = effects.settle("k", Settlement(verdict="retry", by="ada"))

    assert settled.state is EffectState.DONE
    assert effects.claim(claim(once=True)).record.result == b"late but true"


def test_a_result_fills_in_for_one_that_a_person_settled_as_done(effects):
    effects.claim(claim(once=True))
    effects.settle("k", Settlement(verdict="done", value=1, by="ada"))

    assert effects.finish("k", b"encoded", {}) == b"encoded"
    assert effects.claim(claim(once=True)).record.result == b"encoded"


def test_effects_are_found_by_the_beginning_of_their_key_and_listed(effects):
    for key in ("abc1", "abd1"):
        effects.claim(claim(key=key))
    effects.fail("abd1", "?", attempt=1, may_have_happened=True)

    assert effects.find("abc").effect_key == "abc1"
    assert effects.find("x") is None
    with pytest.raises(LedgerError, match="Several"):
        effects.find("ab")
    assert [record.effect_key for record in effects.listed(states=["unknown"])] == ["abd1"]
    assert {record.effect_key for record in effects.listed(workflow_id="w")} == {"abc1", "abd1"}
    with pytest.raises(LedgerError, match="no effect"):
        effects.settle("x", Settlement(verdict="done"))
