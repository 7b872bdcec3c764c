"""A person in an agent's place, over HTTP."""

from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from engines import fresh
from outlive import App, Durable
from temporal.api.serving import api_of


def echoing(name: str) -> Agent:
    def answer(messages: list[ModelMessage], _: AgentInfo) -> ModelResponse:
        return ModelResponse(parts=[TextPart(f"agent: {messages[-1].parts[-1].content}")])

    return Agent(FunctionModel(answer), name=name, capabilities=[Durable()])


async def test_a_conversation_is_taken_over_spoken_in_and_handed_back(served, settings):
    name = fresh("taken")
    app = App("test", agents=[echoing(name)])
    await served(app)

    async with api_of(app, settings) as api:
        run = f"/v1/runs/agent/{name}/c"
        await api.post(f"/v1/runs/agent/{name}", {"id": "c", "conversation": True})
        before = await api.get(run)
        taken = await api.post(f"{run}/take", {"by": "ada"})
        other = await api.post(f"{run}/speak", {"by": "bob", "text": "me"})
        turn = await api.post(f"{run}/messages", {"content": "hello"})
        spoken = [await api.post(f"{run}/speak", {"by": "ada", "text": "I am here", "speech_id": "s"}) for _ in "ab"]
        said = await api.get(f"{run}/turns/{turn.body['turn']}?wait=30")
        back = await api.post(f"{run}/return", {"by": "ada"})
        later = await api.post(f"{run}/messages", {"content": "again"})
        answered = await api.get(f"{run}/turns/{later.body['turn']}?wait=30")

    assert (before.body["is_conversation"], before.body["taken_by"]) == (True, None)
    assert (taken.body["taken_by"], back.body["taken_by"]) == ("ada", None)
    assert (other.status, other.body["error"]) == (422, "HandOffError")
    assert [one.status for one in spoken] == [200, 200]
    assert (said.body["output"], answered.body["output"]) == ("I am here", "agent: again")


async def test_a_run_that_is_no_conversation_says_so_and_cannot_be_taken_over(served, settings):
    name = fresh("single")
    app = App("test", agents=[echoing(name)])
    await served(app)

    async with api_of(app, settings) as api:
        await api.post(f"/v1/runs/agent/{name}", {"id": "one", "prompt": "Hello"})
        await api.get(f"/v1/runs/agent/{name}/one/result?wait=30")
        shown = await api.get(f"/v1/runs/agent/{name}/one")
        refused = await api.post(f"/v1/runs/agent/{name}/one/take", {"by": "ada"})

    assert shown.body["is_conversation"] is False
    assert (refused.status, refused.body["error"]) == (422, "HandOffError")
