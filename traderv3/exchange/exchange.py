"""The whole exchange without a socket: floor, desk, members, replica, limits, faults, put together once.

Three ways in: `Server` carries it over any Trio stream; `http` and `open_session` are direct calls; `step` lets time pass.
Units: times microseconds since the epoch, money 1e-6 dollar. Chance and time are arguments.
Never: a wait. What is to come late says so (`Answer.hold_s`), and whoever owns the socket waits.
"""

import random
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import msgspec

from traderv3.exchange.auth import ALL_SCOPES, KeyRegistry, Member
from traderv3.exchange.desk import Desk
from traderv3.exchange.faults import Faults
from traderv3.exchange.floor import Floor
from traderv3.exchange.operations import Rules
from traderv3.exchange.participants import Participants
from traderv3.exchange.rate_limits import UNLIMITED, RateLimits
from traderv3.exchange.replica import Replica
from traderv3.exchange.rest import BASE, Router, too_many_requests
from traderv3.exchange.rest_exchange import ExchangeRoutes
from traderv3.exchange.rest_markets import MarketRoutes
from traderv3.exchange.rest_orders import OrderRoutes
from traderv3.exchange.rest_portfolio import PortfolioRoutes
from traderv3.exchange.rest_request import rejection
from traderv3.exchange.session import ClientSession

WS_PATH: Final = "/trade-api/ws/v2"
SESSIONS_MAX: Final = 200  # of one member, the venue's default
BALANCE_DEFAULT: Final = 10_000 * 1_000_000  # money a member begins with
_SECOND_US: Final = 1_000_000
_REFUSED_UPGRADE: Final = rejection(401, "authentication_error", "authentication_error", "INCORRECT_API_KEY_SIGNATURE")
_UNAVAILABLE: Final = rejection(503, "service_unavailable")
_encode: Final = msgspec.json.Encoder().encode

Headers = Mapping[str, str]


class Answer(NamedTuple):
    """A REST answer and what the faults do to it: held back so long, or lost with its connection."""

    status: int
    body: bytes
    hold_s: float = 0.0
    is_lost: bool = False


class Admission(NamedTuple):
    """What becomes of an upgrade: a member, or an HTTP refusal."""

    member: Member | None
    status: int = 101
    body: bytes = b""


