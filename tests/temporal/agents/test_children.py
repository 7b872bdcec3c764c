"""Sub-agents and tools that are runs of their own."""

from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel
from temporalio import workflow

from outlive import App, Durable, SubAgents


def delegating(tool: str, **arguments: object) -> FunctionModel:
    """A model that calls one tool and then says what came back."""

    def answer(messages: list[ModelMessage], _: AgentInfo) -> ModelResponse:
        for part in messages[-1].parts:
            if isinstance(part, ToolReturnPart):
                return ModelResponse(parts=[TextPart(f"{part.outcome}: {part.content}")])
        return ModelResponse(parts=[ToolCallPart(tool, arguments)])

    return FunctionModel(answer)


def saying(text: str) -> FunctionModel:
    return FunctionModel(lambda *_: ModelResponse(parts=[TextPart(text)]))


async def test_a_sub_agent_is_a_child_run_whose_usage_counts_as_the_parents(served):
    researcher = Agent(saying("four legs"), name="researcher", capabilities=[Durable()])
    chief = Agent(
        delegating("ask_researcher", task="How many legs?"),
        name="chief",
        capabilities=[Durable(), SubAgents(agents=[researcher])],
    )
    client = await served(App("test", agents=[chief]))

    handle = await client.start_run(chief, "Find out", run_id="children")
    result = await handle.result()

    children = [run.workflow_id async for run in client.runs(agent="researcher")]
    assert result.output == "success: four legs"
    assert result.usage["requests"] == 3
    assert any(child.startswith("agent/researcher/children.") for child in children)


async def test_a_sub_agent_that_fails_is_told_to_the_model(served):
    def refuse(messages: list[ModelMessage], _: AgentInfo) -> ModelResponse:
        raise ValueError("nothing found")

    from pydantic_ai.exceptions import ModelHTTPError

    def reject(messages: list[ModelMessage], _: AgentInfo) -> ModelResponse:
        raise ModelHTTPError(400, "m", "too odd a question")

    failing = Agent(FunctionModel(reject), name="failing", capabilities=[Durable()])
    chief = Agent(
        delegating("ask_failing", task="?"), name="chief2", capabilities=[Durable(), SubAgents(agents=[failing])]
    )
    client = await served(App("test", agents=[chief]))

    result = await (await client.start_run(chief, "Find out")).result()

    assert result.output.startswith("failed: ")
    assert "too odd a question" in result.output


async def test_a_tool_can_be_a_child_workflow(served):
    agent = Agent(delegating("sleep_on_it", hours=0), name="sleeper", capabilities=[Durable()])

    @agent.tool_plain(metadata={"temporal": {"child_workflow": {}}})
    async def sleep_on_it(hours: int) -> str:
        """Sleep on it."""
        await workflow.sleep(hours)
        return workflow.info().workflow_type

    client = await served(App("test", agents=[agent]))

    result = await (await client.start_run(agent, "Do")).result()

    assert "child_workflow" in result.output
