"""``outlive run``: one run of an agent, followed to its end."""

import asyncio
import json
import shlex
import sys
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from outlive.cli.agent_requests import AgentRequest
    from outlive.cli.project import Caretaker
    from outlive.client import Client
    from outlive.engine.run_health import RunHealth
    from outlive.runs import RunHandle, RunResult

EXIT_FAILED = 1
EXIT_PARKED = 3
EXIT_INTERRUPTED = 130


@click.command()
@click.argument("agent")
@click.argument("prompt")
@click.option("--id", "run_id", help="Id of the run, such as order-4711: the same again is the same run.")
@click.option("--app", metavar="MODULE:APP", help="App that declares the agent.  [the one served last, or app.py]")
@click.option("--model", help="Model in place of the agent's own, such as openai:gpt-5-mini.")
@click.option("--deps", metavar="JSON", help="Dependencies of the agent's deps_type.")
@click.option("--budget", help="The most that it may spend: 0.50usd, 200000tokens, 40calls, or several of them.")
@click.option("--tenant", help="On whose behalf it spends: tenant/NAME pays as well.")
@click.option("--detach", is_flag=True, help="Start it and return; needs `outlive up`.")
@click.option("--json", "as_json", is_flag=True, help="Result, state and usage as JSON on standard output.")
def run(agent: str, prompt: str, *, detach: bool, as_json: bool, **options: Any) -> None:
    """Run AGENT on PROMPT, and follow it to its end.

    Without `outlive up` it runs the engine and a worker by itself for as long as it takes. Interrupted, the run is not
    lost: it goes on where there are workers.

    Exit status 0 when it completed, 1 when it failed or was cancelled, 3 when it waits for a person and standard input
    is no terminal.
    """
    from outlive.cli.agent_requests import agent_request

    request = agent_request(agent, **options)
    work = _detach(request, prompt, as_json=as_json) if detach else _run(request, prompt, as_json=as_json)
    try:
        raise SystemExit(asyncio.run(work))
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise SystemExit(EXIT_INTERRUPTED) from None


async def _detach(request: "AgentRequest", prompt: str, *, as_json: bool) -> int:
    from outlive.cli.agent_requests import said_worker_problem
    from outlive.cli.project import check_served
    from outlive.client import Client

    check_served(request.settings, request.reference)
    app, deps = request.load()
    async with Client(request.settings, app=app) as client:
        handle = await _start(client, request, prompt, deps)
        problem = await said_worker_problem(client)
    if as_json:
        click.echo(json.dumps({"id": request.run, "workflow_id": handle.workflow_id, "state": "running"}))
    else:
        click.echo(handle.workflow_id)
        click.echo(f"Follow it with `{_same_command(request, prompt)}`; `outlive show {request.run}` looks.", err=True)
    if problem:
        click.echo(problem, err=True)
    return 0


async def _run(request: "AgentRequest", prompt: str, *, as_json: bool) -> int:
    from outlive.cli.project import running_project
    from outlive.cli.run_following import ending_on_signals
    from outlive.client import Client

    project: Caretaker | None = None
    started = False

    def say_farewell() -> None:
        again = _same_command(request, prompt)
        if not started:
            click.echo("\nStopped before the run was started.", err=True)
        elif project is not None and project.is_ours:
            click.echo(f"\nStopping. The run goes on with the next `outlive up`, or with `{again}`.", err=True)
        else:
            click.echo(
                f"\nThe run goes on. Look again with `{again}`; end it with `outlive cancel {request.run}`.", err=True
            )

    with ending_on_signals(say_farewell):
        async with (
            Client(request.settings) as client,
            running_project(client, workers=1, app=request.reference) as project,
        ):
            with project.quiet():  # a worker of ours imports the same app at the same time, and fails like we do
                client.app, deps = request.load()
                handle = await _start(client, request, prompt, deps)
            started = True
            return await _follow(handle, request, project, as_json=as_json)


async def _start(client: "Client", request: "AgentRequest", prompt: str, deps: Any) -> "RunHandle[Any]":
    from outlive.cli.run_following import STARTING_SECONDS, patiently

    return await patiently(
        lambda: client.start_run(
            request.agent,
            prompt,
            run_id=request.run_id,
            deps=deps,
            model=request.model,
            budget=request.budget,
            tenant=request.tenant,
        ),
        patience=STARTING_SECONDS,
    )


async def _follow(handle: "RunHandle[Any]", request: "AgentRequest", project: "Caretaker", *, as_json: bool) -> int:
    from outlive.cli.run_following import STARTING_SECONDS, TROUBLE_SECONDS, follow
    from outlive.cli.run_view import RunView

    streams, is_asked = sys.stderr.isatty(), sys.stdin.isatty()
    view = RunView(run=request.run, lines_to=sys.stderr, text_to=sys.stderr, streams=streams)
    view.say(f"Run {request.run}", dim=True)
    health = await follow(
        handle,
        view,
        patience=STARTING_SECONDS if project.is_ours else TROUBLE_SECONDS,
        until=lambda health: bool(health.questions) and not is_asked,
    )
    if health.questions and not health.is_closed:
        return _parked(request, health, as_json=as_json)
    result, failure = await _result(handle)
    view.say(f"{health.state.capitalize()}: {view.totals.line()}", dim=True)
    if result is None:
        click.echo(f"Error: {failure}", err=True)
        if as_json:
            _echo_json(request, health, error=failure)
        return EXIT_FAILED
    if as_json:
        _echo_json(request, health, output=_plain(result.output), usage=result.usage, turns=result.turns)
    elif not (streams and sys.stdout.isatty() and result.output == view.last_text):
        click.echo(_text(result.output))
    return 0


async def _result(handle: "RunHandle[Any]") -> "tuple[RunResult[Any] | None, str]":
    from outlive.cli.run_following import patiently
    from outlive.errors import RunFailed

    try:
        return await patiently(handle.result), ""
    except RunFailed as error:
        return None, str(error)


def _parked(request: "AgentRequest", health: "RunHealth", *, as_json: bool) -> int:
    from dataclasses import asdict

    if as_json:
        _echo_json(request, health, questions=[asdict(question) for question in health.questions])
    return EXIT_PARKED


def _echo_json(request: "AgentRequest", health: "RunHealth", **values: Any) -> None:
    known = {"id": request.run, "workflow_id": health.workflow_id, "agent": request.agent, "state": health.state}
    click.echo(json.dumps(known | values, indent=2, ensure_ascii=False))


def _plain(output: Any) -> Any:
    from pydantic_core import to_jsonable_python

    return to_jsonable_python(output, fallback=str)


def _text(output: Any) -> str:
    """Return an output as it is where it is text, else as JSON. A terminal gets no control characters of a model."""
    from outlive.cli.terminal import shown

    text = output if isinstance(output, str) else json.dumps(_plain(output), indent=2, ensure_ascii=False)
    return shown(text) if sys.stdout.isatty() else text


def _same_command(request: "AgentRequest", prompt: str) -> str:
    words = ["outlive", "run", request.agent, prompt, "--id", request.run_id]
    if request.model is not None:
        words += ["--model", request.model]
    if request.deps_json is not None:
        words += ["--deps", request.deps_json]
    return shlex.join(words)
