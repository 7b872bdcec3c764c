"""A real Kafka broker in KRaft mode: its jars come from Maven Central, once, into the cache folder."""

import shutil
import subprocess
import uuid
from base64 import urlsafe_b64encode
from pathlib import Path

from cluster.children import CACHE, Child, Ports, Unavailable, is_open, run_once
from outlive.engine.ports import LOOPBACK

POM = Path(__file__).with_name("pom.xml")
OLDEST_JAVA = 17
HEAP = ["-Xms128m", "-Xmx512m"]


def fetch_jars() -> Path:
    """Fetch what is not in the cache yet; the folder of the jars.

    Raises:
        Unavailable: Where Java or Maven are absent, or Maven cannot resolve.
    """
    java, maven = shutil.which("java"), shutil.which("mvn")
    if java is None or _major_version(java) < OLDEST_JAVA:
        raise Unavailable(f"no Java {OLDEST_JAVA} or later: Kafka runs on it")
    folder = CACHE / "kafka"
    stamp = folder / "pom.xml"
    if stamp.exists() and stamp.read_bytes() == POM.read_bytes():
        return folder
    if maven is None:
        raise Unavailable("no Maven: `mvn` is not on the PATH, and Kafka's jars come with it")
    shutil.rmtree(folder, ignore_errors=True)
    command = [maven, "-q", "-B", "-f", POM, "dependency:copy-dependencies", "-DincludeScope=runtime"]
    run_once([*command, f"-DoutputDirectory={folder}"], log=CACHE / "logs" / "maven.log")
    shutil.copyfile(POM, stamp)
    return folder


class Kafka:
    """One broker that is its own controller, which can be stopped and started again with what it holds."""

    def __init__(self, jars: Path, *, folder: Path) -> None:
        self._folder = folder
        ports = Ports()
        self.port, self._controller = ports.take(), ports.take()
        self._java = ["java", *HEAP, "-cp", f"{jars}/*"]
        self._properties = folder / "server.properties"
        self.server = Child("kafka", [*self._java, "kafka.Kafka", self._properties], folder=folder)

    @property
    def bootstrap(self) -> str:
        """``host:port`` for a client."""
        return f"{LOOPBACK}:{self.port}"

    def start(self) -> None:
        """Lay out its folder the first time, start it, and wait until it listens."""
        if not self._properties.exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            self._properties.write_text("".join(f"{name}={value}\n" for name, value in self._described().items()))
            cluster_id = urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
            tool = [*self._java, "kafka.tools.StorageTool", "format", f"--cluster-id={cluster_id}"]
            run_once([*tool, "--config", self._properties], log=self._folder / "format.log")
        self.server.start()
        self.server.ready_when(lambda: is_open(self.port))

    def end(self) -> None:
        if self.server.is_running:
            self.server.stop()

    def _described(self) -> dict[str, object]:
        return {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@{LOOPBACK}:{self._controller}",
            "listeners": f"PLAINTEXT://{self.bootstrap},CONTROLLER://{LOOPBACK}:{self._controller}",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap}",
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "log.dirs": self._folder / "data",
            "offsets.topic.replication.factor": 1,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1,
            "group.initial.rebalance.delay.ms": 0,
        }


def _major_version(java: str) -> int:
    done = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)
    quoted = done.stderr.partition('"')[2]
    return int(quoted.partition(".")[0]) if quoted[:1].isdigit() else 0
