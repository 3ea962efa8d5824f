"""Open points of messages: snapshots and who asked for them, levels, clocks and times, members missing, odd or new."""

import random
from collections.abc import Callable, Sequence
from typing import Any

from tests.clients.readings.table import UNKNOWN, point
from tests.clients.scripted_venue import Conversation

# -- snapshots ---------------------------------------------------------------------------------------------------------


class Gap(Conversation):
    """A number is lost on each of the first two connections; what `get_snapshot` answers then is the reading's."""

    def on_open(self) -> None:
        if len(self.venue.connected_at) <= 2:
            self.venue.later(8.0, self.lose_one)

    def lose_one(self) -> None:
        self.next_seq()


@point("get_snapshot answered with id")
class SnapshotWithId(Gap):
    pass


@point("get_snapshot answered without id")
class SnapshotWithoutId(Gap):
    def on_get_snapshot(self, number: int, tickers: Sequence[str]) -> None:
        self.tell_snapshots(tickers)


@point("get_snapshot answered with an extra ok before")
class SnapshotAfterOk(Gap):
    def on_get_snapshot(self, number: int, tickers: Sequence[str]) -> None:
        self.tell_ok(number)
        self.tell_snapshots(tickers, number)


@point("get_snapshot answered with an extra ok behind")
class SnapshotBeforeOk(Gap):
    def on_get_snapshot(self, number: int, tickers: Sequence[str]) -> None:
        self.tell_snapshots(tickers, number)
        self.tell_ok(number)


@point("get_snapshot answered with error 13")
class SnapshotRefused(Gap):
    def on_get_snapshot(self, number: int, tickers: Sequence[str]) -> None:
        self.tell_error(13, number, sid=self.sid)


@point("get_snapshot answered with a scoped error 13 that has a seq")
class SnapshotRefusedWithSeq(Gap):
    def on_get_snapshot(self, number: int, tickers: Sequence[str]) -> None:
        self.say(
            {"type": "error", "id": number, "sid": self.sid, "seq": self.next_seq(), "msg": {"code": 13, "msg": "no"}}
        )


@point("get_snapshot not answered")
class SnapshotIgnored(Gap):
    def on_get_snapshot(self, number: int, tickers: Sequence[str]) -> None:
        pass


@point("get_snapshot answered by halves")
class SnapshotByHalves(Gap):
    def on_get_snapshot(self, number: int, tickers: Sequence[str]) -> None:
        self.tell_snapshots(tickers[::2], number)


@point("get_snapshot answered outside the sequence")
class SnapshotOutsideSequence(Gap):
    def on_get_snapshot(self, number: int, tickers: Sequence[str]) -> None:
        for ticker in tickers:
            head = {"type": "orderbook_snapshot", "id": number, "sid": self.sid, "seq": self.seq}
            self.say({**head, "msg": self.snapshot_body(ticker)})


@point("unsubscribed without seq")
class UnsubscribedWithoutSeq(SnapshotIgnored):
    """So that the client takes the next step: to subscribe anew."""

    def on_unsubscribe(self, number: int) -> None:
        self.say({"type": "unsubscribed", "id": number, "sid": self.sid})
        self.sid, self.watched = None, []


@point("a snapshot of a market that is not ours")
class ForeignSnapshot(Conversation):
    def watch(self, tickers: Sequence[str]) -> None:
        super().watch(tickers)
        body = {"market_ticker": UNKNOWN, "market_id": "x", "clock": 1, "yes_dollars_fp": [["0.4000", "1.00"]]}
        self.say({"type": "orderbook_snapshot", "sid": self.sid, "seq": self.next_seq(), "msg": body})


# -- levels ------------------------------------------------------------------------------------------------------------


@point("levels best first")
class BestFirst(Conversation):
    def printed(self, ticker: str, side: str) -> list[list[str]]:
        return super().printed(ticker, side)[::-1]


@point("NO levels descending, YES ascending")
class NoDescending(Conversation):
    def printed(self, ticker: str, side: str) -> list[list[str]]:
        return super().printed(ticker, side)[:: -1 if side == "no" else 1]


@point("levels unsorted")
class Unsorted(Conversation):
    def printed(self, ticker: str, side: str) -> list[list[str]]:
        levels = super().printed(ticker, side)
        random.Random(ticker).shuffle(levels)
        return levels


@point("empty sides printed as empty lists, levels of size zero printed")
class EmptySidesPrinted(Conversation):
    def snapshot_body(self, ticker: str) -> dict[str, Any]:
        printed = {f"{side}_dollars_fp": [*self.printed(ticker, side), ["0.0100", "0.00"]] for side in ("yes", "no")}
        return {**self.names(ticker), **printed}


@point("use_yes_price is true by default")
class YesPriceByDefault(Conversation):
    def reads_yes_price(self, params: dict[str, Any]) -> bool:
        return bool(params.get("use_yes_price", True))


@point("prices with 2 decimals, counts with none")
class FewDecimals(Conversation):
    def printed(self, ticker: str, side: str) -> list[list[str]]:
        return [[at[:-2], size.removesuffix(".00")] for at, size in super().printed(ticker, side)]


# -- clocks and times --------------------------------------------------------------------------------------------------


@point("clock absent")
class ClockAbsent(Conversation):
    def names(self, ticker: str) -> dict[str, Any]:
        return {name: value for name, value in super().names(ticker).items() if name != "clock"}


