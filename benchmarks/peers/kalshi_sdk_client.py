"""kalshi-sdk, whole, as its documentation shows: a session, `subscribe_orderbook_delta`, `async for` over its messages.

The session keeps the books. Its way to read one builds it anew, so best bid and ask are read for one delta in `READ_EVERY`
at most: with a reader at every delta it would be many times slower.
"""

import asyncio
import os
from pathlib import Path
from typing import Any, Final

from kalshi import KalshiAuth, KalshiConfig
from kalshi.ws import KalshiWebSocket

from benchmarks.peers.work import Job, Watch, serve, units
from benchmarks.stream import fingerprint, tickers

READ_EVERY: Final = 1_000


async def _run(job: Job) -> dict[str, Any]:
    watch = Watch(job)
    if job.certificate:
        os.environ["SSL_CERT_FILE"] = job.certificate
    auth = KalshiAuth.from_key_path("bench", Path(job.key))
    config = KalshiConfig(ws_base_url=job.url, base_url=job.url.replace("ws", "http", 1).replace("/ws/v2", "/v2"))
    socket = KalshiWebSocket(auth=auth, config=config)
    taken = 1  # the acknowledgement, which the session keeps for itself
    async with socket.connect() as session:
        stream = await session.subscribe_orderbook_delta(tickers=tickers(job.markets), maxsize=job.count)
        manager = session._orderbook_mgr
        async for message in stream:
            taken += 1
            if taken % READ_EVERY == 0:
                book = manager.get(message.msg.market_ticker)
                _best = book.yes[-1].price, 1 - book.no[-1].price
            if taken == job.head:
                watch.start()
            elif taken == job.count:
                watch.stop()
                break
        books = {ticker: manager._books[ticker] for ticker in tickers(job.markets)}
    return watch.answer(fingerprint((ticker, units(book.yes), units(book.no)) for ticker, book in books.items()))


if __name__ == "__main__":
    serve(lambda job: asyncio.run(_run(job)), "kalshi-sdk", "websockets", "pydantic")
