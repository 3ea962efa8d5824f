"""`traderv3 halt` where the trader does not answer: everything that can be done without it.

    1. the kill file, if a trader is there: whenever it runs again, it halts at its first look
    2. the latch: no later run trades until a person resumes
    3. at the venue, from here: cancel-all, the trigger of its order groups (what it may yet send is refused), a cancel for
       each order, until a fresh read says that none rests

Units: seconds.
Never: "done" without the venue's own word; an order.
"""

import logging
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import msgspec
import structlog
import trio

from traderv3.clients.doors import find_signer, open_door, open_order_rest
from traderv3.clients.order_sweep import OrderSweep
from traderv3.config.endpoints import parse_endpoint
from traderv3.config.environment import Environment, Orders
from traderv3.config.settings import Settings
from traderv3.config.whereabouts import Whereabouts
from traderv3.core.clock import wall_us
from traderv3.domain.errors import EnvironmentMismatch
from traderv3.domain.permission import Mode, NotKept
from traderv3.exchange.process import ADDRESS_FILE, Announcement
from traderv3.storage.intent_log import INTENT_FILE, kept_groups
from traderv3.trading.kill_switch import KILL_FILE, LOOK_S
from traderv3.trading.latch import LATCH_FILE, TradingLatch

EXIT_OK: Final = 0
EXIT_NOT_CERTAIN: Final = 1
SWEEP_S: Final = 120.0  # the venue's reads may be 10 s old; a venue that is away is worth trying for a while
TELL_S: Final = 2.0
HEED_S: Final = 3 * LOOK_S  # a trader that runs after all sees the kill file first, and halts for our reason

Say = Callable[[str], None]


def halt_without(
    trader: Whereabouts, reason: str, load_settings: Callable[[], Settings | None], say: Say, *, is_kept: bool = False
) -> int:
    """Do all of it, and say what was done; the exit code is 0 if the halt is kept and no order rests for certain.

    `is_kept`: the trader itself has kept the halt, but has no way to the venue; the third part alone is done.
    """
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))  # `say` tells it
    return trio.run(_halt, trader, None if is_kept else reason, load_settings, say)


async def _halt(trader: Whereabouts, reason: str | None, load_settings: Callable[[], Settings | None], say: Say) -> int:
    settings = load_settings()
    kept: list[bool] = []
    is_certain = False
    async with trio.open_nursery() as nursery:  # a disk that hangs does not keep us from the venue
        if reason is not None:
            nursery.start_soon(_write_down, trader, reason, say, kept.append)
            if trader.is_running:
                await trio.sleep(HEED_S)
        if settings is None:
            say("without a sound configuration the venue cannot be reached from here: cancel at the venue by hand")
        else:
            is_certain = await _sweep(trader, settings, say)
    return EXIT_OK if is_certain and all(kept) else EXIT_NOT_CERTAIN


async def _write_down(trader: Whereabouts, reason: str, say: Say, tell: Callable[[bool], None]) -> None:
    tell(await trio.to_thread.run_sync(_drop_file, trader, reason, say))
    latch = TradingLatch(trader.folder / LATCH_FILE, wall_us=wall_us)
    try:
        await latch.set(Mode.HALTED, by="traderv3 halt", reason=reason)
    except NotKept as cause:
        say(f"the latch: {cause}")
        tell(False)
    else:
        say("the latch: halted; only `traderv3 resume`, said to a running trader, lifts it")


def _drop_file(trader: Whereabouts, reason: str, say: Say) -> bool:
    """The kill file, for a trader that is there and may wake up. True unless it was needed and could not be written."""
    if not trader.is_running:
        return True
    file = trader.folder / KILL_FILE
    try:
        file.write_text(reason + "\n", encoding="utf-8")
    except OSError as cause:
        say(f"the kill file: {file} cannot be written ({cause.strerror}); end process {trader.pid} yourself: kill -9")
        return False
    say(f"the kill file: {file}; process {trader.pid} halts at its next look. Remove the file before `resume`.")
    return True


async def _sweep(trader: Whereabouts, settings: Settings, say: Say) -> bool:
    """Cancel at the venue until none rests; whether that is certain."""
    if settings.environment.policy.orders is Orders.SHADOW:
        say("the venue: in local no order ever left the process")
        return True
    if settings.is_own_exchange and not trader.is_running:
        say("the venue: the embedded exchange ended with its trader, and no order rests")
        return True
    try:
        settings = _for_cancelling(settings)
        assert settings.api is not None
        assert settings.ws is not None
        door = open_door(settings.api, settings.ws, find_signer(settings), wall_us=wall_us, rng=random.Random())
        orders = open_order_rest(door, settings)
    except EnvironmentMismatch as cause:
        say(f"the venue: {cause}")
        return False
    say(f"the venue: cancelling at {settings.api}")
    groups = _groups(trader, say)
    sweep = OrderSweep(orders, door.rest, groups=lambda: groups)
    with trio.move_on_after(SWEEP_S) as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_tell, sweep, say)
            await sweep.run()
            nursery.cancel_scope.cancel()
    await orders.aclose()
    await door.rest.aclose()
    if scope.cancelled_caught:
        say(f"NOT CERTAIN after {SWEEP_S:.0f} s: {sweep.trouble}. Run it again, or cancel at the venue by hand.")
        return False
    say(f"the venue: no order rests, by a read newer than the last of {sweep.strikes} strikes")
    return True


async def _tell(sweep: OrderSweep, say: Say) -> None:
    """What is waited for, as long as it takes."""
    while True:
        await trio.sleep(TELL_S)
        say(f"the venue: {sweep.trouble}")


def _for_cancelling(settings: Settings) -> Settings:
    """Settings that may cancel. Raises `EnvironmentMismatch`.

    Orders may have been sent before trading was switched off or disarmed, and this process can only cancel. The embedded
    exchange of a running trader said where it listens.
    """
    api, ws = settings.api, settings.ws
    if api is None:
        try:
            said = msgspec.json.decode((settings.data_dir / "exchange" / ADDRESS_FILE).read_bytes(), type=Announcement)
        except (OSError, msgspec.MsgspecError) as cause:
            how = "if the trader was given another, give the same KALSHI_API_URL and KALSHI_WS_URL to this command"
            msg = f"where the embedded exchange listens is not known ({cause}); {how}"
            raise EnvironmentMismatch(msg) from cause
        api = parse_endpoint(said.api_url, Environment.SIM, "api")
        ws = parse_endpoint(said.ws_url, Environment.SIM, "ws")
    key_id = settings.credentials.key_id if settings.credentials is not None else None
    return replace(settings, api=api, ws=ws, enable_trading=True, arm_production=key_id)


def _groups(trader: Whereabouts, say: Say) -> list[tuple[str, int]]:
    """The trader's order groups, by its own log."""
    try:
        return kept_groups(trader.folder / INTENT_FILE)
    except OSError as cause:
        say(f"its order groups are not known ({cause.strerror}): end its process, or it may send orders if it wakes up")
        return []
