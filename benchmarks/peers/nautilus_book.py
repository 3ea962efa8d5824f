"""nautilus_trader's OrderBook (Rust) through its Python API: the delta object built in the loop, applied, both bests read.

The wire has changes of a level and this book takes levels, so the new size of each is in the input already (`changes`), and
the prices and sizes are objects made beforehand: the least that a user of it has to do.
"""

import time
from typing import Any

from nautilus_trader.model.book import OrderBook
from nautilus_trader.model.data import BookOrder, OrderBookDelta
from nautilus_trader.model.enums import BookAction, BookType, OrderSide
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.objects import Price, Quantity

from benchmarks.peers.changes import Change, changes, fingerprint_of
from benchmarks.peers.work import Job, serve


def _run(job: Job) -> dict[str, Any]:
    given = list(changes(job))
    prices = {price: Price(price / 10_000, precision=4) for price in range(10_000)}
    sizes = {change.size: Quantity(change.size / 100, precision=2) for change in given}
    names = [InstrumentId.from_str(f"{ticker}.KALSHI") for ticker in sorted({change.ticker for change in given})]
    ids = {name.symbol.value: name for name in names}
    books = {ticker: OrderBook(name, BookType.L2_MBP) for ticker, name in ids.items()}
    # A bid for NO is an offer of YES: the venue's own way to one book.
    ready = [_prepared(change, prices, sizes) for change in given]
    bests = None
    began = time.perf_counter()
    for ticker, action, side, price, size, number in ready:
        book = books[ticker]
        order = BookOrder(side, price, size, price.raw)
        book.apply_delta(OrderBookDelta(ids[ticker], action, order, 0, number, number, number))
        bests = book.best_bid_price(), book.best_ask_price()
    wall_s = time.perf_counter() - began
    assert bests is not None
    sides = {
        ticker: (
            {round(float(level.price) * 10_000): round(level.size() * 100) for level in book.bids()},
            {10_000 - round(float(level.price) * 10_000): round(level.size() * 100) for level in book.asks()},
        )
        for ticker, book in books.items()
    }
    return {"wall_us": wall_s / len(ready) * 1e6, "books": fingerprint_of(sides)}


def _prepared(
    change: Change, prices: dict[int, Price], sizes: dict[int, Quantity]
) -> tuple[str, BookAction, OrderSide, Price, Quantity, int]:
    action = BookAction.UPDATE if change.size else BookAction.DELETE
    side, price = (OrderSide.BUY, change.price) if change.is_yes else (OrderSide.SELL, 10_000 - change.price)
    return change.ticker, action, side, prices[price], sizes[change.size], change.number


if __name__ == "__main__":
    serve(_run, "nautilus_trader")
