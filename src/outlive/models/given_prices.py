"""Prices that the user gives, for models that nobody else knows the price of."""

import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from outlive.errors import SettingError

GivenPrices = Mapping[str, Mapping[str, str | Decimal]]
"""Dollars per million tokens by model, ``{"openai:house-blend": {"input": "0.25", "output": "2"}}``, with ``cached``
for input that is read from a cache. The provider may be left out of the name."""

HOW = 'Write {"MODEL": {"input": "0.25", "output": "2"}}, in dollars per million tokens.'


def read_prices(path: Path) -> dict[str, Any]:
    """Read prices from a JSON file, as `GivenPrices` has them.

    Raises:
        SettingError: If it cannot be read.
    """
    try:
        found = json.loads(path.read_text(), parse_float=str, parse_int=str)
    except (OSError, ValueError) as error:
        raise SettingError(f"OUTLIVE_PRICES names {str(path)!r}, which cannot be read: {error}.") from error
    if not isinstance(found, dict):
        raise SettingError(f"OUTLIVE_PRICES names {str(path)!r}, which is no object of prices by model. {HOW}")
    return found
