"""``outlive keys``: the keys that encrypt what rests."""

import asyncio
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from outlive.housekeeping.rotating import Rotation
    from outlive.settings import Settings

CLEAR = "(readable)"


@click.group()
def keys() -> None:
    """Make, list and exchange the keys that encrypt what rests; OUTLIVE_KEYS says where they are."""


@keys.command()
@click.option(
    "--id", "key_id", metavar="ID", help="How what it encrypts names it; by default the day and some letters."
)
@click.option("--file", "path", type=click.Path(dir_okay=False, path_type=Path), help="Put it first into this file.")
def generate(key_id: str | None, path: Path | None) -> None:
    """Make a key.

    Without --file it is printed: keep it where only the processes of this project can read it. A lost key cannot be
    made again, and what it encrypted is lost with it.
    """
    from outlive.encryption.keys import add_to_file, generate_key

    key = generate_key(key_id)
    if path is None:
        click.echo(key.written())
        return
    add_to_file(path, key)
    click.echo(f"Key {key.key_id!r} is the first one of {path} now. OUTLIVE_KEYS=file:{path.resolve()} uses it.")


@keys.command("list")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def list_keys(as_json: bool) -> None:
    """List the keys, and how much rests under each: every value of ledger, event log and payload store is looked at.

    Histories are not counted. Chunks in an object store are not either.
    """
    from outlive.encryption.keyring import keyring_of
    from outlive.housekeeping.rotating import usage
    from outlive.settings import Settings

    settings = Settings.load()
    counts = asyncio.run(usage(settings))
    ring = keyring_of(settings)
    known = ring.key_ids if ring is not None else ()
    totals: Counter[str] = sum(counts.values(), Counter())
    if as_json:
        places = {place: dict(count) for place, count in counts.items()}
        click.echo(json.dumps({"current": known[0], "keys": list(known), "usage": places}, indent=2))
        return
    for key_id in dict.fromkeys([*known, *totals]):
        role = "encrypts" if key_id == known[0] else "decrypts" if key_id in known else "missing" if key_id else ""
        click.echo(f"{key_id or CLEAR:<24} {role:<9} {totals[key_id]:>12,} values")
        for place, count in sorted(counts.items()):
            if count[key_id]:
                click.echo(f"    {place:<30} {count[key_id]:>12,}")


@keys.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def rotate(as_json: bool) -> None:
    """Encrypt under the first key what rests under another, or under none. Workers may go on meanwhile.

    Broken off, it goes on where it stopped when it is called again. Histories of runs cannot be rewritten: the keys of
    before are needed for as long as it says.
    """
    from outlive.housekeeping.rotating import rotate as rotate_all
    from outlive.settings import Settings

    settings = Settings.load()
    rotation = asyncio.run(rotate_all(settings))
    if as_json:
        facts = {"key": rotation.key_id, "changed": dict(rotation.changed), "seconds": round(rotation.seconds, 3)}
        click.echo(json.dumps({**facts, "unclean": [str(path) for path in rotation.unclean]}, indent=2))
        return
    for line in _lines(rotation, settings):
        click.echo(line)


def _lines(rotation: "Rotation", settings: "Settings") -> list[str]:
    total = sum(rotation.changed.values())
    lines = [f"{total:,} values were encrypted anew under {rotation.key_id!r} ({rotation.seconds:.1f} s)."]
    lines += [f"    {place:<30} {count:>12,}" for place, count in sorted(rotation.changed.items())]
    lines += [
        f"{path} was in use and may hold earlier bytes where nothing is stored any more. Run this again."
        for path in rotation.unclean
    ]
    until = datetime.now(UTC) + timedelta(days=settings.retention_days)
    lines.append(
        "Histories, schedules and backups cannot be rewritten. Keep the keys of before until every run that is open "
        f"now has ended, and then OUTLIVE_RETENTION_DAYS longer: {until:%Y-%m-%d} at the earliest. Make schedules that "
        "were made under them anew."
    )
    return lines
