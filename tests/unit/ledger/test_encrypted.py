"""A ledger with keys: what people and models wrote is not to be found in it, and is read as before."""

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select, text

from outlive.contracts.batches import BatchSpec, ReadingOptions
from outlive.contracts.outcomes import Outcome, Status
from outlive.encryption.columns import Sealed
from outlive.encryption.keyring import TEXT_MAGIC, Keyring
from outlive.encryption.keys import generate_key
from outlive.errors import KeyMissing, SealBroken
from outlive.ledger.approval_rules import Condition
from outlive.ledger.effects import EffectClaim, Settlement
from outlive.ledger.hand_offs import HandOffRecord, HandOffState
from outlive.ledger.ledger import Ledger, open_ledger
from outlive.ledger.records import NewDocument
from outlive.ledger.schema import documents, metadata, outcomes

ONE, TWO = generate_key("one"), generate_key("two")
WORD = "marzipan"
SPEC = BatchSpec(
    batch_id="b",
    function="f",
    source=f"{WORD}.txt",
    model="m",
    instruction=f"find {WORD}",
    output_schema={"title": WORD},
    recipe="r",
    concurrency=1,
    reading=ReadingOptions(),
)
CONTENT_KEY = "ab" * 20


def ring(*keys) -> Keyring:
    return Keyring(",".join(key.written() for key in keys))


async def filled(ledger: Ledger) -> None:
    """Write the word wherever a person or a model may have written it."""
    await ledger.call(ledger.batches.create, SPEC)
    entries = [
        NewDocument(uri=f"/{WORD}", text=f"a {WORD}", fields={WORD: WORD}),
        NewDocument(uri=f"/{WORD}", text=f"a {WORD}"),
        NewDocument(uri="/other", cause="unreadable", reason=f"no {WORD}"),
    ]
    await ledger.call(ledger.batches.add_documents, "b", entries)
    await ledger.call(ledger.batches.seal, "b")
    await ledger.call(ledger.batches.set_state, "b", "paused", f"for {WORD}")
    window = await ledger.window("b")
    window.record_call(2, "key", f'"{WORD}"')
    outcome = Outcome(position=0, status=Status.DONE, result=f'"{WORD}"', content_key=CONTENT_KEY)
    await window.record(replace(outcome, reason=WORD))
    claim = EffectClaim(effect_key="k", workflow_id="w", activity_id="1", kind="tool", name="t")
    await ledger.call(ledger.effects.claim, claim)
    await ledger.call(ledger.effects.fail, "k", f"no {WORD}", attempt=1, may_have_happened=True)
    await ledger.call(ledger.effects.settle, "k", Settlement(verdict="failed", value=WORD, by="me"))
    await ledger.call(ledger.effects.keep_answer, "w", 1, f'"{WORD}"')
    await ledger.call(ledger.hand_offs.open, HAND_OFF)
    await ledger.call(ledger.hand_offs.close, replace(HAND_OFF, state=HandOffState.DECIDED, note=WORD))
    conditions = [Condition(argument="to", operator="=", value=WORD)]
    await ledger.call(ledger.approval_rules.make, agent="a", tool="t", conditions=conditions, by="me")


HAND_OFF = HandOffRecord(
    workflow_id="w",
    hand_off_id="h",
    agent="a",
    kind="question",
    subject=f"the {WORD}",
    reason=f"why {WORD}",
    choices=[WORD],
    state=HandOffState.OPEN,
    opened_at=1.0,
)


def everything(where: Path | str) -> str:
    """Return all that a database holds, as it holds it."""
    engine = open_ledger(where)
    with engine.connect() as connection:
        tables = [*metadata.tables, "meta"]
        found = [connection.execute(text(f"SELECT * FROM {name}")).all() for name in tables]
    engine.dispose()
    return repr(found)


async def check_all_is_read(ledger: Ledger) -> None:
    found = await ledger.call(ledger.batches.find, "b")
    assert found is not None
    assert found.spec == SPEC
    assert found.state_reason == f"for {WORD}"
    assert found.duplicate_count == 1
    results = await ledger.call(lambda: list(ledger.batches.results("b")))
    assert [(one.uri, one.result, one.duplicate_of) for one in results[:2]] == [
        (f"/{WORD}", f'"{WORD}"', None),
        (f"/{WORD}", f'"{WORD}"', 0),
    ]
    assert results[0].fields == {WORD: WORD}
    window = await ledger.window("b")
    (pending,) = await ledger.call(window.pending, 0, 10)
    assert (pending.reason, pending.calls) == (f"no {WORD}", {"key": f'"{WORD}"'})
    assert await ledger.call(window.find_answers, [CONTENT_KEY, "cd" * 20], None) == {CONTENT_KEY: (f'"{WORD}"', None)}
    effect = await ledger.call(ledger.effects.find, "k")
    assert effect is not None
    assert effect.settled is not None
    assert (effect.error, effect.settled.value) == (f"no {WORD}", WORD)
    assert await ledger.call(ledger.effects.answer, "w", 1) == f'"{WORD}"'
    (hand_off,) = await ledger.call(ledger.hand_offs.find, "h")
    assert (hand_off.subject, hand_off.reason, hand_off.choices, hand_off.note) == (
        f"the {WORD}",
        f"why {WORD}",
        [WORD],
        WORD,
    )
    assert await ledger.call(ledger.approval_rules.covering, "a", "t", {"to": WORD}) is not None


