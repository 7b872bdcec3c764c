"""``outlive engine``: back up, restore and look at the embedded engine."""

import asyncio
import json
from dataclasses import asdict
from pathlib import Path

import click


@click.group()
def engine() -> None:
    """Back up, restore and look at the embedded engine."""


@engine.command()
@click.argument("destination", type=click.Path(path_type=Path))
def backup(destination: Path) -> None:
    """Copy engine and ledger into the new folder DESTINATION, also while everything runs."""
    from outlive.engine.backup import back_up
    from outlive.engine.home import Home
    from outlive.settings import Settings

    manifest = asyncio.run(back_up(Home(Settings.load().home), destination))
    for name, file in sorted(manifest.files.items()):
        click.echo(f"{name:12} {file.size:>14,} bytes")
    click.echo(f"Backed up to {str(destination)!r}. Bring it back with `outlive engine restore {destination}`.")


@engine.command()
@click.argument("source", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--force", is_flag=True, help="Replace what is there; the replaced files are kept aside.")
def restore(source: Path, force: bool) -> None:
    """Put the backup in the folder SOURCE in the place of this project's engine and ledger."""
    from outlive.engine.backup import restore as restore_backup
    from outlive.engine.home import Home
    from outlive.settings import Settings

    home = Home(Settings.load().home)
    kept = asyncio.run(restore_backup(home, source, force=force))
    if kept is not None:
        click.echo(f"The files that were there are in {str(kept)!r}.")
    click.echo(f"Restored into {str(home.path)!r}. `outlive up` goes on from there.")


@engine.command()
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
def status(as_json: bool) -> None:
    """Say whether the engine runs, where, and who owns it. Exit status 1 when it does not run."""
    from outlive.engine.home import Home
    from outlive.settings import Settings

    home = Home(Settings.load().home)
    state, owner = home.live_state(), home.owner()
    size = sum(path.stat().st_size for path in home.path.glob("engine.db*") if path.suffix in {".db", ".db-wal"})
    if as_json:
        answer = {
            "home": str(home.path),
            "engine_bytes": size,
            "owner": asdict(owner) if owner else None,
            "engine": asdict(state) if state else None,
        }
        click.echo(json.dumps(answer, indent=2))
    else:
        click.echo(f"State     {home.path} ({size:,} bytes of engine)")
        click.echo(f"Owner     {f'process {owner.pid}: {owner.command}' if owner else 'nobody'}")
        if state:
            click.echo(f"Temporal  {state.address}, server {state.server_version} (process {state.engine_pid})")
            click.echo(f"Web UI    {state.ui_address}")
        else:
            click.echo("Temporal  not running. Start it with `outlive up`.")
    click.get_current_context().exit(0 if state else 1)
