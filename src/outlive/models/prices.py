"""What a call costs, by ``genai-prices``: exact, and cheap enough to ask for every call.

``genai_prices.calc_price`` takes 80 microseconds a call. Where a model has flat prices for input, cached input and
output, and the call used nothing else, the same sum is done here with the prices looked up once; everything
else goes to the library. A test compares the two over every model that the library knows.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

from genai_prices import calc_price
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ModelPrice
from pydantic_ai.usage import RequestUsage

from outlive.errors import SettingError
from outlive.models.given_prices import HOW, GivenPrices

_NANOS = Decimal(1_000_000_000)
_NANOS_PER_TOKEN = Decimal(1000)  # of a price in dollars per million tokens
_PROBE_TOKENS = 1_000  # of output, to tell the price of one without the rounding of one


@dataclass(frozen=True, slots=True)
class _Flat:
    """Billionths of a dollar per token; None where the library has no price for it."""

    fresh: Decimal
    cached: Decimal | None
    output: Decimal
    is_given: bool = False


@dataclass(frozen=True, slots=True)
class Ceiling:
    """What a call may cost at most, in billionths of a dollar.

    Attributes:
        base: Its input, whatever of it is cached, read from a cache or written to one.
        output: One token of output.
    """

    base: int
    output: int


class Prices:
    """The prices of the models of one process."""

    def __init__(self, given: GivenPrices | None = None) -> None:
        """Take prices that go before the library's.

        Raises:
            SettingError: If one of them cannot be read.
        """
        self._given = {name: _given_price(name, price) for name, price in (given or {}).items()}
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
        flat = self._flat_price(key)
        if flat is not None and (flat.is_given or _is_plain(usage, flat)):
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

    def ceiling(self, model_ref: str, provider: str, url: str | None, input_tokens: int) -> Ceiling | None:
        """Return what a call of so much input may cost at most; None where the price is not known."""
        key = (model_ref, provider, url)
        if key in self._unknown:
            return None
        inputs = (
            RequestUsage(input_tokens=input_tokens),
            RequestUsage(input_tokens=input_tokens, cache_write_tokens=input_tokens),
            RequestUsage(input_tokens=input_tokens, cache_read_tokens=input_tokens),
            RequestUsage(input_tokens=input_tokens, input_audio_tokens=input_tokens),
        )
        known = [price for usage in inputs if (price := self.usd_nanos(usage, *key)) is not None]
        answered = RequestUsage(input_tokens=input_tokens, output_tokens=_PROBE_TOKENS)
        with_output, without = self.usd_nanos(answered, *key), self.usd_nanos(inputs[0], *key)
        if with_output is None or without is None:
            return None
        return Ceiling(base=max(known) + 1, output=math.ceil((with_output - without) / _PROBE_TOKENS))

    def _flat_price(self, key: tuple[str, str, str | None]) -> _Flat | None:
        if key not in self._flat:
            model_ref, provider, _ = key
            given = self._given.get(f"{provider}:{model_ref}") or self._given.get(model_ref)
            self._flat[key] = given or _flat_price(*key)
        return self._flat[key]


def _given_price(name: str, price: object) -> _Flat:
    if not isinstance(price, Mapping):
        raise SettingError(f"The price of {name!r} is {price!r}. {HOW}")
    try:
        fresh, output = (Decimal(price[part]) * _NANOS_PER_TOKEN for part in ("input", "output"))
        cached = Decimal(price["cached"]) * _NANOS_PER_TOKEN if "cached" in price else fresh
    except (KeyError, InvalidOperation, TypeError) as error:
        raise SettingError(f"The price of {name!r} is {dict(price)!r}. {HOW}") from error
    return _Flat(fresh, cached, output, is_given=True)


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
