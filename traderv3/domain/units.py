"""Prices, counts and money as integers, and their exact conversion from and to the venue's decimal strings.

Units: a `Price` is 1/10 000 dollar, a `Qty` 1/100 contract, `Money` 1/1 000 000 dollar; so Price x Qty *is* Money.
Source: Kalshi prints prices with 4 decimals, counts with 2, money with up to 6.
Never: a float. A string that does not convert exactly raises; nothing is rounded.
"""

from typing import Final, NewType

Price = NewType("Price", int)  # 1e-4 dollar; on a book 0 < price < DOLLAR
Qty = NewType("Qty", int)  # 0.01 contract; signed where it is a change
Money = NewType("Money", int)  # 1e-6 dollar, signed

DOLLAR: Final = Price(10_000)
CONTRACT: Final = Qty(100)

_DIGITS_MAX: Final = (
    15  # whole part; beyond any real size, and int arithmetic stays within 64 bits for readers elsewhere
)


class UnitError(ValueError):
    """Text that is not an exact number of the unit asked for."""


def _parse(text: str, decimals: int, unit: str) -> int:
    """Read a plain decimal ("12", "-0.50") as an integer count of 10**-decimals, or raise `UnitError`."""
    sign = -1 if text.startswith("-") else 1
    whole, dot, fraction = text.removeprefix("-").partition(".")
    digits = whole + fraction
    if len(fraction) == decimals and 0 < len(whole) <= _DIGITS_MAX and digits.isascii() and digits.isdigit():
        return sign * int(digits)  # as the venue prints it
    is_plain = whole.isascii() and whole.isdigit() and len(whole) <= _DIGITS_MAX
    if dot:
        is_plain = is_plain and fraction.isascii() and fraction.isdigit()
    kept, lost = fraction[:decimals], fraction[decimals:]
    if not is_plain or lost.strip("0"):
        msg = f"{text[:40]!r} is not {unit} with at most {decimals} decimals"
        raise UnitError(msg)
    scale: int = 10**decimals
    return sign * (int(whole) * scale + int(kept.ljust(decimals, "0") or "0"))


def parse_price(text: str) -> Price:
    """Dollars as text to 1e-4 dollar: "0.4700" is 4700. Raises `UnitError`."""
    return Price(_parse(text, 4, "a price"))


def parse_qty(text: str) -> Qty:
    """Contracts as text to 0.01 contract: "-1.50" is -150. Raises `UnitError`."""
    return Qty(_parse(text, 2, "a count"))


def parse_money(text: str) -> Money:
    """Dollars as text to 1e-6 dollar: "0.017472" is 17472. Raises `UnitError`."""
    return Money(_parse(text, 6, "an amount of money"))


def _format(value: int, decimals: int) -> str:
    sign = "-" if value < 0 else ""
    whole, fraction = divmod(abs(value), 10**decimals)
    return f"{sign}{whole}.{fraction:0{decimals}d}"


def format_price(price: int) -> str:
    """The venue's own spelling, always 4 decimals."""
    return _format(price, 4)


def format_qty(qty: int) -> str:
    """The venue's own spelling, always 2 decimals."""
    return _format(qty, 2)


def format_money(money: int) -> str:
    """Dollars with 6 decimals."""
    return _format(money, 6)
