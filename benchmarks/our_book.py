"""Our book alone, as a candidate of `book_apply`: one change applied, best bid and ask read. Run by that benchmark."""

import time
from typing import Any

from benchmarks.peers.changes import changes, fingerprint_of
from benchmarks.peers.work import Job, serve
from traderv3.domain.book import Book
from traderv3.domain.units import DOLLAR


def _run(job: Job) -> dict[str, Any]:
    given = list(changes(job))
    books = {ticker: Book(ticker) for ticker in {change.ticker for change in given}}
    ready = [(change.ticker, change.is_yes, change.price, change.change) for change in given]
    bests = (0, 0)
    began = time.perf_counter()
    for ticker, is_yes, price, change in ready:
        book = books[ticker]
        book.apply(is_yes, price, change)
        bests = book.best_yes, DOLLAR - book.best_no
    wall_s = time.perf_counter() - began
    assert all(bests)
    sides = {ticker: (book.yes, book.no) for ticker, book in books.items()}
    return {"wall_us": wall_s / len(ready) * 1e6, "books": fingerprint_of(sides)}


if __name__ == "__main__":
    serve(_run)