@point("clock always zero")
class ClockZero(Conversation):
    def names(self, ticker: str) -> dict[str, Any]:
        return {**super().names(ticker), "clock": 0}


@point("clock jumps ahead")
class ClockJumps(Conversation):
    def names(self, ticker: str) -> dict[str, Any]:
        return {**super().names(ticker), "clock": self.venue.clocks[ticker] * 1_000_000_007}


@point("clock goes backwards once, as after a maintenance")
class ClockBackwards(Conversation):
    def on_open(self) -> None:
        self.venue.later(10.0, self.turn_back)

    def turn_back(self) -> None:
        self.venue.clocks = dict.fromkeys(self.venue.clocks, 1)


@point("clock goes backwards with every delta", is_live=False, sentence="clock", commands_max=60)
class ClockCountsDown(Conversation):
    """Such a venue cannot be believed; it is said, and not hammered."""

    def names(self, ticker: str) -> dict[str, Any]:
        return {**super().names(ticker), "clock": 1_000_000_000 - self.venue.clocks[ticker]}


def time_of(name: str, times: Callable[[int], dict[str, Any]]) -> None:
    class Reading(Conversation):
        def times(self) -> dict[str, Any]:
            return times(self.venue.now_ms())

    point(f"times of a delta: {name}")(Reading)


def instant(ms: int, digits: int) -> str:
    fraction = f"{ms % 1000:03d}000000"[:digits]
    seconds = ms // 1000 % 86_400
    clock = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return f"2026-10-04T{clock}{'.' + fraction if digits else ''}Z"


for digits in (0, 1, 3, 6, 9):

    def times_with(ms: int, digits: int = digits) -> dict[str, Any]:
        return {"ts": instant(ms, digits)}

    time_of(f"RFC 3339 with {digits} digits", times_with)
time_of("missing", lambda _: {})
time_of("ts_ms alone", lambda ms: {"ts_ms": ms})
time_of("ts in whole seconds beside ts_ms", lambda ms: {"ts": ms // 1000, "ts_ms": ms})
time_of("ts in whole seconds alone", lambda ms: {"ts": ms // 1000})


@point("sending_ts_ms absent")
class NoSendingTime(Conversation):
    def say(self, message: dict[str, Any]) -> None:
        self.say_bytes(self.encode(message))


@point("sending_ts_ms as text")
class SendingTimeAsText(Conversation):
    def say(self, message: dict[str, Any]) -> None:
        self.say_bytes(self.encode({**message, "sending_ts_ms": str(self.venue.now_ms())}))


# -- members -----------------------------------------------------------------------------------------------------------


@point("market_id missing")
class NoMarketId(Conversation):
    def names(self, ticker: str) -> dict[str, Any]:
        return {name: value for name, value in super().names(ticker).items() if name != "market_id"}


@point("unknown members everywhere")
class UnknownMembers(Conversation):
    def encode(self, message: dict[str, Any]) -> bytes:
        body = message.get("msg")
        inside = {"msg": {**body, "brand_new": {"deep": [1, None]}}} if isinstance(body, dict) else {}
        return super().encode({"also_new": [True], **message, **inside, "service": "exchange"})


@point("type comes last")
class TypeLast(Conversation):
    def encode(self, message: dict[str, Any]) -> bytes:
        return super().encode(dict(reversed(message.items())))


class Invents(Conversation):
    """Says something of an unknown type before each delta."""

    def invented(self) -> dict[str, Any]:
        return {"type": "brand_new", "msg": {"x": 1}}

    def tell_delta(self, ticker: str, side: str, at: int, change: int) -> None:
        self.say(self.invented())
        super().tell_delta(ticker, side, at, change)


point("unknown types without seq")(Invents)


@point("unknown types that consume a seq")
class InventsWithSeq(Invents):
    def invented(self) -> dict[str, Any]:
        return {"type": "brand_new", "sid": self.sid, "seq": self.next_seq(), "msg": {}}


@point("unknown types on another sid")
class InventsElsewhere(Invents):
    def invented(self) -> dict[str, Any]:
        return {"type": "brand_new", "sid": 77, "seq": 9, "msg": {}}


@point("unknown types whose sid and seq are text", commands_max=400)
class InventsOddly(Invents):
    def invented(self) -> dict[str, Any]:
        return {"type": "brand_new", "sid": "one", "seq": "nine", "msg": "text"}


def odd_error(name: str, **odd: Any) -> None:
    class Reading(Conversation):
        """Every ten seconds an error that nothing here caused."""

        def on_open(self) -> None:
            self.venue.later(10.0, self.complain)

        def complain(self) -> None:
            self.say({"type": "error", "msg": {"code": 11, "msg": "no"}} | odd)
            self.venue.later(10.0, self.complain)

    point(f"an error out of nowhere: {name}")(Reading)


odd_error("plain")
odd_error("its code a text", msg={"code": "11", "msg": "no"})
odd_error("its msg a number", msg={"code": 11, "msg": 7})
odd_error("its msg a text", msg="no")
odd_error("no msg at all", msg=None)
odd_error("for a command that never was", id=12_345)
odd_error("naming somebody else's market", msg={"code": 28, "msg": "no", "market_tickers": [UNKNOWN]})
