"""``outlive chat``: a conversation with an agent, from a terminal or a pipe."""

import asyncio
import shlex
import sys
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from outlive.cli.agent_requests import AgentRequest
    from outlive.client import Client
    from outlive.runs import Conversation

EXIT_INTERRUPTED = 130


@click.command()
@click.argument("agent")
@click.option("--id", "run_id", help="Id of the conversation, such as order-4711: the same again goes on with it.")
@click.option("--app", metavar="MODULE:APP", help="App that declares the agent.  [the one served last, or app.py]")
@click.option("--model", help="Model in place of the agent's own, such as openai:gpt-5-mini.")
@click.option("--deps", metavar="JSON", help="Dependencies of the agent's deps_type.")
@click.option("--budget", help="The most that it may spend: 0.50usd, 200000tokens, 40calls, or several of them.")
@click.option("--tenant", help="On whose behalf it spends: tenant/NAME pays as well.")
def chat(agent: str, **options: Any) -> None:
    """Talk with AGENT. What is typed while it works waits for its turn; with a leading ! it joins the turn at work.

    /quit, or the end of the input, leaves the conversation open; /close ends it; /cost tells what it came to; /retry,
    /tell and /stop decide where it waits for a person.

    Without `outlive up` it runs the engine and a worker by itself for as long as it takes.

    Exit status 0, 1 when an answer failed, 3 when it waits for a person and standard input has ended.
    """
    from outlive.cli.agent_requests import agent_request

    request = agent_request(agent, run_id=options.pop("run_id"), **options)
    try:
        raise SystemExit(asyncio.run(_chat(request)))
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise SystemExit(EXIT_INTERRUPTED) from None


async def _chat(request: "AgentRequest") -> int:
    from outlive.cli.chat_session import ChatSession
    from outlive.cli.project import running_project
    from outlive.cli.run_following import STARTING_SECONDS, TROUBLE_SECONDS, ending_on_signals
    from outlive.client import Client

    again = shlex.join(["outlive", "chat", request.agent, "--id", request.run_id])
    with ending_on_signals(lambda: click.echo(f"\nThe conversation stays open: `{again}` goes on.", err=True)):
        async with (
            Client(request.settings) as client,
            running_project(client, workers=1, app=request.reference) as project,
        ):
            with project.quiet():  # a worker of ours imports the same app at the same time, and fails like we do
                client.app, deps = request.load()
                conversation = await _open(client, request, deps)
            patience = STARTING_SECONDS if project.is_ours else TROUBLE_SECONDS
            session = ChatSession(client, conversation, patience=patience)
            code = await session.talk(sys.stdin.fileno(), is_terminal=sys.stdin.isatty())
            if not session.is_over:
                click.echo(f"The conversation stays open: `{again}` goes on.", err=True)
            return code


async def _open(client: "Client", request: "AgentRequest", deps: Any) -> "Conversation[Any]":
    """Return the conversation of an id; one that exists needs no model and dependencies named again."""
    from outlive.cli.run_following import STARTING_SECONDS, patiently
    from outlive.engine.run_health import run_exists
    from outlive.names import agent_workflow_id
    from outlive.runs import Conversation

    workflow_id = agent_workflow_id(request.agent, request.run_id)

    async def opened() -> "Conversation[Any]":
        is_plain = request.model is None and deps is None
        if is_plain and await run_exists(await client.temporal(), workflow_id):
            return Conversation(client, workflow_id)
        return await client.conversation(
            request.agent,
            conversation_id=request.run_id,
            deps=deps,
            model=request.model,
            budget=request.budget,
            tenant=request.tenant,
        )

    return await patiently(opened, patience=STARTING_SECONDS)
