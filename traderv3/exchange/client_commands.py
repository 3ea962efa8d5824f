"""The four WebSocket commands: read, checked in the venue's order, carried out, answered.

Source: Kalshi's AsyncAPI document, October 2026, and its table of error codes. `id: 0` counts as no id.
Never: an exception out of `receive`, whatever the client sends.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from traderv3.exchange import wire
from traderv3.exchange.lifecycle import MarketStatus
from traderv3.exchange.session import (
    BOOK_CHANNEL,
    CHANNELS,
    MARKET_CHANNELS,
    READ_CHANNELS,
    TICKER_CHANNEL,
    Subscription,
)

if TYPE_CHECKING:
    from traderv3.exchange.listing import Listing
    from traderv3.exchange.session import ClientSession

SHARDS_MAX: Final = 100
_ID_MAX: Final = 2**63 - 1

TEXTS: Final = {
    1: "Unable to process message",
    2: "Params required",
    3: "Channels required",
    4: "Subscription IDs required",
    5: "Unknown command",
    7: "Unknown subscription ID",
    8: "Unknown channel name",
    9: "Authentication required",
    11: "Invalid parameter",
    12: "Exactly one subscription ID is required",
    13: "Unsupported action",
    14: "Market Ticker required",
    15: "Action required",
    16: "Market not found",
    18: "Command timeout",
    19: "shard_factor must be > 0",
    20: "shard_factor is required when shard_key is set",
    21: "shard_key must be >= 0 and < shard_factor",
    22: "shard_factor must be <= 100",
    26: "Subscription market limit exceeded",
    27: "Too many requests",
    28: "Markets not found",
}


class Refused(Exception):
    """The command breaks a rule. `subscription` scopes the error where one is known."""

    def __init__(self, code: int, *, tickers: Sequence[str] = (), subscription: Subscription | None = None) -> None:
        super().__init__(TEXTS[code])
        self.code = code
        self.tickers = tickers
        self.subscription = subscription


class Commands:
    """Carries out one connection's commands."""

    def __init__(self, session: "ClientSession") -> None:
        self._session = session
        self._floor = session.floor
        self._verbs = {
            "subscribe": self._subscribe,
            "unsubscribe": self._unsubscribe,
            "update_subscription": self._update,
        }

    def receive(self, data: bytes | str) -> None:
        """Carry out one frame's command and queue every answer."""
        command_id: int | None = None
        try:
            command = _decoded(data)
            command_id = _command_id(command)
            name = command.get("cmd")
            if name == "list_subscriptions":
                self._list(command_id)
                return
            verb = self._verbs.get(name) if isinstance(name, str) else None
            if verb is None:
                raise Refused(5)
            params = command.get("params")
            if params is None:
                raise Refused(2)
            if not isinstance(params, dict):
                raise Refused(11)
            timeout = self._floor.faults.command_timeout
            if timeout and self._floor.rng.random() < timeout:
                raise Refused(18)
            verb(command_id, params)
        except Refused as refusal:
            self._refuse(command_id, refusal)

    # -- verbs -----------------------------------------------------------------------------------------------------

    def _subscribe(self, command_id: int | None, params: dict[str, Any]) -> None:
        channels = params.get("channels")
        if not channels:
            raise Refused(3)
        if not _is_texts(channels):
            raise Refused(11)
        begun: list[tuple[Subscription, Sequence[Listing]]] = []
        for channel in dict.fromkeys(channels):
            try:
                if channel not in CHANNELS:
                    raise Refused(8)
                begun.append(self._subscribe_channel(command_id, channel, params))
            except Refused as refusal:
                self._refuse(command_id, refusal)
        for subscription, fresh in begun:  # as captured: every answer comes before the first snapshot
            if subscription.channel == BOOK_CHANNEL:
                self._session.snapshots(subscription, fresh)
            elif subscription.channel == TICKER_CHANNEL and params.get("send_initial_snapshot"):
                self._send_tickers(subscription, fresh)

    def _subscribe_channel(
        self, command_id: int | None, channel: str, params: dict[str, Any]
    ) -> "tuple[Subscription, Sequence[Listing]]":
        """Begin or widen a subscription and say so; returns it with the markets that are new to it."""
        if channel in READ_CHANNELS and not self._session.may_read:
            raise Refused(9)
        flags = {name: _flag(params, name) for name in ("use_yes_price", "skip_ticker_ack", "send_initial_snapshot")}
        if channel == "communications":
            _check_shards(params)
        listings, is_by_id = self._listings(params, channel, is_adding=True)
        session = self._session
        subscription = session.by_channel.get(channel)
        self._check_room(subscription, listings or ())
        if subscription is None:
            subscription = session.subscribe(channel)
            subscription.markets = None if listings is None else {}
            subscription.is_by_id = is_by_id
            default = self._floor.options.use_yes_price
            subscription.use_yes_price = default if flags["use_yes_price"] is None else flags["use_yes_price"]
            subscription.skip_ack = bool(flags["skip_ticker_ack"])
            body = {"channel": channel, "sid": subscription.sid}
            session.answer(wire.reply("subscribed", command_id=command_id, msg=body, sending_ms=self._floor.now_ms()))
            self._floor.attach(subscription)
            fresh = session.add_markets(subscription, listings or ())
        else:
            # The price scale of a running stream stays as it is: half its levels would change their meaning.
            self._check_rate(subscription)
            if flags["skip_ticker_ack"] is not None:
                subscription.skip_ack = flags["skip_ticker_ack"]
            if listings is None:
                subscription.markets = None
            fresh = session.add_markets(subscription, listings or ())
            self._ok(command_id, subscription)
        return subscription, fresh

    def _send_tickers(self, subscription: Subscription, listings: "Sequence[Listing]") -> None:
        """Send the state of these markets at once."""
        for listing in listings:
            ts_ms = listing.ts_ms or self._floor.now_ms()
            subscription.send(wire.tail(wire.ticker_message(listing, ts_ms), self._floor.now_ms()))

    def _unsubscribe(self, command_id: int | None, params: dict[str, Any]) -> None:
        sids = params.get("sids")
        if not sids:
            raise Refused(4)
        if not _is_numbers(sids):
            raise Refused(11)
        for sid in dict.fromkeys(sids):
            subscription = self._session.subscriptions.get(sid)
            if subscription is None:
                self._refuse(command_id, Refused(7))
                continue
            seq = subscription.next_seq()  # the message has one by schema, on any channel
            self._session.drop(subscription)
            now_ms = self._floor.now_ms()
            self._session.answer(wire.reply("unsubscribed", command_id=command_id, sid=sid, seq=seq, sending_ms=now_ms))

    def _update(self, command_id: int | None, params: dict[str, Any]) -> None:
        subscription = self._one_subscription(params)
        self._check_rate(subscription)
        action = params.get("action")
        if not action:
            raise Refused(15, subscription=subscription)
        is_book = subscription.channel == BOOK_CHANNEL
        allowed = ("add_markets", "delete_markets", "get_snapshot") if is_book else ("add_markets", "delete_markets")
        if subscription.channel not in MARKET_CHANNELS or action not in allowed:
            raise Refused(13, subscription=subscription)
        try:
            listings, _ = self._listings(params, subscription.channel, is_adding=action == "add_markets")
        except Refused as refusal:
            refusal.subscription = subscription
            raise
        if listings is None:
            raise Refused(14, subscription=subscription)
        session = self._session
        if action == "get_snapshot":
            session.snapshots(subscription, listings, command_id)
            return
        fresh: list[Listing] = []
        if action == "add_markets":
            self._check_room(subscription, listings)
            fresh = session.add_markets(subscription, listings)
        else:
            session.delete_markets(subscription, listings)
        self._ok(command_id, subscription)
        if is_book:
            session.snapshots(subscription, fresh)

    def _list(self, command_id: int | None) -> None:
        body = [{"channel": s.channel, "sid": s.sid} for s in self._session.subscriptions.values()]
        self._session.answer(wire.reply("ok", command_id=command_id, msg=body, sending_ms=self._floor.now_ms()))

    # -- parts -----------------------------------------------------------------------------------------------------

    def _one_subscription(self, params: Mapping[str, Any]) -> Subscription:
        sid, sids = params.get("sid"), params.get("sids")
        if (sid is None) == (sids is None):
            raise Refused(12)
        if sids is not None:
            if not _is_numbers(sids):
                raise Refused(11)
            if len(sids) != 1:
                raise Refused(12)
            sid = sids[0]
        if not _is_numbers([sid]):
            raise Refused(11)
        subscription = self._session.subscriptions.get(sid)  # type: ignore[arg-type]  # a number by now
        if subscription is None:
            raise Refused(7)
        return subscription

    def _check_rate(self, subscription: Subscription) -> None:
        if not subscription.commands.take(1, now_us=self._floor.now_ms() * 1000):
            raise Refused(27, subscription=subscription)

    def _check_room(self, subscription: Subscription | None, listings: "Sequence[Listing]") -> None:
        held = (subscription.markets or {}) if subscription is not None else {}
        wanted = len(held) + sum(listing.ticker not in held for listing in listings)
        if wanted > self._floor.options.markets_per_subscription_max:
            raise Refused(26, subscription=subscription)

    def _listings(
        self, params: Mapping[str, Any], channel: str, *, is_adding: bool
    ) -> "tuple[list[Listing] | None, bool]":
        """The markets named, None for all; and whether they were named by id. Raises `Refused`.

        A book that is to be added must belong to a market that is not finalized: seen live with code 28.
        """
        if channel not in MARKET_CHANNELS:
            return None, False
        tickers = _one_or_many(params, "market_ticker", "market_tickers")
        ids = _one_or_many(params, "market_id", "market_ids") if channel == TICKER_CHANNEL else None
        if tickers is not None and ids is not None:
            raise Refused(11)
        names = tickers if tickers is not None else ids
        if not names:
            if channel == BOOK_CHANNEL:
                raise Refused(14)
            return None, False
        index = self._floor.listings if tickers is not None else self._floor.by_id
        is_over = is_adding and channel == BOOK_CHANNEL
        unknown = [
            name for name in names if name not in index or (is_over and index[name].status == MarketStatus.FINALIZED)
        ]
        if unknown:
            raise Refused(28 if self._floor.options.is_unknown_ticker_28 else 16, tickers=unknown)
        return [index[name] for name in names], ids is not None

    def _ok(self, command_id: int | None, subscription: Subscription) -> None:
        body: dict[str, list[str]] = {}
        if not subscription.skip_ack:
            markets = (subscription.markets or {}).values()
            if subscription.is_by_id:
                body["market_ids"] = [listing.market.market_id for listing in markets]
            else:
                body["market_tickers"] = [listing.ticker for listing in markets]
        frame = wire.reply(
            "ok", command_id=command_id, msg=body, sending_ms=self._floor.now_ms(), **subscription.scope()
        )
        self._session.answer(frame)

    def _refuse(self, command_id: int | None, refusal: Refused) -> None:
        scope = refusal.subscription.scope() if refusal.subscription else {}
        body = wire.error_body(refusal.code, str(refusal), refusal.tickers)
        self._session.answer(
            wire.reply("error", command_id=command_id, msg=body, sending_ms=self._floor.now_ms(), **scope)
        )


