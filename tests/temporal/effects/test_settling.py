"""An effect whose outcome nobody knows: what a person says of it is what its run goes on with."""

import pytest
from click.testing import CliRunner
from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from engines import fresh, until
from outlive import App, Durable, EffectNotDone, effect, idempotency_key, tool_options
from outlive.client import Client
from outlive.errors import RunError
from outlive.ledger.effects import Settling
from outlive.settling import settle_effect


def said_last(messages: list[ModelMessage]) -> str:
    returned = [part for message in messages for part in message.parts if isinstance(part, ToolReturnPart)]
    return f"{returned[-1].outcome}: {returned[-1].model_response_str()}" if returned else ""


def answer(messages: list[ModelMessage], _: AgentInfo) -> ModelResponse:
    """Refund once, then say what came of it."""
    said = said_last(messages)
    return ModelResponse(parts=[TextPart(said) if said else ToolCallPart("refund", {"amount": 7})])


class Shop:
    """A shop whose refunds time out, with a run of an agent that refunds."""

    def __init__(self, name: str, *errors: Exception) -> None:
        self.errors = list(errors)
        self.keys: list[str] = []
        self.agent = Agent(FunctionModel(answer), name=name, capabilities=[Durable()])
        self.agent.tool_plain(name="refund")(effect("once")(self._refund))
        self.app = App("shop", agents=[self.agent])

    async def _refund(self, amount: int) -> str:
        self.keys.append(idempotency_key())
        if self.errors:
            raise self.errors.pop(0)
        return f"refunded {amount}"


async def parked(client: Client, shop: Shop):
    handle = await client.start_run(shop.agent, "Refund it.", run_id="r")
    await until(lambda: _is_parked(handle), "a person is asked")
    (question,) = (await handle.status()).questions
    return handle, question


async def _is_parked(handle) -> bool:
    return (await handle.status()).state == "parked"


@pytest.mark.parametrize(
    ("verdict", "value", "output", "calls"),
    [
        (Settling.DONE, "refunded 7, says the bank", "success: refunded 7, says the bank", 1),
        (Settling.RETRY, None, "success: refunded 7", 2),
        (Settling.FAILED, None, "Nobody knows whether the tool 'refund' had its effect", 1),
    ],
)
async def test_a_run_goes_on_with_what_a_person_says_of_an_effect(served, verdict, value, output, calls):
    shop = Shop(fresh("settler"), TimeoutError("the bank did not answer"))
    client = await served(shop.app)
    handle, question = await parked(client, shop)
    said = await settle_effect(client, question.about["effect_key"][:10], verdict, value=value, by="ada")
    result = await handle.result()
    record = client.ledger.effects.find(question.about["effect_key"])

    assert question.kind == "unknown"
    assert question.about["tool"] == "refund"
    assert question.about["args"] == {"amount": 7}
    assert "TimeoutError: the bank did not answer" in question.reason
    assert "goes on" in said
    assert output in result.output
    assert (len(shop.keys), len(set(shop.keys))) == (calls, 1)
    assert (record.settled.by, record.settled.verdict) == ("ada", verdict)


async def test_what_is_known_not_to_have_happened_is_tried_again_without_asking(served):
    shop = Shop(fresh("certain"), EffectNotDone("the bank was closed"))
    client = await served(shop.app)
    handle = await client.start_run(shop.agent, "Refund it.", run_id="r")

    assert (await handle.result()).output == "success: refunded 7"
    assert len(shop.keys) == 2


async def test_nothing_else_can_be_settled(served):
    shop = Shop(fresh("done"))
    client = await served(shop.app)
    await (await client.start_run(shop.agent, "Refund it.", run_id="r")).result()

    with pytest.raises(RunError, match="is done: nobody waits"):
        await settle_effect(client, shop.keys[0], Settling.RETRY)
    with pytest.raises(RunError, match="no effect 'nonsense'"):
        await settle_effect(client, "nonsense", Settling.RETRY)


async def test_a_call_that_a_person_has_made_again_keeps_its_key(served):
    shop = Shop(fresh("parker"))
    agent = Agent(FunctionModel(answer), name=fresh("retrier"), capabilities=[Durable()])
    errors: list[Exception] = [PermissionError("locked")]
    keys = []

    @agent.tool_plain
    @tool_options(attempts=1, on_failure="park")
    async def refund(amount: int) -> str:
        keys.append(idempotency_key())
        if errors:
            raise errors.pop()
        return f"refunded {amount}"

    shop.agent = agent
    client = await served(App("shop", agents=[agent]))
    handle, question = await parked(client, shop)
    await handle.decide("retry", by="ada")

    assert (await handle.result()).output == "success: refunded 7"
    assert question.kind == "tool_failed"
    assert len(keys) == 2
    assert len(set(keys)) == 1


async def test_the_ledger_is_listed_shown_and_settled_from_the_command_line(served, settings, monkeypatch):
    shop = Shop(fresh("clerk"), TimeoutError("no answer"))
    client = await served(shop.app)
    handle, question = await parked(client, shop)
    monkeypatch.setenv("OUTLIVE_HOME", str(settings.home))
    monkeypatch.setenv("OUTLIVE_TASK_QUEUE", settings.task_queue)
    key = question.about["effect_key"][:12]
    listed = await _outlive("ledger", "list", "--state", "unknown")
    shown = await _outlive("ledger", "show", key)
    refused = await _outlive("ledger", "settle", key, "--done", "--value", "no JSON")
    settled = await _outlive("ledger", "settle", key, "--done", "--value", '"receipt 12"', "--by", "ada")
    result = await handle.result()
    after = await _outlive("ledger", "show", key, "--json")

    assert f"{key}  unknown  refund  (once)  {shop.agent.name}/r" in listed
    assert '{"amount": 7}' in shown
    assert "TimeoutError: no answer" in shown
    assert "which is no JSON" in refused
    assert "goes on" in settled
    assert result.output == "success: receipt 12"
    assert '"by": "ada"' in after
    assert '"state": "done"' in after


async def _outlive(*arguments: str) -> str:
    import asyncio

    from outlive.cli.main import cli

    result = await asyncio.to_thread(CliRunner().invoke, cli, list(arguments))
    return result.output
