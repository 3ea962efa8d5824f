"""Open points of commands: unknown tickers, forms and order of replies, limits, the ends of a subscription, numbers."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from tests.clients.readings.table import SERVED, UNKNOWN, point
from tests.clients.scripted_venue import Conversation, ScriptedVenue


@point("everything by the book")
class ByTheBook(Conversation):
    pass


# -- an unknown ticker -------------------------------------------------------------------------------------------------


def unknown_ticker(code: int, naming: str) -> type[Conversation]:
    class Reading(Conversation):
        def refuses(self, number: int, tickers: Sequence[str]) -> bool:
            unknown = [ticker for ticker in tickers if ticker not in self.venue.books]
            if unknown:
                ways: dict[str, dict[str, Any]] = {
                    "list": {"market_tickers": unknown},
                    "one": {"market_ticker": unknown[0]},
                    "none": {},
                }
                self.tell_error(code, number, **ways[naming])
            return bool(unknown)

    return Reading


for code in (28, 16, 11):
    for naming in ("list", "one"):
        point(f"unknown ticker: {code} naming {naming}", wanted=(*SERVED, UNKNOWN), sentence=f"error {code}")(
            unknown_ticker(code, naming)
        )
    point(f"unknown ticker: {code} naming none", wanted=(*SERVED, UNKNOWN), sentence=f"error {code}")(
        unknown_ticker(code, "none")
    )


class LeavesOut(Conversation):
    """Unknown tickers are passed over in silence: only `ok`, where there is one, shows that they are missing."""

    def refuses(self, number: int, tickers: Sequence[str]) -> bool:
        return False

    def on_get_snapshot(self, number: int, tickers: Sequence[str]) -> None:
        super().on_get_snapshot(number, [ticker for ticker in tickers if ticker in self.venue.books])


point("unknown ticker: left out of ok", wanted=(*SERVED, UNKNOWN), sentence="left out|no usable snapshot")(LeavesOut)
point("unknown ticker: left out of subscribe", wanted=(UNKNOWN, *SERVED), sentence="left out|no usable snapshot")(
    LeavesOut
)


class NamesAndServesTheRest(LeavesOut):
    """The error names what is unknown, and the command is carried out for the others all the same."""

    is_error_first = True

    def on_subscribe(self, number: int, tickers: Sequence[str]) -> None:
        self.with_error(number, tickers, super().on_subscribe)

    def on_add(self, number: int, tickers: Sequence[str]) -> None:
        self.with_error(number, tickers, super().on_add)

    def with_error(self, number: int, tickers: Sequence[str], act: Callable[[int, Sequence[str]], None]) -> None:
        unknown = [ticker for ticker in tickers if ticker not in self.venue.books]
        if unknown and self.is_error_first:
            self.tell_error(28, number, market_tickers=unknown)
        if self.sid is None or tickers != unknown:
            act(number, [ticker for ticker in tickers if ticker not in unknown])
        if unknown and not self.is_error_first:
            self.tell_error(28, number, market_tickers=unknown)


class ServesTheRestAndNames(NamesAndServesTheRest):
    is_error_first = False


for place, wanted in (("first", (UNKNOWN, *SERVED)), ("last", (*SERVED, UNKNOWN))):
    point(f"unknown ticker {place}: named, the rest served after", wanted=wanted, sentence="error 28")(
        NamesAndServesTheRest
    )
    point(f"unknown ticker {place}: named, the rest served before", wanted=wanted, sentence="error 28")(
        ServesTheRestAndNames
    )


# -- replies -----------------------------------------------------------------------------------------------------------


@point("ok after the snapshots")
class OkAfterSnapshots(Conversation):
    def on_add(self, number: int, tickers: Sequence[str]) -> None:
        self.watch(tickers)
        self.tell_ok(number)


class Ok(Conversation):
    """`ok` with other members than usual."""

    def parts(self) -> dict[str, Any]:
        return {"sid": self.sid, "seq": self.next_seq(), "msg": self.listed()}

    def tell_ok(self, number: int) -> None:
        self.say({"type": "ok", "id": number, **self.parts()})


@point("ok without a list")
class OkWithoutList(Ok):
    def listed(self) -> dict[str, Any]:
        return {}


@point("ok without msg")
class OkWithoutMsg(Ok):
    def parts(self) -> dict[str, Any]:
        return {"sid": self.sid, "seq": self.next_seq()}


@point("ok without seq, and none consumed")
class OkWithoutSeq(Ok):
    def parts(self) -> dict[str, Any]:
        return {"sid": self.sid, "msg": self.listed()}


@point("ok without seq, but one consumed")
class OkConsumesUnseen(Ok):
    def parts(self) -> dict[str, Any]:
        self.next_seq()
        return {"sid": self.sid, "msg": self.listed()}


@point("ok repeats the last seq")
class OkRepeatsSeq(Ok):
    def parts(self) -> dict[str, Any]:
        return {"sid": self.sid, "seq": self.seq, "msg": self.listed()}


@point("ok without sid")
class OkWithoutSid(Ok):
    def parts(self) -> dict[str, Any]:
        self.next_seq()
        return {"msg": self.listed()}


@point("two oks in the other order", chunk=1)
class OksInOtherOrder(Conversation):
    """Two commands answered last first; their numbers are in the order of the wire."""

    def __init__(self, venue: ScriptedVenue) -> None:
        super().__init__(venue)
        self.held: list[tuple[int, Sequence[str]]] = []

    def on_add(self, number: int, tickers: Sequence[str]) -> None:
        self.held.append((number, tickers))
        if len(self.held) == 2:
            fresh = [ticker for _, each in self.held for ticker in self.widen(each)]
            for held, _ in reversed(self.held):
                self.tell_ok(held)
            self.tell_snapshots(fresh)
            self.held = []


@point("subscribed after the first snapshot")
class SubscribedLate(Conversation):
    def on_subscribe(self, number: int, tickers: Sequence[str]) -> None:
        self.sid = self.first_sid
        self.watch(tickers)
        self.tell_subscribed(number)


@point("subscribed never")
class SubscribedNever(Conversation):
    def tell_subscribed(self, number: int) -> None:
        pass


@point("subscribed without id")
class SubscribedWithoutId(Conversation):
    def tell_subscribed(self, number: int) -> None:
        self.say({"type": "subscribed", "msg": {"channel": self.channel, "sid": self.sid}})


@point("subscribe not answered on the first connection", sentence="not answered")
class SubscribeIgnoredAtFirst(Conversation):
    def on_subscribe(self, number: int, tickers: Sequence[str]) -> None:
        if len(self.venue.connected_at) > 1:
            super().on_subscribe(number, tickers)


@point("sids begin at 7")
class SidsBeginAtSeven(Conversation):
    first_sid = 7


@point("sids begin at 0")
class SidsBeginAtZero(Conversation):
    first_sid = 0


# -- limits ------------------------------------------------------------------------------------------------------------


class CapAtAdd(Conversation):
    """Three markets fit into a subscription; a command that would make it more is refused as a whole."""

    cap = 3

    def on_add(self, number: int, tickers: Sequence[str]) -> None:
        if len({*self.watched, *tickers}) > self.cap:
            self.tell_error(26, number, sid=self.sid)
        else:
            super().on_add(number, tickers)


class CapAtSubscribe(CapAtAdd):
    """The same for the first command."""

    cap = 2

    def on_subscribe(self, number: int, tickers: Sequence[str]) -> None:
        if len(tickers) > self.cap:
            self.tell_error(26, number)
        else:
            super().on_subscribe(number, tickers)


point("market limit (26) met at add_markets", chunk=2)(CapAtAdd)
point("market limit (26) met at subscribe", is_live=False, sentence="error 26|limit")(CapAtSubscribe)


@point("too many requests (27) for the first commands")
class TooManyAtFirst(Conversation):
    def hear(self, text: str) -> None:
        command = json.loads(text)
        if len(self.commands) < 2:
            self.commands.append(command)
            self.tell_error(27, command["id"])
        else:
            super().hear(text)


@point("the command times out (18) at first")
class TimesOutAtFirst(Conversation):
    def on_subscribe(self, number: int, tickers: Sequence[str]) -> None:
        if len(self.commands) == 1:
            self.tell_error(18, number)
        else:
            super().on_subscribe(number, tickers)


def terminal(code: int, *, is_scoped: bool) -> type[Conversation]:
    class Reading(Conversation):
        """Every twenty seconds the subscription is over."""

        def on_open(self) -> None:
            self.venue.later(20.0, self.give_up)

        def give_up(self) -> None:
            scope = {"sid": self.sid, "seq": self.next_seq()} if is_scoped else {"sid": self.sid}
            self.say({"type": "error", **scope, "msg": {"code": code, "msg": "over"}})
            self.sid, self.watched = None, []
            self.venue.later(20.0, self.give_up)

    return Reading


for code in (10, 25):
    point(f"terminal {code} with sid and seq")(terminal(code, is_scoped=True))
    point(f"terminal {code} with sid alone")(terminal(code, is_scoped=False))


# -- the sequence ------------------------------------------------------------------------------------------------------


@point("seq starts again at 1 on the same sid")
class SeqReset(Conversation):
    def on_open(self) -> None:
        self.venue.later(15.0, self.reset)

    def reset(self) -> None:
        self.seq = 0


@point("seq starts again at 1 with snapshots")
class SeqResetWithSnapshots(SeqReset):
    def reset(self) -> None:
        self.seq = 0
        self.tell_snapshots(list(self.watched))


@point("seq begins at 0")
class SeqBeginsAtZero(Conversation):
    def begin(self, number: int) -> None:
        super().begin(number)
        self.seq = -1
