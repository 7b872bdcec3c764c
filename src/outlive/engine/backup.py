"""Backups of the engine and of what lies beside it, taken while everything runs, and their return."""

import asyncio
import hashlib
import json
import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from outlive.engine.carry import SIDE_FILES, check_integrity, open_db, remove_db, sync_file
from outlive.engine.home import Home, sync_folder, write_whole
from outlive.engine.preparation import FileVersion, end_orphans, read_version, write_version
from outlive.errors import EngineFailed, UsageError

MANIFEST = "manifest.json"
FORMAT = 1
KNOWN = {"engine.db", "ledger.db", "payloads.db", "streams.db"}
BUSY_TIMEOUT = 30.0  # seconds


@dataclass(frozen=True, kw_only=True)
class BackupFile:
    """One file of a backup: its size in bytes and its SHA-256 digest."""

    size: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a backup holds.

    Attributes:
        made_at: When the engine was copied, ISO 8601 in UTC.
        engine: Which server wrote the engine's file; None where nobody recorded it.
        files: ``engine.db`` and those of ``ledger.db``, ``payloads.db`` and ``streams.db`` that the project has.
    """

    made_at: str
    engine: FileVersion | None
    files: dict[str, BackupFile] = field(default_factory=dict)
    format: int = FORMAT


async def back_up(home: Home, destination: Path) -> Manifest:
    """Copy engine, ledger, payloads and event log into a folder, consistent in themselves and with each other.

    The engine is copied first, under load too: the ledger then knows at least what the engine knows, and nothing that
    the engine does again after a restore is paid for again; and what engine and ledger refer to is among the payloads.

    Args:
        destination: A folder that does not exist yet, or is empty.

    Raises:
        UsageError: Where there is nothing to back up, or the destination is not empty.
        EngineFailed: Where a file is damaged.
    """
    return await asyncio.to_thread(_write_backup, home, destination)


async def restore(home: Home, source: Path, *, force: bool = False) -> Path | None:
    """Put the files of a backup in the place of a project's own.

    Args:
        force: Replace what is there; it is kept aside.

    Returns:
        The folder with the files that were replaced; None where there were none.

    Raises:
        EngineOwned: While a process owns the project's state folder.
        UsageError: Where the source is no backup, or there is something to replace and ``force`` is not set.
        EngineFailed: Where the backup is damaged. Nothing was replaced.
    """
    manifest = read_manifest(source)
    async with home.own():
        await end_orphans(home)
        present = _present(home)
        if present and not force:
            names = " and ".join(path.name for path in present)
            raise UsageError(
                f"{str(home.path)!r} already has {names}. Restore with --force to put the backup in their place; "
                "they are kept aside."
            )
        staged = await asyncio.to_thread(_stage, home, source, manifest)
        kept = _set_aside(home) if present else None
        for path in reversed(staged):  # the engine last: whatever happens now, nothing that it refers to is missing
            path.replace(path.with_name(path.name.removesuffix(".restoring")))
        sync_folder(home.path)
        write_version(home, manifest.engine)
        home.forget_state()
    return kept


def read_manifest(source: Path) -> Manifest:
    """Return what a backup says of itself.

    Raises:
        UsageError: Where it is no backup of this kind.
    """
    try:
        raw = json.loads((source / MANIFEST).read_text())
        files = {name: BackupFile(**values) for name, values in raw.pop("files").items()}
        engine = FileVersion(**version) if (version := raw.pop("engine")) else None
        manifest = Manifest(**raw, engine=engine, files=files)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise UsageError(f"{str(source)!r} is no backup made by `outlive engine backup`: {error}.") from error
    if manifest.format != FORMAT or "engine.db" not in files or files.keys() - KNOWN:
        raise UsageError(
            f"The backup {str(source)!r} was made by another version of Outlive. Restore it with that one."
        )
    return manifest


def _write_backup(home: Home, destination: Path) -> Manifest:
    if not home.engine_db.exists():
        raise UsageError(f"There is no engine in {str(home.path)!r} to back up. Start one with `outlive up`.")
    partial = destination.with_name(f"{destination.name}.partial")
    try:
        if destination.exists() and (not destination.is_dir() or any(destination.iterdir())):
            raise UsageError(f"{str(destination)!r} exists and is no empty folder. Name a new one.")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(mode=0o700, parents=True)
        manifest = _copy_all(home, partial)
        write_whole(partial / MANIFEST, json.dumps(asdict(manifest), indent=2) + "\n")
        partial.replace(destination)
        sync_folder(destination.parent)
    except OSError as error:
        raise EngineFailed(f"The backup {str(destination)!r} could not be written: {error}.") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return manifest


def _copy_all(home: Home, folder: Path) -> Manifest:
    made_at = datetime.now(UTC).isoformat(timespec="seconds")
    files = {source.name: _copy_db(source, folder / source.name) for source in _present(home)}
    return Manifest(made_at=made_at, engine=read_version(home), files=files)


def _copy_db(source: Path, target: Path) -> BackupFile:
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    os.close(descriptor)
    try:
        with open_db(source, timeout=BUSY_TIMEOUT) as live, closing(sqlite3.connect(target)) as copy:
            live.backup(copy)  # all pages in one read transaction: writers go on, into the WAL
            copy.execute("PRAGMA journal_mode = DELETE").fetchone()
            check_integrity(copy, target)
    except sqlite3.Error as error:
        raise EngineFailed(f"The file {str(source)!r} could not be copied: {error}.") from error
    sync_file(target)
    return BackupFile(size=target.stat().st_size, sha256=_digest(target))


def _stage(home: Home, source: Path, manifest: Manifest) -> list[Path]:
    staged = []
    for name in sorted(manifest.files):  # the engine first, as in `_databases`
        copy = home.path / f"{name}.restoring"
        remove_db(copy)
        try:
            shutil.copyfile(source / name, copy)
        except OSError as error:
            raise EngineFailed(f"The backup's {name!r} cannot be read: {error}. Nothing was replaced.") from error
        copy.chmod(0o600)
        if _digest(copy) != manifest.files[name].sha256:
            remove_db(copy)
            raise EngineFailed(
                f"{str(source / name)!r} is not as it was when the backup was made. Nothing was replaced."
            )
        with open_db(copy) as db:
            check_integrity(db, source / name)
        sync_file(copy)
        staged.append(copy)
    return staged


def _databases(home: Home) -> list[Path]:
    """Return what is backed up, in the order in which it is copied: what refers before what is referred to."""
    return [home.engine_db, home.ledger_db, home.payloads_db, home.streams_db]


def _present(home: Home) -> list[Path]:
    return [path for path in _databases(home) if path.exists()]


def _set_aside(home: Home) -> Path:
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    folder = home.path / f"replaced-{stamp}"
    folder.mkdir(mode=0o700)
    for db in _databases(home):
        for suffix in ("", *SIDE_FILES):  # with its WAL: what is committed there is in no other place
            path = db.with_name(db.name + suffix)
            if path.exists():
                path.replace(folder / path.name)
    if home.engine_version_file.exists():
        shutil.copy2(home.engine_version_file, folder)
    return folder


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
