"""``outlive say``, ``decide`` and ``cancel``: a word to a run that goes on."""

import asyncio
import getpass
import uuid
from typing import TYPE_CHECKING, Any

import click

from outlive.cli.attending import APP_HELP, with_run

if TYPE_CHECKING:
    from outlive.runs import RunHandle

ENDING_SECONDS = 15.0  # that calls in flight may take to be broken off


@click.command()
@click.argument("run_id", metavar="ID")
@click.argument("text")
@click.option("--steer", is_flag=True, help="Join the turn that is being worked on, before its next model call.")
@click.option("--app", metavar="MODULE:APP", help=APP_HELP)
def say(run_id: str, text: str, steer: bool, app: str | None) -> None:
    """Say TEXT to the run ID of an agent: a turn of its own, after what was said before."""

    async def work(handle: "RunHandle[Any]") -> None:
        from outlive.cli.run_following import patiently

        message_id = uuid.uuid4().hex  # the same however often it is said while the engine is gone
        turn = await patiently(lambda: handle.say(text, steer=steer, message_id=message_id))
        click.echo(f"Said to {handle.agent}/{handle.run_id}: turn {turn}.")

    with_run(run_id, app, work)


@click.command()
@click.argument("run_id", metavar="ID")
@click.argument("choice", type=click.Choice(["retry", "tell", "raise", "finish", "model", "stop"]))
@click.option("--value", help="What goes with it: with raise the new cap (2usd), with model its name.")
@click.option("--question", help="Which question, where several are open; all of them, if left out.")
@click.option("--app", metavar="MODULE:APP", help=APP_HELP)
def decide(run_id: str, choice: str, value: str | None, question: str | None, app: str | None) -> None:
    """Decide what the run ID does that waits for a person.

    retry tries again, once what was wrong is mended; tell lets the model know that the call failed; stop ends the run.

    Where a budget does not pay: raise goes on under a higher one, finish lets the model end with what there is, model
    goes on with a cheaper model.
    """

    async def work(handle: "RunHandle[Any]") -> None:
        from outlive.cli.run_following import patiently

        await patiently(lambda: handle.decide(choice, question_id=question, value=value, by=getpass.getuser()))
        click.echo(f"Decided: {choice}. {'It ends.' if choice == 'stop' else 'It goes on.'}")

    with_run(run_id, app, work)


@click.command()
@click.argument("run_id", metavar="ID")
@click.option("--app", metavar="MODULE:APP", help=APP_HELP)
def cancel(run_id: str, app: str | None) -> None:
    """End the run ID of an agent as soon as its calls in flight can be broken off."""

    async def work(handle: "RunHandle[Any]") -> None:
        from outlive.cli.run_following import look, patiently
        from outlive.errors import RunError

        health = await patiently(handle.status)
        if health.is_closed:
            raise RunError(f"Run {handle.workflow_id!r} is {health.state} already. There is nothing to cancel.")
        await patiently(handle.cancel)
        deadline = asyncio.get_running_loop().time() + ENDING_SECONDS
        while asyncio.get_running_loop().time() < deadline:
            seen = await look(handle)
            if seen is not None and seen.is_closed:
                click.echo(f"Ended: {seen.state}.")
                return
            await asyncio.sleep(0.2)
        click.echo("Cancellation is asked for; it ends when a worker has broken off the calls in flight.")

    with_run(run_id, app, work)
