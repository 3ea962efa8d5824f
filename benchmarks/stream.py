"""The stream that benchmarks read: seeded, without an end, shaped like real sessions and holding nothing of them.

Shape (figures of recorded sessions): a snapshot a market of 45 levels a side, then deltas of some 300 bytes that end with
a newline. Markets are busy as 1/rank (recorded: 0.4 to 6.1 a second over 18 markets), and one speaks 1.9 times in a row;
one delta in eight has the time of the one before; now and then one market says hundreds at once, of one time. 93 % change
a level, 3.5 % add one, 3.5 % take one away; 29 % are at the best price.
Sizes repeat, as they do there: one in fifteen was never seen before.
Prices are of 1/10 cent, sizes of 1/100 contract. No level becomes negative, no book is crossed.
"""

import hashlib
import itertools
import random
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

MARKETS: Final = 50
LEVELS: Final = 45  # a side, in each snapshot
SUBSCRIBED: Final = b'{"type":"subscribed","id":%d,"msg":{"channel":"orderbook_delta","sid":1}}\n'
OK: Final = b'{"type":"ok","id":%d}\n'  # to a further part of one subscription; outside of the stream's numbers

_PRICES: Final = range(2, 498, 5)  # tenths of a cent: both sides stay under half a dollar
_AGAIN: Final = 0.47  # the same market speaks again
_SAME_TIME: Final = 0.12
_BURST: Final = 0.0004  # a delta begins a burst
_BURST_SIZES: Final = (20, 50, 100, 300, 730)
_AT_BEST: Final = 0.29
_NEW, _GONE = 0.035, 0.07
_FRESH: Final = 0.025
_SIZES: Final = [round(100 * 1.006**n) // 100 * 100 for n in range(1_500, 0, -1)]  # up to 7,900 contracts
_STARTED_MS: Final = 1_795_000_000_000


def tickers(count: int = MARKETS) -> list[str]:
    """The markets' names, as long as real ones."""
    return [f"KXBENCH-26NOV22GAME{n:02d}-YES" for n in range(count)]


class _Side:
    """One side of one market: its levels in order of price, and what they hold."""

    __slots__ = ("held", "prices")

    def __init__(self, rng: random.Random) -> None:
        self.prices = sorted(rng.sample(_PRICES, LEVELS))
        self.held = {price: rng.randrange(100, 100_000) * 100 for price in self.prices}

    def change(self, rng: random.Random) -> tuple[int, int]:
        """The next `(price, change)` of this side, which is done to it."""
        dice = rng.random()
        if dice < _NEW and len(self.prices) < len(_PRICES):
            price = rng.choice([price for price in _PRICES if price not in self.held])
            change = _size(rng)
            self.held[price] = change
            self.prices = sorted(self.held)
            return price, change
        price = self.prices[-1] if rng.random() < _AT_BEST else rng.choice(self.prices)
        held = self.held[price]
        if dice < _GONE and len(self.prices) > LEVELS // 2:
            del self.held[price]
            self.prices.remove(price)
            return price, -held
        size = _size(rng)
        change = -size if size < held and rng.random() < 0.53 else size
        self.held[price] = held + change
        return price, change


def _size(rng: random.Random) -> int:
    """How many a change is about: mostly one of those that traders like."""
    if rng.random() < _FRESH:
        return rng.randrange(1, 500_000)
    return _SIZES[int(len(_SIZES) * rng.random() ** 3)]


def messages(now_us: Callable[[], int] | None = None, markets: int = MARKETS) -> Iterator[bytes]:
    """The acknowledgement of command 1, a snapshot a market, then deltas for ever.

    `clock` is the time at which a message was made, or without `now_us` its number.
    """
    rng = random.Random(1)
    names = tickers(markets)
    ids = [str(uuid.UUID(int=rng.getrandbits(128))) for _ in names]
    books = [(_Side(rng), _Side(rng)) for _ in names]
    busy = _busy(rng, markets)
    yield SUBSCRIBED % 1
    market, left, ts_ms = 0, 0, _STARTED_MS
    for seq in itertools.count(1):
        is_snapshot = seq <= markets
        if is_snapshot:
            market = seq - 1
        elif left:
            left -= 1
        else:
            ts_ms += 0 if rng.random() < _SAME_TIME else rng.randrange(1, 40)
            if rng.random() > _AGAIN:
                market = next(busy)
            if rng.random() < _BURST:
                left = rng.choice(_BURST_SIZES)
        clock = seq if now_us is None else now_us()
        head = f'"sid":1,"seq":{seq},"msg":{{"market_ticker":"{names[market]}","market_id":"{ids[market]}"'
        tail = f'"ts_ms":{ts_ms},"clock":{clock}}},"sending_ts_ms":{ts_ms + 1}}}\n'
        if is_snapshot:
            yield f'{{"type":"orderbook_snapshot",{head},{_printed(books[market])},{tail}'.encode()
            continue
        side = rng.randrange(2)
        price, change = books[market][side].change(rng)
        sign = "-" if change < 0 else ""
        body = (
            f'"price_dollars":"0.{price:03d}0","delta_fp":"{sign}{abs(change) // 100}.{abs(change) % 100:02d}",'
            f'"side":"{("yes", "no")[side]}"'
        )
        when = f'"ts":"2026-11-22T15:{ts_ms // 60_000 % 60:02d}:{ts_ms // 1000 % 60:02d}.{ts_ms % 1000:03d}Z"'
        yield f'{{"type":"orderbook_delta",{head},{body},{when},{tail}'.encode()


def _busy(rng: random.Random, markets: int) -> Iterator[int]:
    """Which market speaks, for ever: the one of rank r as often as 1/r says."""
    ranked = rng.sample(range(markets), markets)
    shares = list(itertools.accumulate(1 / rank for rank in range(1, markets + 1)))
    while True:
        yield from rng.choices(ranked, cum_weights=shares, k=1_000)


def _printed(book: tuple[_Side, _Side]) -> str:
    sides = []
    for name, side in zip(("yes", "no"), book, strict=True):
        levels = ",".join(f'["0.{price:03d}0","{side.held[price] // 100}.00"]' for price in side.prices)
        sides.append(f'"{name}_dollars_fp":[{levels}]')
    return ",".join(sides)


def framed(payload: bytes) -> bytes:
    """One text frame."""
    length = len(payload)
    if length < 126:
        return bytes([0x81, length]) + payload
    if length < 65_536:
        return b"\x81\x7e" + length.to_bytes(2, "big") + payload
    return b"\x81\x7f" + length.to_bytes(8, "big") + payload


Levels = Mapping[int, int]


def fingerprint(books: Iterable[tuple[str, Levels, Levels]]) -> str:
    """What all candidates must agree about: every level `(ticker, yes, no)` in 1/10 000 dollar and 1/100 contract."""
    digest = hashlib.sha256()
    for ticker, yes, no in sorted(books, key=lambda book: book[0]):
        digest.update(f"{ticker}:{sorted(yes.items())}:{sorted(no.items())}\n".encode())
    return digest.hexdigest()[:16]