class Exchange:
    """One exchange around a floor. `activity` None: nobody trades but its members."""

    def __init__(
        self,
        floor: Floor,
        *,
        now_us: Callable[[], int],
        seed: int = 1,
        keys: KeyRegistry | None = None,
        tier: str = UNLIMITED,
        rules: Rules | None = None,
        takes_orders: bool = True,
        activity: float | None = None,
        lag_us: int = 0,
    ) -> None:
        self.floor = floor
        self.now_us = now_us
        self.keys = keys or KeyRegistry()
        self.limits = RateLimits(tier)
        self.replica = Replica(lag_us=lag_us)
        self._lag_us = lag_us
        floor.on_fact = lambda fact: self.replica.hear(fact, now_us=self.now_us())
        self.desk = Desk(
            floor,
            now_us=now_us,
            rng=random.Random(f"desk:{seed}:{now_us()}"),  # its ids: never those of an exchange that stood here before
            rules=rules or Rules(),
            takes_orders=takes_orders,
        )
        self.participants = (
            None if activity is None else Participants(self.desk, seed=seed, start_us=now_us(), activity=activity)
        )
        self.resumes_us: int | None = None  # when the maintenance ends
        self._is_pause_ours = False
        self._maintenance_due_us: int | None = None
        self._admitted: set[str] = set()
        self._upgrades_refused = 0
        self._router = self._make_router()
        self.set_faults(floor.faults)

    def _make_router(self) -> Router:
        about = ExchangeRoutes(
            self.desk, self.replica, self.limits, now_us=self.now_us, resumes_us=lambda: self.resumes_us
        )
        routes = [
            *about.routes(),
            *MarketRoutes(self.floor).routes(),
            *OrderRoutes(self.desk, self.replica).routes(),
            *PortfolioRoutes(self.desk, self.floor, self.replica, now_us=self.now_us).routes(),
        ]
        about.show_costs(BASE, routes)
        return Router(routes, self.keys, self.limits, now_us=self.now_us)

    # -- members ---------------------------------------------------------------------------------------------------

    def add_member(
        self, key_id: str, public_pem: str, *, scopes: frozenset[str] = ALL_SCOPES, balance: int = BALANCE_DEFAULT
    ) -> Member:
        """Register a key with a member of its own, who gets an account. Raises `KeyProblem`."""
        member = self.keys.register(key_id, public_pem, scopes=scopes)
        self.desk.open_account(member.user_id, balance=balance)
        return member

    # -- calls -----------------------------------------------------------------------------------------------------

    def http(self, method: str, target: str, headers: Headers, body: bytes = b"") -> tuple[int, bytes]:
        """Answer one request at once, whatever the faults say about the way there. Header names in lower case."""
        status, payload = self._router.handle(method, target, headers, body)
        self.floor.end_action(self.now_us())
        return status, payload

    def answer(self, method: str, target: str, headers: Headers, body: bytes = b"") -> Answer:
        """Answer one request as the faults have it."""
        faults, rng = self.floor.faults, self.floor.rng
        is_write = self._router.is_write(method, target)
        hold_s = faults.slow_rest + (faults.fill_before_ack if is_write else 0.0)
        if faults.rest_error and rng.random() < faults.rest_error:
            if is_write and rng.random() < 0.5:
                self.http(method, target, headers, body)
            return Answer(_UNAVAILABLE.status, _encode(_UNAVAILABLE.body), hold_s)
        status, payload = self.http(method, target, headers, body)
        is_lost = is_write and status < 400 and faults.lose_ack > 0 and rng.random() < faults.lose_ack
        return Answer(status, payload, hold_s, is_lost)

    def admit(self, headers: Headers) -> Admission:
        """Decide on an upgrade at `WS_PATH` by its headers."""
        body = self.keys.why_refused(headers, "GET", WS_PATH, now_ms=self.now_us() // 1000)
        if body is not None:
            return Admission(None, 401, _encode(body))
        member = self.keys.member(headers)
        assert member is not None
        if member.key_id in self._admitted and self._upgrades_refused < self.floor.faults.refuse_upgrade:
            self._upgrades_refused += 1
            return Admission(None, _REFUSED_UPGRADE.status, _encode(_REFUSED_UPGRADE.body))
        if sum(session.user_id == member.user_id for session in self.floor.sessions) >= SESSIONS_MAX:
            refusal = too_many_requests()
            return Admission(None, refusal.status, _encode(refusal.body))
        self._admitted.add(member.key_id)
        return Admission(member)

    def open_session(self, user_id: str, *, may_read: bool = True) -> ClientSession:
        """A connection of this member without a socket; its owner drains `take()`."""
        return self.floor.open_session(user_id=user_id, may_read=may_read)

    # -- time and faults -------------------------------------------------------------------------------------------

    def step(self, now_us: int) -> None:
        """Let everything happen that is due until now."""
        self.desk.step(now_us)
        if self.participants is not None:
            self.participants.step(now_us)
        if self._maintenance_due_us is not None and self._maintenance_due_us <= now_us:
            self._maintenance_due_us = None
            self.begin_maintenance(self.floor.faults.maintenance)
        if self.resumes_us is not None and self.resumes_us <= now_us:
            self.resumes_us = None
            if self._is_pause_ours:
                self.desk.resume_trading()
        self.floor.step(now_us)
        self.replica.catch_up(now_us)

    def set_faults(self, faults: Faults) -> None:
        """Misbehave like this from now on."""
        self.floor.set_faults(faults)
        self.replica.lag_us = max(self._lag_us, int(faults.stale_reads * _SECOND_US))
        self._upgrades_refused = 0
        self._maintenance_due_us = None
        if faults.maintenance:
            self._maintenance_due_us = self.now_us() + int(faults.maintenance_after * _SECOND_US)

    def begin_maintenance(self, seconds: float) -> None:
        """Disconnect everybody at once and pause trading so long."""
        self._is_pause_ours = (
            self.desk.is_trading_active or self.resumes_us is not None
        )  # an operator's pause outlasts it
        self.desk.pause_trading()
        self.resumes_us = self.now_us() + int(seconds * _SECOND_US)
        for session in list(self.floor.sessions):
            session.dismiss()

    def abort_clients(self) -> int:
        """Reset every connection; returns how many there were."""
        sessions = list(self.floor.sessions)
        for session in sessions:
            session.abort()
        return len(sessions)
