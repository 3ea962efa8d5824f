"""Numbers are exact or they are refused; `decimal.Decimal` is the judge."""

import string
from collections.abc import Callable
from decimal import Decimal
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traderv3.domain.units import (
    CONTRACT,
    DOLLAR,
    UnitError,
    format_money,
    format_price,
    format_qty,
    parse_money,
    parse_price,
    parse_qty,
)

Parse = Callable[[str], int]
Format = Callable[[int], str]

UNITS: Final[list[tuple[Parse, Format, int]]] = [
    (parse_price, format_price, 4),
    (parse_qty, format_qty, 2),
    (parse_money, format_money, 6),
]
PARTS: Final = st.sampled_from(UNITS)
PLAIN: Final = st.from_regex(r"-?[0-9]{1,15}(\.[0-9]{1,12})?", fullmatch=True)


@given(PARTS, PLAIN)
def test_a_plain_decimal_is_exact_or_refused(unit: tuple[Parse, Format, int], text: str) -> None:
    parse, _, decimals = unit
    scaled = Decimal(text).scaleb(decimals)
    try:
        value = parse(text)
    except UnitError:
        assert scaled != scaled.to_integral_value()
    else:
        assert value == scaled


@given(PARTS, st.text(alphabet=string.printable + "٣²½−٫", max_size=12) | st.text(max_size=12))
def test_no_text_whatever_is_read_as_anything_but_what_it_says(unit: tuple[Parse, Format, int], text: str) -> None:
    parse, _, decimals = unit
    try:
        value = parse(text)
    except UnitError:
        return

    assert set(text) <= set("-.0123456789")
    assert value == Decimal(text).scaleb(decimals)


@given(PARTS, st.integers(-(10**17) + 1, 10**17 - 1))  # up to 15 digits before the point, whatever the unit
def test_what_is_printed_is_read_back(unit: tuple[Parse, Format, int], value: int) -> None:
    parse, print_, decimals = unit
    text = print_(value)

    assert parse(text) == value
    assert len(text.partition(".")[2]) == decimals


@pytest.mark.parametrize(
    "text", ["", "-", ".", "1.", ".5", "+1", "1e3", "0x1", "--1", "1-", "1 ", " 1", "1_0", "nan", "inf", "1,5", "1.2.3"]
)
@pytest.mark.parametrize("parse", [parse_price, parse_qty, parse_money])
def test_other_spellings_of_numbers_are_refused(parse: Parse, text: str) -> None:
    with pytest.raises(UnitError):
        parse(text)


def test_a_whole_part_beyond_any_real_size_is_refused() -> None:
    assert parse_qty("9" * 15) == (10**15 - 1) * CONTRACT

    with pytest.raises(UnitError):
        parse_qty("1" + "0" * 15)


def test_zeros_after_the_last_decimal_change_nothing() -> None:
    assert parse_price("0.470000") == parse_price("0.47") == 4700


def test_a_refusal_quotes_no_more_than_the_beginning() -> None:
    with pytest.raises(UnitError) as refused:
        parse_price("x" * 100_000)

    assert len(str(refused.value)) < 120


@given(st.integers(0, DOLLAR), st.integers(-(10**9), 10**9))
def test_price_times_count_is_money_exactly(price: int, qty: int) -> None:
    assert Decimal(format_price(price)) * Decimal(format_qty(qty)) == Decimal(format_money(price * qty))


@pytest.mark.parametrize(
    ("parse", "said"),
    [
        (parse_price, "'x' is not a price with at most 4 decimals"),
        (parse_qty, "'x' is not a count with at most 2 decimals"),
        (parse_money, "'x' is not an amount of money with at most 6 decimals"),
    ],
)
def test_what_is_refused_is_named(parse: Parse, said: str) -> None:
    with pytest.raises(UnitError) as refused:
        parse("x")

    assert str(refused.value) == said
