"""The commands that change something, as one table: what each needs typed, and what it does.

| name | arguments | typed |
|---|---|---|
| `pause`, `resume`, `halt` | `reason` (may be left out) | `PAUSE SIM`, … : the verb and the environment |
| `cancel_all` | `reason` (may be left out) | `CANCEL ALL SIM` |
| `resync` | `ticker`, or none for every book | the ticker, or `ALL` |
| `reconnect` | `connection` | its name |
| `restart_actor` | `name` | its name |

What they act on is handed in; a verb refuses with a sentence when there is nothing to act on.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import trio

from traderv3.console.commands import Args, Command, CommandRefused
from traderv3.domain.book import BookState
from traderv3.domain.feed import Feed
from traderv3.domain.permission import Latch, Mode, NotKept

NAME_MAX: Final = 100  # characters of a name that is shown again


MODES: Final = {"pause": Mode.REDUCING, "resume": Mode.ACTIVE, "halt": Mode.HALTED}
EFFECTS: Final = {
    Mode.REDUCING: "no new exposure is taken from now on; what rests stays",
    Mode.ACTIVE: "trading may go on",
    Mode.HALTED: "trading is halted",
}
NOT_CARRIED: Final = "this trader carries no orders and cancels none"
MAY_REST: Final = "may still rest"  # `traderv3 halt` looks for these two
UNCERTAIN: Final = "the venue's own word is waited for"
GOES_ON: Final = "the strategy goes on and may quote again"
LINGERS: Final = "and are cancelled as soon as the engine knows that they rest; a halt waits for no engine"
COUNT_LOOK_S: Final = 0.01
COUNT_LOOKS: Final = 150  # a halt holds at once; so often is looked to say what became of the orders
WORD_LOOKS: Final = 300  # and so often for the venue's word: a read is believed to be newer than a strike after 1.5 s


@dataclass(frozen=True, slots=True)
class Powers:
    """What the verbs act on. `kill` says whether an actor of that name ran; None: nothing may be acted on (a replay).

    `open_orders`: how many orders of ours rest or may rest, as whoever carries them out knows; None where nobody does.
    `unsure`: what a halt still waits for at the venue, in a sentence; None once the venue's own word is there.
    `withdraw_all`: have every order of ours that is open now cancelled, for this reason, by whoever decides on them; gives
    what tells how many of them are open still, or None where nobody carries orders.
    `kill_file`: why the kill file forbids trading to go on, or None.
    """

    environment: str
    feed: Feed
    latch: Latch
    kill: Callable[[str], bool] | None
    open_orders: Callable[[], int | None] = lambda: 0
    unsure: Callable[[], str | None] = lambda: None
    withdraw_all: Callable[[str], Callable[[], int] | None] = lambda _: None
    kill_file: Callable[[], str | None] = lambda: None


def make_commands(powers: Powers) -> dict[str, Command]:
    """Every command by name."""
    if powers.kill is None:
        return {}
    return {
        **{verb: _set_mode(powers, verb) for verb in MODES},
        "cancel_all": Command(_cancel_all(powers), lambda _: f"CANCEL ALL {powers.environment.upper()}"),
        "resync": Command(_resync(powers), lambda args: _text(args, "ticker") if "ticker" in args else "ALL"),
        "reconnect": Command(_reconnect(powers), lambda args: _text(args, "connection")),
        "restart_actor": Command(_restart(powers.kill), lambda args: _text(args, "name")),
    }


def _text(args: Args, name: str) -> str:
    value = args.get(name)
    if not isinstance(value, str) or not value:
        msg = f"the argument {name!r} is missing"
        raise CommandRefused(msg)
    return value


def _set_mode(powers: Powers, verb: str) -> Command:
    mode = MODES[verb]

    async def run(args: Args, who: str) -> str:
        before = powers.open_orders()
        if mode is Mode.ACTIVE and (why_not := powers.kill_file()) is not None:
            msg = f"the kill file halts again whatever is said here: {why_not}"
            raise CommandRefused(msg)
        try:
            stand = await powers.latch.set(mode, by=who, reason=str(args.get("reason") or f"{verb} by hand"))
        except NotKept as exc:
            raise CommandRefused(str(exc)) from exc
        if stand.mode is not mode:
            msg = f"trading is {stand.mode} by {stand.by}: {stand.reason}; only `resume` lifts a halt"
            raise CommandRefused(msg)
        return f"{EFFECTS[mode]}; {await _count(powers, before)}" if mode is Mode.HALTED else EFFECTS[mode]

    return Command(run, lambda _: f"{verb.upper()} {powers.environment.upper()}")


async def _count(powers: Powers, before: int | None) -> str:
    """What became of the orders that were open before a halt, as far as it can be said soon."""
    if before is None:
        return NOT_CARRIED
    left, unsure = powers.open_orders() or 0, powers.unsure()
    for look in range(WORD_LOOKS):
        if (left and look >= COUNT_LOOKS) or (not left and unsure is None):
            break
        await trio.sleep(COUNT_LOOK_S)
        left, unsure = powers.open_orders() or 0, powers.unsure()
    said = f"cancelled {max(0, before - left)} of {before} orders"
    if left:
        return f"{said}; {left} {MAY_REST}, and are cancelled until none does"
    return said if unsure is None else f"{said} as far as is known; {UNCERTAIN} ({unsure})"


def _cancel_all(powers: Powers) -> Callable[[Args, str], Awaitable[str]]:
    async def run(args: Args, who: str) -> str:
        count = powers.withdraw_all(f"{who} cancels all: {args.get('reason') or 'by hand'}")
        if count is None:
            raise CommandRefused(NOT_CARRIED)
        before = left = count()
        for _ in range(COUNT_LOOKS):
            if not left:
                break
            await trio.sleep(COUNT_LOOK_S)
            left = count()
        if not before:
            return f"no order of ours rests; {GOES_ON}"
        still = f"; {left} {MAY_REST}, {LINGERS}" if left else ""
        return f"{before - left} of {before} orders are over{still}; {GOES_ON}"

    return run


def _resync(powers: Powers) -> Callable[[Args, str], Awaitable[str]]:
    feed = powers.feed

    async def run(args: Args, who: str) -> str:
        tickers = [_text(args, "ticker")] if "ticker" in args else list(feed.books)
        if missing := [ticker for ticker in tickers if ticker not in feed.books]:
            msg = f"no market {missing[0][:NAME_MAX]!r} is watched"
            raise CommandRefused(msg)
        live = [ticker for ticker in tickers if feed.books[ticker].state is BookState.LIVE]
        for ticker in live:
            feed.suspect(ticker, f"asked for again by {who}")
        if not live:
            msg = f"none of {len(tickers)} books is live; what can be repaired is being repaired"
            raise CommandRefused(msg)
        return f"{len(live)} of {len(tickers)} books are asked for again"

    return run


def _reconnect(powers: Powers) -> Callable[[Args, str], Awaitable[str]]:
    async def run(args: Args, who: str) -> str:
        name = _text(args, "connection")
        if not powers.feed.renew(name, f"made anew at the word of {who}"):
            msg = f"no connection {name[:NAME_MAX]!r} is up"
            raise CommandRefused(msg)
        return f"{name} is made anew"

    return run


def _restart(kill: Callable[[str], bool]) -> Callable[[Args, str], Awaitable[str]]:
    async def run(args: Args, who: str) -> str:
        name = _text(args, "name")
        if not kill(name):
            msg = f"no actor {name[:NAME_MAX]!r} is running"
            raise CommandRefused(msg)
        return f"{name} was ended; its supervisor starts it again"

    return run
