"""``outlive ledger migrate``: the tables of ledger and event log, brought up to date on purpose."""

import asyncio
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from outlive.ledger.migrating import Migration


@click.command()
@click.option("--check", is_flag=True, help="Only look: exit status 1 where something is missing.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def migrate(check: bool, as_json: bool) -> None:
    """Add to ledger and event log the tables, columns and indexes that they lack.

    Workers do so by themselves when they start, where their database role may; run this with one that may, and they
    need not. Changes are additive: workers of the version before go on meanwhile.
    """
    migrations = asyncio.run(_migrated(check=check))
    if as_json:
        click.echo(json.dumps([asdict(migration) for migration in migrations], indent=2))
    else:
        for migration in migrations:
            _say(migration, check=check)
    if check and any(migration.lacking for migration in migrations):
        raise SystemExit(1)


async def _migrated(*, check: bool) -> "list[Migration]":
    from outlive.engine.home import Home
    from outlive.ledger.ledger import ledger_of
    from outlive.ledger.migrating import LEDGER, migrate
    from outlive.settings import Settings
    from outlive.streams.schema import streams_of, wanted_streams

    settings = Settings.load()
    home = Home(settings.home)
    if not check and not settings.ledger:
        home.create()
    ledger = await asyncio.to_thread(migrate, ledger_of(settings), LEDGER, check=check)
    streams = await asyncio.to_thread(migrate, streams_of(settings), wanted_streams(), check=check)
    return [ledger, streams]


def _say(migration: "Migration", *, check: bool) -> None:
    what, version = f"The {migration.called} {migration.place}", f"schema version {migration.version}"
    if not migration.lacking:
        click.echo(f"{what} is up to date ({version}).")
        return
    click.echo(f"{what} {'lacks' if check else 'got'} ({version}):")
    for missing in migration.lacking:
        click.echo(f"  {missing}")
