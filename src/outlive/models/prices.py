"""What a call costs, by ``genai-prices``: exact, and cheap enough to ask for every call.

``genai_prices.calc_price`` takes 80 microseconds a call. Where a model has flat prices for input, cached input and
output, and the call used nothing else, the same sum is done here with the prices looked up once; everything
else goes to the library. A test compares the two over every model that the library knows.
"""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from genai_prices import calc_price
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ModelPrice
from pydantic_ai.usage import RequestUsage

_NANOS = Decimal(1_000_000_000)
_NANOS_PER_TOKEN = Decimal(1000)  # of a price in dollars per million tokens


@dataclass(frozen=True, slots=True)
class _Flat:
    """Billionths of a dollar per token; None where the library has no price for it."""

    fresh: Decimal
    cached: Decimal | None
    output: Decimal


class Prices:
    """The prices of the models of one process."""

    def __init__(self) -> None:
        self._flat: dict[tuple[str, str, str | None], _Flat | None] = {}
        self._unknown: set[tuple[str, str, str | None]] = set()

    def usd_nanos(self, usage: RequestUsage, model_ref: str, provider: str, url: str | None) -> int | None:
        """Return the price in billionths of a dollar, or None where it is not known.

        Args:
            usage: What the provider reported.
            model_ref: The model's name, as the provider's answer has it.
            provider: The provider's id, as Pydantic AI names it.
            url: The address that was called: it tells resellers of one model apart.
        """
        key = (model_ref, provider, url)
        if key in self._unknown:
            return None
        if key not in self._flat:
            self._flat[key] = _flat_price(*key)
        flat = self._flat[key]
        if flat is not None and _is_plain(usage, flat):
            fresh = usage.input_tokens - usage.cache_read_tokens
            total = (
                fresh * flat.fresh + usage.cache_read_tokens * (flat.cached or 0) + usage.output_tokens * flat.output
            )
            return _rounded(total)
        try:
            return _rounded(_library_price(usage, *key) * _NANOS)
        except LookupError:
            self._unknown.add(key)
            return None
        except ValueError:  # counts that contradict each other
            return None


def _is_plain(usage: RequestUsage, flat: _Flat) -> bool:
    others = (
        usage.cache_write_tokens
        or usage.input_audio_tokens
        or usage.output_audio_tokens
        or usage.cache_audio_read_tokens
    )
    cached = usage.cache_read_tokens
    return not others and 0 <= cached <= usage.input_tokens and (not cached or flat.cached is not None)


def _rounded(nanos: Decimal) -> int:
    return int(nanos.quantize(Decimal(1), rounding=ROUND_HALF_UP))


def _library_price(usage: RequestUsage, model_ref: str, provider: str, url: str | None) -> Decimal:
    if url:
        try:
            return calc_price(usage, model_ref, provider_api_url=url).total_price
        except LookupError:
            pass  # an address that the library does not know; the provider's name may still do
    return calc_price(usage, model_ref, provider_id=provider).total_price


def _flat_price(model_ref: str, provider: str, url: str | None) -> _Flat | None:
    for provider_id, provider_url in ((None, url), (provider, None)):
        if not (provider_id or provider_url):
            continue
        try:
            _, info = get_snapshot().find_provider_model(model_ref, None, provider_id, provider_url)
        except LookupError:
            continue
        return _flat_of(info.prices) if isinstance(info.prices, ModelPrice) else None
    return None


def _flat_of(prices: ModelPrice) -> _Flat | None:
    named = {name: price for name, price in vars(prices).items() if price is not None}
    fresh, cached, output = (named.get(f"{name}_mtok") for name in ("input", "cache_read", "output"))
    if "requests_kcount" in named or not isinstance(fresh, Decimal) or not isinstance(output, Decimal):
        return None
    if cached is not None and not isinstance(cached, Decimal):
        return None
    return _Flat(
        fresh * _NANOS_PER_TOKEN, None if cached is None else cached * _NANOS_PER_TOKEN, output * _NANOS_PER_TOKEN
    )
