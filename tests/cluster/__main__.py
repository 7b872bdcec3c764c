"""``python -m cluster``: the cluster of real parts for as long as this runs, and how to reach it."""

import signal
import sys
import tempfile
from pathlib import Path

from cluster.children import Unavailable
from cluster.temporal import TemporalCluster, build_programs
from object_store import NoObjectStore, ObjectServer
from postgres import NoServer, PostgresServer


def main() -> None:
    """Start Temporal, PostgreSQL and S3; print what a shell sets to use them; end them at Ctrl-C."""
    folder = Path(tempfile.mkdtemp(prefix="outlive-cluster-"))
    try:
        programs, postgres = build_programs(), PostgresServer(connections=200)
        store = ObjectServer()
    except (Unavailable, NoServer, NoObjectStore) as error:
        sys.exit(f"Error: {error}")
    temporal = TemporalCluster(programs, postgres, folder=folder / "temporal")
    stopped = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, stopped)
    try:
        postgres.start()
        store.start()
        temporal.start()
        named = {"TEMPORAL_ADDRESS": temporal.address, "OUTLIVE_LEDGER": postgres.new_database()}
        for name, value in (named | {"OUTLIVE_PAYLOADS": "s3://payloads/project"} | store.environment).items():
            sys.stdout.write(f"export {name}='{value}'\n")
        sys.stdout.flush()
        signal.sigwait(stopped)
    finally:
        temporal.end()
        store.remove()
        postgres.remove()


if __name__ == "__main__":
    main()
