"""Whatever is lost, doubled or overtaken: after a complete read the portfolio is the exchange's account, to the last 1e-6."""

import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.trading.account_at_exchange import AccountAtExchange, Hearing


def _live(seed: int, hearing: Hearing | None = None, *, acts: int = 150) -> AccountAtExchange:
    rng = random.Random(seed)
    account = AccountAtExchange(rng, Hearing.drawn(rng) if hearing is None else hearing)
    for _ in range(acts):
        account.act()
        account.portfolio.check()
        account.check_bounds()
    return account


@example(122)  # fees of orders at one price are rounded in the order of their ids
@example(773)
@given(st.integers(0, 2**32))
def test_a_complete_read_makes_good_whatever_was_heard(seed: int) -> None:
    account = _live(seed)
    account.read_everything()

    account.check()


@given(st.integers(0, 2**32))
def test_a_killed_process_finds_its_account_again(seed: int) -> None:
    account = _live(seed, acts=60)
    account.restart()
    account.check()
    for _ in range(60):
        account.act()
        account.portfolio.check()
        account.check_bounds()
    account.read_everything()

    account.check()


@pytest.mark.soak
@settings(max_examples=3_000)
@given(st.integers(0, 2**32))
def test_a_complete_read_makes_good_whatever_was_heard_for_long(seed: int) -> None:
    account = _live(seed, acts=300)
    account.read_everything()

    account.check()
