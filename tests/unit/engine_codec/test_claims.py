import asyncio
import os
from pathlib import Path

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.converter import DataConverter, DefaultFailureConverter
from temporalio.exceptions import ApplicationError

from outlive.engine import converter as converters
from outlive.engine.codec import CLAIM_ABOVE
from outlive.engine.connection import data_converter
from outlive.engine.envelopes import CLAIM, encoding_of
from outlive.errors import PayloadError, PayloadMissing, PayloadTooLarge
from outlive.settings import Settings


@pytest.fixture
def converter(tmp_path: Path) -> DataConverter:
    return data_converter(Settings(home=tmp_path))


@pytest.mark.parametrize("value", ["x" * 20_000, {"list": ["y" * 100] * 50_000}, os.urandom(8_000_000)])
async def test_a_large_value_is_a_small_payload(converter, value):
    (payload,) = await converter.encode([value])

    assert encoding_of(payload) == CLAIM
    assert payload.ByteSize() < 2_000
    assert await converter.decode([payload], [type(value)]) == [value]


async def test_small_payloads_pass_untouched_and_open_no_store(converter, tmp_path):
    payloads = [
        Payload(metadata={"encoding": b"json/plain", "own": b"x"}, data=b"1" * CLAIM_ABOVE),
        Payload(metadata={"encoding": b"binary/somebody-elses"}, data=b"\x00"),
        Payload(),
    ]

    assert await converter.payload_codec.encode(payloads) == payloads
    assert await converter.payload_codec.decode(payloads) == payloads
    assert list(tmp_path.iterdir()) == []


async def test_a_large_payload_keeps_its_metadata(converter):
    payload = Payload(metadata={"encoding": b"binary/somebody-elses", "key": b"7"}, data=os.urandom(100_000))
    codec = converter.payload_codec

    assert await codec.decode(await codec.encode([payload])) == [payload]


async def test_a_claim_is_not_claimed_again(converter):
    encoded = await converter.payload_codec.encode(converter.payload_converter.to_payloads(["x" * 100_000]))

    assert await converter.payload_codec.encode(encoded) == encoded


def test_a_converter_serves_several_event_loops_in_turn(converter):
    payloads = asyncio.run(converter.encode(["x" * 100_000]))

    assert asyncio.run(converter.decode(payloads)) == ["x" * 100_000]
    assert asyncio.run(converter.encode(["x" * 100_000])) == payloads


async def test_a_value_that_nothing_can_carry_fails_at_once_with_its_size(converter, monkeypatch):
    monkeypatch.setattr(converters, "LARGEST_PAYLOAD", 1_000_000)

    with pytest.raises(
        PayloadTooLarge, match=r"'str' has 1,000,003 bytes.*at most 1,000,000.*pass its address"
    ) as caught:
        await converter.encode(["x" * 1_000_001])

    assert isinstance(caught.value, ApplicationError)
    assert caught.value.non_retryable
    assert caught.value.type == "PayloadTooLarge"
    assert (caught.value.size, caught.value.limit) == (1_000_003, 1_000_000)


async def test_a_claim_whose_content_is_not_here_says_where_it_may_be(converter, tmp_path):
    payloads = await converter.encode(["x" * 100_000])

    with pytest.raises(PayloadMissing, match="OUTLIVE_HOME or OUTLIVE_PAYLOADS"):
        await data_converter(Settings(home=tmp_path / "other")).decode(payloads)


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{}", b'{"size":1,"count":1,"roots":"eA=="}', b'{"size":1,"count":-1,"roots":""}']
)
async def test_a_damaged_claim_is_an_error_of_ours(converter, data):
    with pytest.raises(PayloadError, match="binary/outlive-claim"):
        await converter.payload_codec.decode([Payload(metadata={"encoding": CLAIM}, data=data)])


async def test_failures_with_large_details_are_small_too(converter):
    from temporalio.api.failure.v1 import Failure

    failure = Failure()
    await converter.encode_failure(ApplicationError("no", "d" * 1_000_000), failure)

    assert failure.ByteSize() < 1_000
    assert (await converter.decode_failure(failure)).details == ("d" * 1_000_000,)
    assert isinstance(converter.failure_converter, DefaultFailureConverter)
