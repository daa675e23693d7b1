"""Money and tokens of model calls, in integers: nano-dollars inside, decimal dollars at the edge."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal

_NANO = Decimal(1_000_000_000)


def nano_dollars(amount: str | float) -> int:
    """An amount in dollars as nano-dollars, rounded half to even."""
    return int((Decimal(str(amount)) * _NANO).to_integral_value(rounding=ROUND_HALF_EVEN))


def dollars(nano: int) -> str:
    """Nano-dollars as the shortest exact decimal text in dollars: `dollars(1_500_000_000)` is "1.5"."""
    sign, nano = ("-", -nano) if nano < 0 else ("", nano)
    whole, rest = divmod(nano, 1_000_000_000)
    return f"{sign}{whole}" + (f".{rest:09d}".rstrip("0") if rest else "")
