"""What a call may cost at most is never less than what it costs."""

from decimal import Decimal
from pathlib import Path

import pytest
from genai_prices.data_snapshot import get_snapshot
from pydantic_ai.usage import RequestUsage

from outlive.errors import SettingError
from outlive.models.given_prices import read_prices
from outlive.models.prices import Prices

USAGES = [
    RequestUsage(input_tokens=900, output_tokens=500),
    RequestUsage(input_tokens=1_000, cache_read_tokens=400, output_tokens=7),
    RequestUsage(input_tokens=1_000, cache_write_tokens=900, output_tokens=0),
]


def test_no_model_that_has_a_price_costs_more_than_its_ceiling():
    prices, compared = Prices(), 0
    for provider in get_snapshot().providers:
        for model in provider.models:
            ceiling = prices.ceiling(model.id, provider.id, None, 1_000)
            for usage in USAGES:
                cost = prices.usd_nanos(usage, model.id, provider.id, None)
                if cost is not None and ceiling is not None:
                    assert cost <= ceiling.base + usage.output_tokens * ceiling.output, (provider.id, model.id)
                    compared += 1

    assert compared > 1_000


def test_a_given_price_goes_before_all_others():
    prices = Prices({"openai:gpt-4o-mini": {"input": "1", "output": Decimal(2), "cached": "0.5"}})
    usage = RequestUsage(input_tokens=10, cache_read_tokens=4, output_tokens=3)

    assert prices.usd_nanos(usage, "gpt-4o-mini", "openai", None) == 6 * 1_000 + 4 * 500 + 3 * 2_000
    assert Prices().usd_nanos(usage, "house-blend", "openai", None) is None
    assert Prices().ceiling("house-blend", "openai", None, 10) is None


@pytest.mark.parametrize(
    "text", ["[]", "{", '{"m": 1}', '{"m": {"input": "x", "output": "1"}}', '{"m": {"input": "1"}}']
)
def test_prices_that_cannot_be_read_are_named(tmp_path: Path, text: str):
    path = tmp_path / "prices.json"
    path.write_text(text)

    with pytest.raises(SettingError, match=r"dollars per million tokens|cannot be read"):
        Prices(read_prices(path))
