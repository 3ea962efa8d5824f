"""The embedded exchange as a child of the trader's supervisor, in this process: the real server over streams in memory.

Stands where `exchange.process.ExchangeProcess` stands: each start is a fresh exchange with the same markets and the same
key, and it can die at any moment, as a process does.
"""

import random
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

import trio
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from traderv3.core.lifeline import Lifeline
from traderv3.domain.errors import ConnectivityError
from traderv3.domain.orders import TimeInForce
from traderv3.exchange.exchange import BALANCE_DEFAULT, WS_PATH, Exchange
from traderv3.exchange.lifecycle import MarketStatus
from traderv3.exchange.market import Market
from traderv3.exchange.process import Announcement
from traderv3.exchange.server import Server
from traderv3.exchange.session import SessionOptions
from traderv3.simulation.network import PRESENT, Connection, Network
from traderv3.simulation.witness import Moment, WitnessedFloor

PORT: Final = 8010
START_S: Final = 0.2
OUTBOX_BYTES_MAX: Final = 64 << 10  # small, so that a reader who stops is thrown out within the run
TAKER: Final = 999  # a participant of our own
TAKER_SHARE: Final = 0.1  # of the steps
KEY_ID: Final = "simulated-key"


class SimulatedExchange:
    """`exchange` is the one that listens now, None while there is none."""

    name = "exchange"

    def __init__(
        self,
        data_dir: Path,
        network: Network,
        *,
        markets: list[Market],
        seed: int,
        activity: float,
        now_us: Callable[[], int],
        said: Callable[[], dict[tuple[int, int], deque[Moment]]],
        step_s: float,
        balance: int = BALANCE_DEFAULT,
        on_start: Callable[[Exchange, str], None] = lambda _exchange, _user_id: None,
    ) -> None:
        """`on_start` hears of each exchange as it begins, and of the trader's user there."""
        self.exchange: Exchange | None = None
        self.user_id = ""
        self.starts = 0
        self.start_s = START_S
        self._network = network
        self._markets = markets
        self._seed = seed
        self._activity = activity
        self._now_us = now_us
        self._said = said
        self._step_s = step_s
        self._balance = balance
        self._on_start = on_start
        self._key_path = data_dir / "exchange" / "private_key.pem"
        self._public_pem = _write_key(self._key_path, seed)
        self._found: Callable[[Announcement], None] = lambda _: None
        self._death = trio.Event()

    def stand_in(self, _: Path, found: Callable[[Announcement], None]) -> "SimulatedExchange":
        """As if `ExchangeProcess` were made."""
        self._found = found
        return self

    async def run(self, lifeline: Lifeline) -> None:
        """Listen until it dies or is cancelled. Raises `ConnectivityError` when it dies."""
        await trio.sleep(self.start_s)
        self._death = trio.Event()
        exchange = self._make()
        server = Server(exchange)

        def accept(connection: Connection) -> None:
            PRESENT.set(connection)
            nursery.start_soon(server.serve_stream, connection.exchange_end)

        try:
            async with trio.open_nursery() as nursery:
                self.exchange, self._network.accept = exchange, accept
                self._found(
                    Announcement(
                        api_url=f"http://127.0.0.1:{PORT}/trade-api/v2",
                        ws_url=f"ws://127.0.0.1:{PORT}{WS_PATH}",
                        key_id=KEY_ID,
                        private_key_path=str(self._key_path),
                    )
                )
                lifeline.started()
                nursery.start_soon(self._drive, exchange)
                await self._death.wait()
                nursery.cancel_scope.cancel()
        finally:
            self.exchange = self._network.accept = None
        msg = "the exchange process ended with code -9"
        raise ConnectivityError(msg)

    def die(self) -> None:
        """As by kill -9."""
        self._death.set()

    def fall_still(self) -> None:
        """Nobody but the trader does anything from now on."""
        if self.exchange is not None:
            self.exchange.participants = None

    def _make(self) -> Exchange:
        self.starts += 1
        rng = random.Random(f"faults:{self._seed}:{self.starts}")
        floor = WitnessedFloor(
            self._markets,
            now_ms=lambda: self._now_us() // 1000,
            options=SessionOptions(outbox_bytes_max=OUTBOX_BYTES_MAX),
            rng=rng,
        )
        floor.said = self._said()
        exchange = Exchange(floor, now_us=self._now_us, seed=self._seed, tier="basic", activity=self._activity)
        self.user_id = exchange.add_member(KEY_ID, self._public_pem, balance=self._balance).user_id
        self._on_start(exchange, self.user_id)
        return exchange

    async def _drive(self, exchange: Exchange) -> None:
        rng = random.Random(f"takers:{self._seed}:{self.starts}")
        while True:
            await trio.sleep(self._step_s)
            exchange.step(self._now_us())
            if exchange.participants is not None and exchange.desk.pit.live and rng.random() < TAKER_SHARE:
                self._take(exchange, rng)

    def _take(self, exchange: Exchange, rng: random.Random) -> None:
        """Somebody takes an order of the trader's, or a part of it: participants alone would not find it in a short run."""
        record = rng.choice(list(exchange.desk.pit.live.values())).record
        listing = exchange.floor.listings[record.ticker]
        if listing.status is not MarketStatus.ACTIVE or not exchange.desk.is_trading_active:
            return
        exchange.desk.pit.submit_anonymous(
            listing,
            TAKER,
            not record.is_bid,
            record.price,
            rng.choice((record.remaining, rng.randint(1, record.remaining))),
            at_us=self._now_us(),
            rng=rng,
            time_in_force=TimeInForce.IOC,
        )
        exchange.floor.end_action(self._now_us())


def _write_key(path: Path, seed: int) -> str:
    """A key pair that the seed decides; returns the public half. Ed25519, whose signatures hold no chance."""
    key = ed25519.Ed25519PrivateKey.from_private_bytes(random.Random(f"key:{seed}").randbytes(32))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    path.with_name("key_id").write_text(KEY_ID, encoding="ascii")
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )
