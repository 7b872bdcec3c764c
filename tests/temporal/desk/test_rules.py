"""Rules that approve calls without a person."""

import pytest

from engines import fresh
from outlive import App
from outlive.errors import HandOffError, UsageError
from temporal.desk.people import waiting
from temporal.desk.test_approvals import paying


async def test_a_rule_approves_what_it_covers_until_it_is_revoked(served):
    name = fresh("payer")
    calls = [("pay", {"to": "ada", "amount": amount}) for amount in (1, 2, 300, 3)]
    agent, paid = paying(name, *calls)
    client = await served(App("test", agents=[agent]))
    handle = await client.start_run(agent, "Pay")
    (first,) = await waiting(client, name)
    rule = await client.desk.approve_always(first.id, by="ada", when=["amount<=100", 'to in ["ada", "bob"]'])
    await client.desk.decide(first.id, "approve", by="ada")
    (large,) = await waiting(client, name)
    covered = [one for one in await client.desk.list(state="decided", agent=name) if one.decided_by != "ada"]
    before = list(paid)
    await client.desk.revoke(rule.number, by="grace")
    await client.desk.decide(large.id, "deny", by="ada")
    (last,) = await waiting(client, name)
    await client.desk.decide(last.id, "approve", by="ada")
    await handle.result()
    listed = [one for one in await client.desk.rules() if one.agent == name]

    assert before == [("ada", 1), ("ada", 2)]
    assert [one.decided_by for one in covered] == [f"rule {rule.number} of ada"]
    assert (await client.desk.get(large.id)).about["args"]["amount"] == 300
    assert paid == [("ada", 1), ("ada", 2), ("ada", 3)]
    assert [(one.revoked_by, one.made_by) for one in listed] == [("grace", "ada")]
    with pytest.raises(HandOffError, match="no rule"):
        await client.desk.revoke(rule.number, by="grace")


async def test_a_condition_that_is_none_makes_no_rule(served):
    name = fresh("payer")
    agent, _ = paying(name, ("pay", {"to": "ada", "amount": 1}))
    client = await served(App("test", agents=[agent]))
    handle = await client.start_run(agent, "Pay")
    (asked,) = await waiting(client, name)

    for text in ("amount", "amount<=much", "to in ada", "=3"):
        with pytest.raises(UsageError):
            await client.desk.approve_always(asked.id, by="ada", when=[text])
    await handle.cancel()

    assert [one for one in await client.desk.rules() if one.agent == name] == []
