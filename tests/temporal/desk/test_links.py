"""Signed one-time links."""

import asyncio
from datetime import timedelta

import pytest

from engines import fresh
from outlive import App
from outlive.errors import AlreadyDecided, HandOffError, LinkRefused
from temporal.desk.people import waiting
from temporal.desk.test_approvals import paying


async def test_a_link_takes_its_choice_once_in_the_name_of_whom_it_was_made_for(served, settings):
    name = fresh("payer")
    agent, paid = paying(name, ("pay", {"to": "ada", "amount": 1}), ("pay", {"to": "bob", "amount": 2}))
    client = await served(App("test", agents=[agent]))
    handle = await client.start_run(agent, "Pay")
    (asked,) = await waiting(client, name)
    token = await client.desk.link(asked.id, "approve", by="ada")
    other = await client.desk.link(asked.id, "deny", by="bob")
    expired = await client.desk.link(asked.id, "approve", by="ada", lasts=timedelta(seconds=-1))

    with pytest.raises(HandOffError, match="no choice"):
        await client.desk.link(asked.id, "maybe", by="ada")
    with pytest.raises(LinkRefused, match="expired"):
        await client.desk.redeem(expired)
    signature = token.index(".") + 1  # its first character, since the last bits of its last are of no account
    other_signature = token[:signature] + ("A" if token[signature] != "A" else "B") + token[signature + 1 :]
    for tampered in (other_signature, "x" + token, "", other[:20] + token[20:]):
        with pytest.raises(LinkRefused, match="not made here"):
            await client.desk.redeem(tampered)
    redeemed = await asyncio.gather(*(client.desk.redeem(token) for _ in range(3)), return_exceptions=True)
    with pytest.raises(LinkRefused, match="used"):
        await client.desk.redeem(token)
    with pytest.raises(AlreadyDecided, match="ada chose 'approve'"):
        await client.desk.redeem(other)
    await waiting(client, name)
    await handle.cancel()

    (decided,) = [one for one in redeemed if not isinstance(one, LinkRefused)]
    assert (decided.choice, decided.decided_by) == ("approve", "ada")
    assert paid == [("ada", 1)]
    assert (settings.home / "desk.key").stat().st_mode & 0o777 == 0o600
