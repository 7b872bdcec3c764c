"""Keys: how they are written, and where they come from."""

import base64
import binascii
import os
import re
import secrets
import shlex
import stat
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from outlive.errors import KeysInvalid

KEY_BYTES = 32  # AES-256
COMMAND_PATIENCE = 60.0  # seconds; a key service far away, and a person who confirms
LARGEST_KEYS = 100_000  # bytes; a file that is larger is something else
FILE, COMMAND = "file:", "command:"
_ID = re.compile(r"[A-Za-z0-9._-]{1,32}")
_FORM = "Keys are written ID:SECRET, one a line or with commas between; `outlive keys generate` makes one."


@dataclass(frozen=True, kw_only=True)
class Key:
    """One key, and the id by which what it encrypts names it."""

    key_id: str
    secret: bytes = field(repr=False)

    def written(self) -> str:
        """Return the key as `parse_keys` reads it. It is secret."""
        return f"{self.key_id}:{base64.urlsafe_b64encode(self.secret).decode().rstrip('=')}"


def generate_key(key_id: str | None = None) -> Key:
    """Make a key; without an id it gets one that tells its day.

    Raises:
        KeysInvalid: If the id cannot be one.
    """
    if key_id is None:
        key_id = f"k{datetime.now(UTC):%Y%m%d}-{secrets.token_hex(2)}"
    return Key(key_id=_checked_id(key_id), secret=secrets.token_bytes(KEY_BYTES))


def read_keys(source: str) -> tuple[Key, ...]:
    """Return the keys of a source, the one for writing first.

    Args:
        source: ``file:PATH``, ``command:PROGRAM ARGUMENTS`` (run without a shell; it prints the keys), or the keys.

    Raises:
        KeysInvalid: If there are none, or they cannot be read. No message holds any part of a key.
    """
    if source.startswith(FILE):
        return parse_keys(_of_file(Path(source.removeprefix(FILE)).expanduser()))
    if source.startswith(COMMAND):
        return parse_keys(_of_command(source.removeprefix(COMMAND)))
    return parse_keys(source)


def parse_keys(text: str) -> tuple[Key, ...]:
    """Return the keys that a text holds; lines that begin with ``#`` are comments.

    Raises:
        KeysInvalid: If there is none, or one is none.
    """
    lines = [line.strip() for line in text.splitlines()]
    written = [part.strip() for line in lines if not line.startswith("#") for part in line.split(",")]
    keys = [_parsed(part, number) for number, part in enumerate(filter(None, written), start=1)]
    if not keys:
        raise KeysInvalid(f"OUTLIVE_KEYS holds no key. {_FORM}")
    ids = [key.key_id for key in keys]
    if repeated := sorted({key_id for key_id in ids if ids.count(key_id) > 1}):
        raise KeysInvalid(f"OUTLIVE_KEYS has more than one key {repeated[0]!r}. Each needs an id of its own.")
    return tuple(keys)


def add_to_file(path: Path, key: Key) -> None:
    """Put a key first into a file of keys, which is made (mode 0600) where there is none.

    Raises:
        KeysInvalid: If the file cannot be read or written, or has a key of this id.
    """
    before: Sequence[Key] = parse_keys(_of_file(path)) if path.exists() else ()
    if any(known.key_id == key.key_id for known in before):
        raise KeysInvalid(f"The file {str(path)!r} has a key {key.key_id!r}. Choose another id.")
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write("".join(f"{one.written()}\n" for one in (key, *before)))
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise KeysInvalid(f"The file {str(path)!r} cannot be written: {error.strerror}.") from error


def _parsed(text: str, number: int) -> Key:
    key_id, colon, secret = text.partition(":")
    if not colon or not _ID.fullmatch(key_id):
        raise KeysInvalid(f"Key number {number} of OUTLIVE_KEYS is not written ID:SECRET. {_FORM}")
    try:
        decoded = base64.b64decode(secret.replace("-", "+").replace("_", "/") + "=" * (-len(secret) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise KeysInvalid(f"The key {key_id!r} of OUTLIVE_KEYS is no base64. {_FORM}") from None  # it may be shown
    if len(decoded) != KEY_BYTES:
        raise KeysInvalid(
            f"The key {key_id!r} of OUTLIVE_KEYS has {len(decoded)} bytes instead of {KEY_BYTES}. {_FORM}"
        )
    return Key(key_id=key_id, secret=decoded)


def _checked_id(key_id: str) -> str:
    if not _ID.fullmatch(key_id):
        raise KeysInvalid(
            f"{key_id!r} is no id of a key. It takes up to 32 letters, digits, dots, dashes, underscores."
        )
    return key_id


def _of_file(path: Path) -> str:
    try:
        mode = path.stat().st_mode
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise KeysInvalid(
                f"The file of keys {str(path)!r} is open to others (mode {mode & 0o777:04o}). "
                f"Close it with `chmod 600 {shlex.quote(str(path))}`."
            )
        with path.open("rb") as file:
            content = file.read(LARGEST_KEYS)
    except OSError as error:
        raise KeysInvalid(
            f"The file of keys {str(path)!r} cannot be read: {error.strerror}. Mend OUTLIVE_KEYS."
        ) from error
    return _text(content)


def _of_command(command: str) -> str:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise KeysInvalid(f"The command of OUTLIVE_KEYS cannot be read: {error}.") from error
    if not words:
        raise KeysInvalid("OUTLIVE_KEYS names no command behind 'command:'. Name one that prints the keys.")
    try:
        done = subprocess.run(  # noqa: S603 - the user's own command, and no shell
            words, capture_output=True, timeout=COMMAND_PATIENCE, check=False, stdin=subprocess.DEVNULL
        )
    except OSError as error:
        raise KeysInvalid(f"The command {words[0]!r} of OUTLIVE_KEYS cannot be run: {error.strerror}.") from error
    except subprocess.TimeoutExpired:  # its text has the output, which may be a key
        raise KeysInvalid(
            f"The command {words[0]!r} of OUTLIVE_KEYS did not end within {COMMAND_PATIENCE:.0f} s."
        ) from None
    if done.returncode:
        raise KeysInvalid(
            f"The command {words[0]!r} of OUTLIVE_KEYS ended with status {done.returncode}. Run it by hand to see why."
        )
    return _text(done.stdout)


def _text(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise KeysInvalid(f"OUTLIVE_KEYS names a source that is no text. {_FORM}") from None
