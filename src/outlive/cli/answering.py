"""``outlive answer``: a person decides."""

import getpass
import json
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from outlive.cli.attending import APP_HELP, with_found, with_hand_off
from outlive.errors import UsageError

if TYPE_CHECKING:
    from outlive.client import Client
    from outlive.desk.records import HandOff
    from outlive.runs import RunHandle

ANSWER = "answer"
APPROVE = "approve"


@dataclass(frozen=True, kw_only=True)
class _Answer:
    """What was typed behind the id."""

    said: str | None
    value: str | None
    by: str
    note: str
    always: bool
    when: tuple[str, ...]
    force: bool


@click.command()
@click.argument("hand_off_id", metavar="ID", required=False)
@click.argument("said", metavar="CHOICE|TEXT", required=False)
@click.option("--value", metavar="JSON", help="What goes with the choice; what is no JSON is taken as text.")
@click.option("--args", "edited", metavar="JSON", help="Approve with these arguments instead.")
@click.option("--by", default=getpass.getuser, help="Who decides.  [your login name]")
@click.option("--note", default="", help="A word with it, for the record; the model reads why a call is denied.")
@click.option("--claim", is_flag=True, help="Take it on, so that nobody else decides for 30 minutes.")
@click.option("--release", is_flag=True, help="Let go of it.")
@click.option("--force", is_flag=True, help="Also where somebody else has claimed it.")
@click.option("--always", is_flag=True, help="Approve such calls from now on: a rule, see `outlive desk rules`.")
@click.option("--when", multiple=True, metavar="CONDITION", help="Of the rule: 'amount<=100'. May be given again.")
@click.option("--token", help="In place of ID and choice: a link made by `outlive desk link`.")
@click.option("--app", metavar="MODULE:APP", help=APP_HELP)
def answer(
    hand_off_id: str | None,
    said: str | None,
    claim: bool,
    release: bool,
    **options: Any,
) -> None:
    """Decide the hand-off ID, one of those that `outlive desk` lists.

    CHOICE is one of its choices. Any other TEXT is the answer to a question.
    """
    token, app, edited = (options.pop(name) for name in ("token", "app", "edited"))
    if token is not None:
        _redeem(token, app, note=options["note"])
        return
    if hand_off_id is None:
        raise UsageError("Name a hand-off: `outlive desk` lists what waits.")
    if edited is not None:
        options["value"], said = edited, said or APPROVE
    given = _Answer(said=said, **options)
    if claim or release:
        _claim(hand_off_id, given, app, release=release)
    else:
        _decide(hand_off_id, given, app)


def _decide(hand_off_id: str, given: _Answer, app: str | None) -> None:
    if given.said is None:
        raise UsageError(f"Say what is chosen: `outlive desk show {hand_off_id}` tells the choices.")
    if (given.always or given.when) and given.said != APPROVE:
        raise UsageError("--always and --when go with the choice 'approve'.")
    decision_id = uuid.uuid4().hex  # the same however often it is sent while the engine is gone

    async def work(client: "Client", _: "RunHandle[Any]") -> None:
        from outlive.cli.run_following import patiently
        from outlive.ledger.approval_rules import Condition

        waiting = await client.desk.get(hand_off_id)
        choice, value = chosen(waiting, given.said or "", given.value)
        for text in given.when:
            Condition.read(text)  # what is none is said before anything is decided
        await patiently(
            lambda: client.desk.decide(
                hand_off_id,
                choice,
                value=value,
                by=given.by,
                note=given.note,
                force=given.force,
                decision_id=decision_id,
            )
        )
        click.echo(f"Decided: {choice}, by {given.by}.")
        if given.always or given.when:
            rule = await client.desk.approve_always(hand_off_id, by=given.by, when=given.when)
            click.echo(f"Rule {rule.number}: {_covered(waiting, given.when)} from now on.")

    with_hand_off(hand_off_id, app, work)


def _claim(hand_off_id: str, given: _Answer, app: str | None, *, release: bool) -> None:
    async def work(client: "Client", _: "RunHandle[Any]") -> None:
        from outlive.cli.run_following import patiently

        desk = client.desk
        act = desk.release if release else desk.claim
        await patiently(lambda: act(hand_off_id, by=given.by, force=given.force))
        click.echo(f"Let go of {hand_off_id}." if release else f"{given.by} has {hand_off_id} for 30 minutes.")

    with_hand_off(hand_off_id, app, work)


def _redeem(token: str, app: str | None, *, note: str) -> None:
    async def found(client: "Client") -> "RunHandle[Any]":
        from outlive.desk.links import Links
        from outlive.runs import RunHandle

        link = Links(client.settings).read(token)
        return RunHandle(client, (await client.desk.get(link.hand_off_id)).workflow_id)

    async def work(client: "Client", _: "RunHandle[Any]") -> None:
        from outlive.cli.run_following import patiently

        decided = await patiently(lambda: client.desk.redeem(token, note=note))
        click.echo(f"Decided: {decided.choice}, by {decided.decided_by}.")

    with_found(found, app, work)


def chosen(waiting: "HandOff", said: str, value: str | None) -> tuple[str, Any]:
    """Return the choice that was meant, and what goes with it.

    Raises:
        UsageError: If it is neither a choice nor an answer.
    """
    if said in waiting.choices:
        return said, None if value is None else _read(value)
    if ANSWER not in waiting.choices:
        raise UsageError(f"{said!r} is no choice of {waiting.id!r}. Choices: {', '.join(waiting.choices)}.")
    if value is not None:
        raise UsageError(f"Give the answer as text or as --value, not both: {said!r}.")
    schema = waiting.about.get("schema") or {}
    return ANSWER, said if schema.get("type", "string") == "string" else _read(said)


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _covered(waiting: "HandOff", when: tuple[str, ...]) -> str:
    conditions = f" with {' and '.join(when)}" if when else ""
    return f"calls of {waiting.subject!r} by {waiting.agent!r}{conditions} are approved"
