"""``outlive deliveries``: who is told of runs, what could not be delivered, and sending it again."""

import asyncio
import json
import time
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import click

from outlive.cli.findings import Finding, State
from outlive.cli.terminal import printable
from outlive.errors import DeliveryError, EncryptionError, LedgerError

if TYPE_CHECKING:
    from outlive.contracts.notifications import Target
    from outlive.engine.home import Home
    from outlive.ledger.deliveries import DeliveryRecord
    from outlive.ledger.ledger import Ledger
    from outlive.settings import Settings

T = TypeVar("T")
STATES = ("waiting", "delivered", "parked")
MARKS = {"waiting": "yellow", "delivered": "green", "parked": "red"}
DAY_SECONDS = 86_400.0
LATE_SECONDS = 600.0  # some restarts of a receiver last as long; longer is worth a word


@click.group()
def deliveries() -> None:
    """Show who is told of runs, and send again what was given up."""


@deliveries.command("list")
@click.option("--state", type=click.Choice(STATES), multiple=True, help="Only these; may be given more than once.")
@click.option("--run", "workflow_id", help="Of one workflow, such as agent/support/order-4711.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="At most so many.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def list_deliveries(state: tuple[str, ...], workflow_id: str | None, limit: int, as_json: bool) -> None:
    """List deliveries, the latest first."""
    found = _with_ledger(lambda ledger: ledger.deliveries.listed(states=state, workflow_id=workflow_id, limit=limit))
    if as_json:
        click.echo(json.dumps([_plain(one) for one in found], indent=2))
    elif not found:
        click.echo("No deliveries. `notify=Webhook(...)` on a run, a batch, a plan or the app asks for them.", err=True)
    for one in [] if as_json else found:
        said = f"  {one.error}" if one.error and one.state != "delivered" else ""
        state_shown = click.style(f"{one.state:<9}", fg=MARKS[one.state])
        what = printable(f"{one.workflow_id} {one.occurrence} → {one.target.address}, {_tries(one.attempts)}{said}")
        click.echo(f"{one.number:>6}  {state_shown}  {what}")


@deliveries.command("show")
@click.argument("number", type=int)
def show_delivery(number: int) -> None:
    """Show one delivery as JSON: the event, the target, what went wrong last."""
    record = _with_ledger(lambda ledger: ledger.deliveries.find(number))
    if record is None:
        raise _unknown(number)
    click.echo(json.dumps({**_plain(record), "event": json.loads(record.body)}, indent=2))


@deliveries.command("redeliver")
@click.argument("number", type=int, nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All that are parked.")
def redeliver(number: tuple[int, ...], everything: bool) -> None:
    """Send deliveries again, under the ids that their events have; a receiver that has them already drops them.

    The workers do it: this command marks them.
    """
    if bool(number) == everything:
        raise DeliveryError("Name deliveries by number, or give --all. `outlive deliveries list` has the numbers.")
    from outlive.settings import Settings

    lasts = Settings.load().notify_days * DAY_SECONDS
    chosen = None if everything else number
    count = _with_ledger(lambda ledger: ledger.deliveries.redeliver(chosen, lasts=lasts))
    if not everything and count < len(set(number)):
        known = _with_ledger(lambda ledger: [one for one in number if ledger.deliveries.find(one) is not None])
        raise _unknown(next(one for one in number if one not in known))
    click.echo(f"{count} to be sent again.")


@deliveries.command("send-test")
@click.option("--url", help="A webhook.")
@click.option("--secret", help="Name of the environment variable with its secret, written env:NAME.")
@click.option("--topic", help="A Kafka topic.")
@click.option("--bootstrap", default="", help="Its brokers, host:port; OUTLIVE_KAFKA_BOOTSTRAP otherwise.")
def send_test(url: str | None, secret: str | None, topic: str | None, bootstrap: str) -> None:
    """Send one event of the type io.outlive.test from here, now and once, and say what came of it."""
    from outlive.contracts.notifications import Kafka, Webhook

    if (url is None) == (topic is None):
        raise DeliveryError("Give --url or --topic: one of the two.")
    target: Target = Webhook(url, secret=secret) if url else Kafka(topic or "", bootstrap=bootstrap)
    asyncio.run(_send(target))
    click.echo(f"Delivered to {target.address}.")


async def _send(target: "Target") -> None:
    from outlive.contracts.notifications import Webhook
    from outlive.ledger.outbox import Claimed
    from outlive.notify.kafka import KafkaSender
    from outlive.notify.webhooks import WebhookSender
    from outlive.settings import Settings

    settings, event_id = Settings.load(), uuid.uuid4().hex
    event = {
        "specversion": "1.0",
        "id": event_id,
        "source": "/outlive/test",
        "type": "io.outlive.test",
        "subject": "test",
        "time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "data": {"message": "A test of this receiver."},
    }
    one = Claimed(
        number=0,
        event_id=event_id,
        target_id="",
        workflow_id="test",
        target=target,
        body=json.dumps(event),
        attempts=0,
        given_up_at=0.0,
    )
    if isinstance(target, Webhook):
        async with WebhookSender(allow_private=settings.allow_private_addresses) as webhooks:
            await webhooks.send(target, one)
    else:
        async with KafkaSender(settings) as kafka:
            await kafka.send(target, one)


async def delivery_findings(settings: "Settings", home: "Home") -> Sequence[Finding]:
    """Return what is wrong with deliveries: those that were given up, and those that have waited for long."""
    from outlive.encryption.keyring import keyring_of
    from outlive.ledger.ledger import Ledger, ledger_of

    if not settings.ledger and not home.ledger_db.exists():
        return []
    try:
        async with Ledger(ledger_of(settings), keys=keyring_of(settings)) as ledger:
            parked = (await ledger.call(ledger.deliveries.counts)).get("parked", 0)
            late = await ledger.call(ledger.deliveries.late, time.time() - LATE_SECONDS)
    except (EncryptionError, LedgerError):  # told of as such
        return []
    found = []
    if parked:
        mend = "`outlive deliveries list --state parked` says why; `outlive deliveries redeliver --all` sends them."
        found.append(Finding(name="deliveries", state=State.FAULT, found=f"events given up: {parked:,}", mend=mend))
    if late:
        mend = "`outlive deliveries list --state waiting` says why. They are tried for OUTLIVE_NOTIFY_DAYS."
        told = f"events that have waited for more than 10 minutes: {late:,}"
        found.append(Finding(name="deliveries", state=State.NOTE, found=told, mend=mend))
    return found


def _with_ledger(work: "Callable[[Ledger], T]") -> T:
    from outlive.cli.asking import existing_project
    from outlive.encryption.keyring import keyring_of
    from outlive.ledger.ledger import Ledger, ledger_of

    settings = existing_project()

    async def run() -> T:
        async with Ledger(ledger_of(settings), keys=keyring_of(settings)) as ledger:
            return await ledger.call(lambda: work(ledger))

    return asyncio.run(run())


def _plain(one: "DeliveryRecord") -> dict[str, Any]:
    return {**{name: value for name, value in vars(one).items() if name != "body"}, "target": one.target.address}


def _tries(attempts: int) -> str:
    return f"{attempts} attempt{'' if attempts == 1 else 's'}"


def _unknown(number: int) -> DeliveryError:
    return DeliveryError(f"Unknown delivery {number}. `outlive deliveries list` shows those of this project.")