def _decoded(data: bytes | str) -> dict[str, Any]:
    try:
        command = msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise Refused(1) from None
    if not isinstance(command, dict):
        raise Refused(1)
    return command


def _command_id(command: Mapping[str, Any]) -> int | None:
    command_id = command.get("id")
    if command_id is None or command_id == 0:
        return None
    if not _is_numbers([command_id]) or not 0 < command_id <= _ID_MAX:
        raise Refused(1)
    number: int = command_id
    return number


def _flag(params: Mapping[str, Any], name: str) -> bool | None:
    value = params.get(name)
    if value is not None and not isinstance(value, bool):
        raise Refused(11)
    return value


def _one_or_many(params: Mapping[str, Any], one: str, many: str) -> list[str] | None:
    """The names given in either form, without repeats; None if neither is there."""
    single, several = params.get(one), params.get(many)
    if single is not None and several is not None:
        raise Refused(11)
    names = [single] if single is not None else several
    if names is None:
        return None
    if not _is_texts(names):
        raise Refused(11)
    return list(dict.fromkeys(names))


def _check_shards(params: Mapping[str, Any]) -> None:
    factor, key = params.get("shard_factor"), params.get("shard_key")
    if factor is None:
        if key is not None:
            raise Refused(20)
        return
    if not _is_numbers([factor]) or (key is not None and not _is_numbers([key])):
        raise Refused(11)
    if factor <= 0:
        raise Refused(19)
    if factor > SHARDS_MAX:
        raise Refused(22)
    if key is not None and not 0 <= key < factor:
        raise Refused(21)


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _is_numbers(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, int) and not isinstance(each, bool) for each in value)
