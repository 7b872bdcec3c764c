"""What one model call costs in CPU for its payload, at conversations of any length: ``python bench/payloads.py``.

Beside Pydantic AI's own converter, which sends all messages each time. Encoding and decoding of a call whose
conversation has just grown by two messages, as an agent's worker does it; store: a SQLite file, synced.

    python bench/payloads.py --encrypted   # with a key and without, in turns; and what rests in the ledger
"""

import asyncio
import gc
import statistics
import sys
import tempfile
import time
from pathlib import Path

from pydantic_ai.durable_exec.temporal import PydanticAIPayloadConverter
from temporalio.converter import DataConverter

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from outlive.encryption.columns import open_value, seal_value
from outlive.encryption.keyring import Keyring, keyring_of
from outlive.encryption.keys import generate_key
from outlive.engine.connection import data_converter
from outlive.settings import Settings
from unit.engine_codec.conversations import _RequestParams, conversation, request

LENGTHS = (10, 100, 1_000, 2_000)
MESSAGE_SIZE = 5_000  # bytes
CALLS = 30
TURNS = 5
VALUES = 2_000


async def cost_of_calls(converter: DataConverter, length: int, calls: int) -> tuple[float, int]:
    """Return CPU milliseconds per call, the median of some, and the payload's size in bytes."""
    messages = conversation(length + 2 * calls, size=MESSAGE_SIZE)
    payload = await one_call(converter, messages[:length])
    costs = []
    gc.collect()
    for number in range(1, calls + 1):
        began = time.process_time()
        payload = await one_call(converter, messages[: length + 2 * number])
        costs.append((time.process_time() - began) * 1_000)
    return statistics.median(costs), payload.ByteSize()


async def one_call(converter: DataConverter, messages: list) -> object:
    (payload,) = await converter.encode([request(messages)])
    (read,) = await converter.decode([payload], [_RequestParams])
    assert len(read.messages) == len(messages)
    return payload


async def encrypted() -> None:
    """Print what a key adds to a call's payload, to its record in the ledger, and to an event."""
    with tempfile.TemporaryDirectory() as folder:
        ways = {"clear": Settings(home=Path(folder) / "clear")}
        ways["key"] = Settings(home=Path(folder) / "key", keys=generate_key("k1").written())
        converters = {way: data_converter(settings) for way, settings in ways.items()}
        rings = {way: keyring_of(settings) for way, settings in ways.items()}
        print(f"{'':>28}  {'clear, ms':>9}  {'key, ms':>9}   medians of {TURNS} turns")
        for length in LENGTHS:
            costs = [
                {way: (await cost_of_calls(converters[way], length, CALLS))[0] for way in ways} for _ in range(TURNS)
            ]
            show(f"payload, {length:,} messages", costs)
        for name, size in (("event of 100 bytes", 100), ("outcome of 2 KB", 2_000), ("document of 64 KB", 65_536)):
            show(name, [{way: cost_of_value(rings[way], size) for way in ways} for _ in range(TURNS)])


def cost_of_value(keys: Keyring | None, size: int) -> float:
    """Return CPU milliseconds for writing and reading one value of a column."""
    value = "x" * size
    began = time.process_time()
    for _ in range(VALUES):
        open_value(keys, seal_value(keys, value, "a.b"), "a.b")
    return (time.process_time() - began) * 1_000 / VALUES


def show(name: str, costs: list[dict[str, float]]) -> None:
    clear, key = (statistics.median(cost[way] for cost in costs) for way in ("clear", "key"))
    print(f"{name:>28}  {clear:>9.3f}  {key:>9.3f}")


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        ours = data_converter(Settings(home=Path(folder)))
        stock = DataConverter(payload_converter_class=PydanticAIPayloadConverter)
        await cost_of_calls(ours, 10, 5)
        print(f"{'messages':>9}  {'ours, ms':>9}  {'stock, ms':>9}  {'ours, bytes':>11}  {'stock, bytes':>12}")
        for length in LENGTHS:
            cost, size = await cost_of_calls(ours, length, CALLS)
            stock_cost, stock_size = await cost_of_calls(stock, length, 3)
            print(f"{length:>9,}  {cost:>9.2f}  {stock_cost:>9.2f}  {size:>11,}  {stock_size:>12,}")


if __name__ == "__main__":
    asyncio.run(encrypted() if "--encrypted" in sys.argv else main())