async def test_no_word_that_was_written_is_to_be_found_and_all_of_them_are_read(where: Path | str):
    async with Ledger(where, keys=ring(ONE)) as ledger:
        await filled(ledger)

        await check_all_is_read(ledger)

    assert WORD not in everything(where)
    assert bytes.fromhex(CONTENT_KEY) not in everything(where).encode("latin-1", "replace")


async def test_without_keys_the_same_words_are_to_be_found(where: Path | str):
    async with Ledger(where) as ledger:
        await filled(ledger)
        await check_all_is_read(ledger)

    assert everything(where).count(WORD) > 15


async def test_what_was_written_before_there_was_a_key_is_read(where: Path | str):
    async with Ledger(where) as ledger:
        await filled(ledger)

    async with Ledger(where, keys=ring(ONE)) as ledger:
        await check_all_is_read(ledger)


async def test_another_key_and_none_are_told_what_is_missing(where: Path | str):
    async with Ledger(where, keys=ring(ONE)) as ledger:
        await filled(ledger)

    with pytest.raises(KeyMissing, match="'one', and OUTLIVE_KEYS has only 'two'"):
        async with Ledger(where, keys=ring(TWO)):
            pass
    async with Ledger(where) as ledger:
        with pytest.raises(KeyMissing, match="'one', and OUTLIVE_KEYS is not set"):
            await ledger.call(ledger.batches.find, "b")


async def test_a_text_that_looks_encrypted_is_still_a_text(where: Path | str):
    said = f"{TEXT_MAGIC}one:abc"
    for keys in (None, ring(ONE)):
        async with Ledger(where, keys=keys) as ledger:
            await ledger.call(ledger.effects.keep_answer, "w", 1 if keys else 2, said)

            assert await ledger.call(ledger.effects.answer, "w", 1 if keys else 2) == said


async def test_a_value_that_was_moved_to_another_column_is_not_read(tmp_path: Path):
    path = tmp_path / "ledger.db"
    async with Ledger(path, keys=ring(ONE)) as ledger:
        await filled(ledger)
        with sqlite3.connect(path) as connection:
            connection.execute("UPDATE answers SET answer = (SELECT result FROM outcomes)")
        connection.close()

        with pytest.raises(SealBroken):
            await ledger.call(ledger.effects.answer, "w", 1)


async def test_digests_for_lookups_stay_the_same_under_another_key_and_differ_between_ledgers(tmp_path: Path):
    stored = set()
    for name, keys in (("a", ring(ONE)), ("a", ring(TWO, ONE)), ("b", ring(ONE))):
        async with Ledger(tmp_path / name, keys=keys) as ledger:
            spec = replace(SPEC, batch_id=f"{name}{keys.current}")
            await ledger.call(ledger.batches.create, spec)
            await ledger.call(ledger.batches.add_documents, spec.batch_id, [NewDocument(uri="/same")])
            with ledger.engine.connect() as connection:
                stored.update(connection.execute(select(documents.c.uri_key)).scalars())

    assert len(stored) == 2


def test_every_text_of_the_ledger_is_encrypted_or_known_to_be_no_secret():
    """Whoever adds a column of free text decides what it may hold."""
    readable = {
        *("meta.value", "effects.facts", "namespaces.place", "budgets.declared", "budget_changes.caps"),
        "reservations.budgets",
    }
    free = {
        f"{table.name}.{column.name}"
        for table in metadata.tables.values()
        for column in table.columns
        if type(column.type).__name__ == "Text"
    }

    assert free == readable
    for table in metadata.tables.values():
        for column in table.columns:
            if isinstance(column.type, Sealed):
                assert column.type.place == f"{table.name}.{column.name}"


def test_the_columns_that_are_written_by_plain_sql_are_sealed_ones():
    assert isinstance(outcomes.c.result.type, Sealed)
    assert isinstance(outcomes.c.reason.type, Sealed)
