"""A book equals a dict under any sequence of snapshots and changes, and says whether it may be believed."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traderv3.domain.book import NONE, Book, BookState, NegativeLevel
from traderv3.domain.units import DOLLAR

Model = dict[tuple[bool, int], int]
Levels = list[tuple[int, int]]
Change = tuple[bool, int, int]

PRICES = st.sampled_from([1, 2, 2500, 4999, 5000, 5001, 9998, 9999])  # few, so that changes meet
SIZES = st.integers(1, 5)
LEVELS = st.dictionaries(PRICES, st.integers(0, 5)).map(lambda levels: list(levels.items()))
CHANGES = st.tuples(st.booleans(), PRICES, st.integers(-5, 5))
STEPS = st.lists(st.tuples(LEVELS, LEVELS) | CHANGES, max_size=40)


def replace_model(yes: Levels, no: Levels) -> Model:
    both = {(True, price): size for price, size in yes} | {(False, price): size for price, size in no}
    return {level: size for level, size in both.items() if size}


def as_model(book: Book) -> Model:
    return replace_model(list(book.yes.items()), list(book.no.items()))


def live_book(yes: Levels, no: Levels) -> Book:
    book = Book("T")
    book.replace(yes, no)
    return book


@given(STEPS)
def test_a_book_equals_a_dict(steps: list[tuple[Levels, Levels] | Change]) -> None:
    book, model = Book("T"), Model()
    for step in steps:
        if len(step) == 2:
            book.replace(*step)
            model = replace_model(*step)
        else:
            is_yes, price, change = step
            size = model.get((is_yes, price), 0) + change
            if size < 0:
                with pytest.raises(NegativeLevel):
                    book.apply(is_yes, price, change)
            else:
                book.apply(is_yes, price, change)
                model[is_yes, price] = size
                if not size:
                    del model[is_yes, price]
        book.check()

        assert as_model(book) == model
        assert book.levels(is_yes=True) == sorted((p, s) for (is_yes, p), s in model.items() if is_yes)
        assert book.levels(is_yes=False) == sorted((p, s) for (is_yes, p), s in model.items() if not is_yes)


@given(LEVELS, LEVELS, CHANGES)
def test_a_change_below_zero_leaves_the_book_as_it_was(yes: Levels, no: Levels, change: Change) -> None:
    book = live_book(yes, no)
    is_yes, price, _ = change
    before, best, updates = as_model(book), (book.best_yes, book.best_no), book.updates

    with pytest.raises(NegativeLevel):
        book.apply(is_yes, price, -6)

    assert (as_model(book), (book.best_yes, book.best_no), book.updates) == (before, best, updates)
    assert book.state is BookState.LIVE


@given(LEVELS, LEVELS, PRICES, st.booleans())
def test_a_snapshot_with_a_negative_size_leaves_the_book_as_it_was(
    yes: Levels, no: Levels, price: int, is_yes: bool
) -> None:
    book = live_book(yes, no)
    before = as_model(book)
    bad, good = [(price, -1)], [(price, 7)]

    with pytest.raises(NegativeLevel):
        book.replace(bad if is_yes else good, good if is_yes else bad)

    assert as_model(book) == before


@given(LEVELS, LEVELS)
def test_the_best_of_one_side_is_the_complement_of_the_others_ask(yes: Levels, no: Levels) -> None:
    book = live_book(yes, no)
    yes_bids = [price for price, size in yes if size]
    yes_asks = [DOLLAR - price for price, size in no if size]  # a NO bid at p is a YES offer at 1 - p

    assert book.best_yes == max(yes_bids, default=NONE)
    assert DOLLAR - book.best_no == min(yes_asks, default=DOLLAR)
    assert book.is_crossed == bool(yes_bids and yes_asks and max(yes_bids) >= min(yes_asks))


@given(LEVELS, st.integers(1, 10))
def test_depth_keeps_the_best_and_stays_ascending(yes: Levels, depth: int) -> None:
    book = live_book(yes, [])
    everything = book.levels(is_yes=True)

    assert book.levels(is_yes=True, depth=depth) == everything[max(0, len(everything) - depth) :]
    assert len(book.yes) == len(everything)


EXPECTED = {
    (BookState.SYNCING, "replace"): BookState.LIVE,
    (BookState.SYNCING, "apply"): BookState.SYNCING,
    (BookState.SYNCING, "mark_stale"): BookState.SYNCING,
    (BookState.LIVE, "replace"): BookState.LIVE,
    (BookState.LIVE, "apply"): BookState.LIVE,
    (BookState.LIVE, "mark_stale"): BookState.STALE,
    (BookState.STALE, "replace"): BookState.LIVE,
    (BookState.STALE, "apply"): BookState.STALE,
    (BookState.STALE, "mark_stale"): BookState.STALE,
}


def book_in(state: BookState) -> Book:
    book = Book("T")
    if state is not BookState.SYNCING:
        book.replace([(4000, 1)], [(5000, 1)])
    if state is BookState.STALE:
        book.mark_stale("first")
    return book


@pytest.mark.parametrize(("state", "verb"), list(itertools.product(BookState, ["replace", "apply", "mark_stale"])))
def test_the_life_of_a_book_whole(state: BookState, verb: str) -> None:
    book = book_in(state)
    match verb:
        case "replace":
            book.replace([(100, 1)], [])
        case "apply":
            book.apply(True, 100, 1)
        case _:
            was_live = book.mark_stale("second")

            assert was_live == (state is BookState.LIVE)
    book.check()

    assert book.state is EXPECTED[state, verb]


def test_the_first_reason_for_staleness_is_kept() -> None:
    book = book_in(BookState.STALE)
    book.mark_stale("second")

    assert book.stale_reason == "first"


def test_a_stale_book_keeps_its_levels() -> None:
    book = book_in(BookState.STALE)

    assert book.levels(is_yes=True) == [(4000, 1)]


def test_a_witness_sees_every_change_until_the_next_snapshot() -> None:
    book = Book("M")
    book.replace([(4000, 500)], [])
    book.apply(True, 4000, 100)
    seen: list[tuple[bool, int, int]] = []
    book.witness = seen
    book.apply(True, 4000, -600)
    book.apply(False, 5000, 7)
    with pytest.raises(NegativeLevel):
        book.apply(False, 5000, -8)
    book.replace([], [])
    book.apply(True, 1, 1)

    assert seen == [(True, 4000, -600), (False, 5000, 7)]
    assert book.witness is None
