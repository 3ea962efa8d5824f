"""pykalshi, whole, as its documentation shows: a `Feed`, an `OrderbookManager` a market in its handler, the spread read.

Its address is not a setting, so the attribute behind it is set. The certificate to be trusted is given by the surroundings.
"""

import os
import threading
from typing import Any

from pykalshi import KalshiClient
from pykalshi.feed import Feed, OrderbookDeltaMessage, OrderbookSnapshotMessage
from pykalshi.orderbook import OrderbookManager

from benchmarks.peers.work import Job, Watch, serve, units
from benchmarks.stream import fingerprint, tickers


def _run(job: Job) -> dict[str, Any]:
    watch = Watch(job)
    if job.certificate:
        os.environ["SSL_CERT_FILE"] = job.certificate
    feed = Feed(KalshiClient(api_key_id="bench", private_key_path=job.key))
    feed._ws_url = job.url
    books: dict[str, OrderbookManager] = {}
    done = threading.Event()
    taken = 1  # the acknowledgement, which the feed keeps for itself

    @feed.on("orderbook_delta")  # type: ignore[untyped-decorator]
    def handle_book(message: OrderbookSnapshotMessage | OrderbookDeltaMessage) -> None:
        nonlocal taken
        ticker = message.market_ticker
        if ticker not in books:
            books[ticker] = OrderbookManager(ticker)
        if hasattr(message, "yes_dollars"):
            books[ticker].apply_snapshot(message.yes_dollars, message.no_dollars)
        else:
            books[ticker].apply_delta(message.side, message.price_dollars, message.delta_fp)
        _spread = books[ticker].spread
        taken += 1
        if taken == job.head:
            watch.start()
        elif taken == job.count:
            watch.stop()
            done.set()

    feed.subscribe("orderbook_delta", market_tickers=tickers(job.markets))
    with feed:
        done.wait()
    return watch.answer(fingerprint((ticker, units(book.yes), units(book.no)) for ticker, book in books.items()))


if __name__ == "__main__":
    serve(_run, "pykalshi", "websockets", "pydantic")
