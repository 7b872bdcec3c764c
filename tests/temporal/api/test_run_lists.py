"""Lists of runs over HTTP: in parts, of any kind, by the beginning of an id."""

from pydantic_ai import Agent
from pydantic_ai.messages import ModelResponse, TextPart
from pydantic_ai.models.function import FunctionModel

from engines import fresh, until
from outlive import App, Durable
from temporal.api.serving import Caller, api_of


def saying(name: str) -> Agent:
    return Agent(FunctionModel(lambda *_: ModelResponse(parts=[TextPart("ok")])), name=name, capabilities=[Durable()])


async def parts_of(api: Caller, query: str) -> list[list[str]]:
    """The ids of all parts of a list."""
    parts, cursor = [], ""
    while True:
        answer = await api.get(f"/v1/runs?{query}&cursor={cursor}")
        assert answer.status == 200, answer.body
        parts.append([run["id"] for run in answer.body])
        cursor = answer.headers.get("X-Next-Cursor", "")
        if not cursor:
            return parts


async def test_runs_are_listed_in_parts_of_any_kind_and_found_by_how_their_ids_begin(served, settings):
    name = fresh("sayer")
    app = App("test", agents=[saying(name)])

    async def act(plan) -> str:
        """Do nothing."""
        return "done"

    app.plan(act, name=name)
    await served(app)

    async with api_of(app, settings) as api:
        for number in range(5):
            await api.post(f"/v1/runs/agent/{name}", {"id": f"{name}-{number}", "prompt": "go"})
        await api.post(f"/v1/runs/plan/{name}", {"id": f"{name}-plan"})

        async def are_over() -> bool:
            found = await api.get(f"/v1/runs?kind=any&name={name}&state=completed")
            return len(found.body) == 6

        await until(are_over, "all runs are listed as completed")
        agents = await parts_of(api, f"name={name}&limit=2")
        everything = await parts_of(api, f"kind=any&name={name}&limit=4&state=completed")
        by_start = {
            search: [one for part in await parts_of(api, f"kind=any&search={search}") for one in part]
            for search in (f"{name}-1", f"agent/{name}/{name}-2", f"{name}/{name}-3", f"{name}-plan", f"{name}-none")
        }
        wrong = await api.get("/v1/runs?cursor=nonsense")

    assert [len(part) for part in agents] == [2, 2, 1]
    assert len({one for part in agents for one in part}) == 5
    assert [len(part) for part in everything] == [4, 2]
    assert {one for part in everything for one in part} > {one for part in agents for one in part}
    assert [*by_start.values()] == [
        [f"agent/{name}/{name}-1"],
        [f"agent/{name}/{name}-2"],
        [f"agent/{name}/{name}-3"],
        [f"plan/{name}/{name}-plan"],
        [],
    ]
    assert (wrong.status, wrong.body["error"]) == (422, "UsageError")


async def test_what_is_searched_for_is_a_text_whatever_it_holds(served, settings):
    app = App("test", agents=[saying(fresh("quoter"))])
    await served(app)

    async with api_of(app, settings) as api:
        answers = [
            await api.get("/v1/runs", params={"name": "x", "search": search})
            for search in ('" OR WorkflowId != "', "it's", "back\\slash", "50%_")
        ]

    assert [(answer.status, answer.body) for answer in answers] == [(200, [])] * 4
