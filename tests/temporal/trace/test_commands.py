"""`outlive runs` and `outlive show`, beside a worker."""

import asyncio
import json

import pytest
from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from engines import fresh, until
from outlive import App, Durable, tool_options
from outlive.cli.main import main

HOSTILE = "\x1b[31mred\x1b]0;title\x07"


@pytest.fixture
def outlive(settings, monkeypatch, capsys):
    """Run a command of this project: ``status, out, err = await outlive("runs")``."""
    monkeypatch.setenv("OUTLIVE_HOME", str(settings.home))
    monkeypatch.setenv("OUTLIVE_TASK_QUEUE", settings.task_queue)

    async def run(*arguments: str) -> tuple[int, str, str]:
        def called() -> int:
            with pytest.raises(SystemExit) as ended:
                main(list(arguments))
            return ended.value.code

        status = await asyncio.to_thread(called)
        written = capsys.readouterr()
        return status, written.out, written.err

    return run


def hostile_agent(name: str) -> Agent:
    """An agent whose tool and model write to terminals."""

    def answer(messages: list[ModelMessage], _: AgentInfo) -> ModelResponse:
        if any(isinstance(part, ToolReturnPart) for part in messages[-1].parts):
            return ModelResponse(parts=[TextPart(f"{HOSTILE} said")])
        return ModelResponse(parts=[ToolCallPart("read_page", {"url": HOSTILE})])

    agent = Agent(FunctionModel(answer), name=name, capabilities=[Durable()])

    @agent.tool_plain
    def read_page(url: str) -> str:
        """Read."""
        return HOSTILE + "x" * 5_000

    return agent


def parking_agent(name: str) -> Agent:
    def answer(messages: list[ModelMessage], _: AgentInfo) -> ModelResponse:
        return ModelResponse(parts=[ToolCallPart("pay", {})])

    agent = Agent(FunctionModel(answer), name=name, capabilities=[Durable()])

    @agent.tool_plain
    @tool_options(attempts=1, on_failure="park")
    def pay() -> str:
        """Pay."""
        raise ValueError("the account is locked")

    return agent


async def test_show_prints_a_run_and_nothing_that_the_terminal_obeys(served, outlive):
    client = await served(App("test", agents=[agent := hostile_agent("reader")]))
    await (await client.start_run(agent, "Read", run_id=(run_id := fresh("r")))).result()

    status, out, err = await outlive("show", run_id)

    assert (status, err) == (0, "")
    assert f"agent/reader/{run_id}  completed" in out
    assert "user: Read" in out
    assert r"read_page(url=" in out
    assert r"\x1b[31mred" in out
    assert f"(5 KB; outlive show reader/{run_id} --value 2.result)" in out
    assert "2 calls at an unknown price" in out
    assert "\x1b" not in out
    assert "\x07" not in out


async def test_show_gives_programs_the_same_and_one_value_whole(served, outlive):
    client = await served(App("test", agents=[agent := hostile_agent("giver")]))
    await (await client.start_run(agent, "Read", run_id=(run_id := fresh("g")))).result()

    _, shown, _ = await outlive("show", f"giver/{run_id}", "--json")
    _, full, _ = await outlive("show", f"agent/giver/{run_id}", "--json", "--full")
    _, value, _ = await outlive("show", run_id, "--value", "2.result")
    status, _, err = await outlive("show", run_id, "--value", "7.result")

    cut, whole = (json.loads(text)["turns"][0]["entries"][1]["result"] for text in (shown, full))
    assert (cut["is_cut"], whole["is_cut"]) == (True, False)
    assert whole["content"] == value.rstrip("\n") == HOSTILE + "x" * 5_000
    assert (status, "has no value '7.result'" in err) == (2, True)


async def test_a_parked_run_is_listed_with_what_it_waits_for_and_what_to_do(served, outlive):
    client = await served(App("test", agents=[agent := parking_agent(cashier := fresh("cashier"))]))
    handle = await client.start_run(agent, "Pay", run_id="p")

    async def is_parked() -> bool:
        return [run.state async for run in client.runs(agent=cashier, states=["parked"])] == ["parked"]

    await until(is_parked, "the list shows the run as parked")
    _, listed, _ = await outlive("runs", "--agent", cashier)
    _, for_programs, _ = await outlive("runs", "--agent", cashier, "--state", "parked", "--json")
    _, shown, _ = await outlive("show", f"{cashier}/p")
    await handle.decide("stop")

    row, reason = listed.splitlines()[1:]
    assert row.split()[:2] == [f"{cashier}/p", "parked"]
    assert f"the account is locked Decide: `outlive decide {cashier}/p retry|tell|stop`." in reason
    assert [run["questions"][0]["subject"] for run in json.loads(for_programs)] == ["pay"]
    assert f"  outlive decide {cashier}/p tell" in shown


async def test_runs_are_listed_with_what_they_came_to_and_can_be_chosen_from(served, outlive):
    first, second = fresh("first"), fresh("second")
    client = await served(App("test", agents=(agents := [hostile_agent(first), hostile_agent(second)])))
    for agent in agents:
        await (await client.start_run(agent, "Read", run_id="a")).result()

    async def are_listed() -> bool:
        return len([run async for run in client.runs(agent=second, states=["completed"])]) == 1

    await until(are_listed, "the list shows the last run as completed")
    _, listed, _ = await outlive("runs", "--agent", first, "--state", "completed", "--since", "1h")
    _, none, said = await outlive("runs", "--agent", first, "--state", "failed")
    _, for_programs, _ = await outlive("runs", "--agent", second, "--json")

    assert listed.splitlines()[1].split()[:2] == [f"{first}/a", "completed"]
    assert "2 calls at an unknown price" in listed
    assert (none, said) == ("", "No such runs.\n")
    (run,) = json.loads(for_programs)
    spending = run["spending"]
    assert (spending["model_calls"], spending["tool_calls"], spending["unpriced"]) == (2, 1, 2)
    assert spending["input_tokens"] > 0


async def test_a_run_that_no_worker_serves_is_stuck_and_says_what_to_do(served, outlive, settings, monkeypatch):
    client = await served(App("test", agents=[agent := hostile_agent(waiting := fresh("waiting"))]))
    client.settings = type(settings)(**{**vars(settings), "task_queue": f"{settings.task_queue}-empty"})
    await client.start_run(agent, "Read", run_id="w")

    async def is_listed() -> bool:
        return len([run async for run in client.runs(agent=waiting)]) == 1

    await until(is_listed, "the list shows the run")
    _, listed, _ = await outlive("runs", "--agent", waiting, "--state", "stuck")
    _, shown, _ = await outlive("show", f"{waiting}/w")

    assert listed.splitlines()[1].split()[:2] == [f"{waiting}/w", "stuck"]
    assert "Start one with `outlive up`" in listed
    assert "No worker polls the task queue" in shown


@pytest.mark.embedded
async def test_where_nothing_was_ever_run_looking_creates_nothing(tmp_path, outlive, monkeypatch):
    monkeypatch.delenv("TEMPORAL_ADDRESS")
    monkeypatch.setenv("OUTLIVE_HOME", str(tmp_path / "none"))

    status, _, err = await outlive("runs")

    assert status == 2
    assert "Nothing was ever run here" in err
    assert not (tmp_path / "none").exists()


async def test_an_unknown_id_is_one_clear_line(served, outlive):
    await served(App("test", agents=[hostile_agent("nothing")]))

    status, out, err = await outlive("show", "no-such-run")

    assert (status, out) == (2, "")
    assert err.startswith("Error: There is no run 'no-such-run'.")
