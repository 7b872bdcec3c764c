"""How numbers are written for people."""

NANOS = 1_000_000_000


def duration(seconds: float) -> str:
    """Return a length of time, such as ``1 h 04 min`` or ``12 s``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min"


def dollars(usd_nanos: float) -> str:
    """Return an amount in dollars: in cents, and with as many digits more as it takes to see it."""
    usd = usd_nanos / NANOS
    if usd == 0:
        return "$0"
    if usd < 0.0001:
        return f"${usd:.2g}"
    if usd >= 1:
        return f"${usd:,.2f}"
    cents, finer = f"{usd:.2f}", f"{usd:.4f}".rstrip("0")
    return f"${max(cents, finer, key=len)}"


def price(usd_nanos: int, unpriced: int) -> str:
    """Return what documents cost, and for how many of them that is not known."""
    if not unpriced:
        return dollars(usd_nanos)
    unknown = f"{unpriced:,} document{'s' if unpriced > 1 else ''} at an unknown price"
    return f"{dollars(usd_nanos)} + {unknown}" if usd_nanos else unknown
