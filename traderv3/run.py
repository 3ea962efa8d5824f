"""One run of the trader as a process: socket, door and log opened, signals heard, exit code returned.

Exit codes: 0 asked to stop and stopped clean; 1 a bug, an escalation, or orders that may still rest (the log says which);
2 configuration, a taken port included; 3 the venue refused us for good; 130 interrupted twice.
"""

import gc
import os
import random
import secrets
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import Final

import structlog
import trio

from traderv3 import __version__
from traderv3.app import create_app
from traderv3.clients.door import Door
from traderv3.clients.doors import find_signer, open_door
from traderv3.config.limits import LIMITS
from traderv3.config.settings import Settings
from traderv3.config.whereabouts import TOKEN_FILE, FolderTaken, hold_folder, write_console
from traderv3.console.log_tap import LogTap
from traderv3.console.web_server import WebServer
from traderv3.coordinator import Trader
from traderv3.core.clock import wall_us
from traderv3.core.event_bus import handles
from traderv3.core.sockets import listen
from traderv3.core.supervisor import describe
from traderv3.core.watchdog import end_process
from traderv3.domain.errors import EnvironmentMismatch, TraderError
from traderv3.domain.events import StateChanged
from traderv3.domain.states import State
from traderv3.storage.archive import finish_recording
from traderv3.telemetry.log import Log, open_log
from traderv3.trading.kill_switch import keep_early_signals

EXIT_OK: Final = 0
EXIT_BUG: Final = 1
EXIT_CONFIGURATION: Final = 2
EXIT_REFUSED: Final = 3
EXIT_INTERRUPTED: Final = 130

log = structlog.get_logger(component="run")


def run_trader(settings: Settings, *, record_to: Path | None = None, for_s: float | None = None) -> int:
    """Run until stopped, or for so long; the process's exit code. `record_to`: one file instead of journal segments."""
    _have_standard_streams()
    try:
        listener = listen(settings.host, settings.port)
    except OSError as exc:
        how = "stop what uses it, or choose another with --port (0: any free one)"
        return _refuse(f"cannot listen on {settings.host} port {settings.port}: {exc.strerror}; {how}")
    token = settings.control_token.reveal() if settings.control_token else secrets.token_urlsafe(24)
    folder = settings.folder
    os.umask(0o077)  # orders, fills and what was said are the owner's alone
    keep_early_signals()
    try:
        hold_folder(folder)
        write_token(folder / TOKEN_FILE, token)
        write_console(folder, settings.host, listener.getsockname()[1])
        rng = random.Random()
        door = None if settings.api is None else open_configured_door(settings, rng)
    except FolderTaken as exc:
        return _refuse(f"another trader runs in {folder} ({exc}); stop it, or give this one a V3_DATA_DIR of its own")
    except OSError as exc:
        return _refuse(f"cannot write below V3_DATA_DIR {settings.data_dir}: {exc.strerror}")
    except EnvironmentMismatch as exc:
        return _refuse(str(exc))
    tap = LogTap()
    with (
        listener,
        open_log(settings.environment, settings.data_dir, settings.log_level, secrets=settings.secrets) as book,
    ):
        book.hide(token)
        book.tap = tap.take_line
        sys.excepthook = book.tell_uncaught
        threading.excepthook = lambda args: book.tell_uncaught(args.exc_type, args.exc_value, args.exc_traceback)
        code = trio.run(_main, settings, door, listener, tap, token, book, rng, record_to, for_s)
    if record_to is not None:
        print(f"traderv3: {finish_recording(record_to)}", file=sys.stderr)
    return code


def _have_standard_streams() -> None:
    """Stand in for standard streams that are closed (a careless service file), before a socket gets their numbers."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
    if sys.stdout is None:  # what Python makes of a closed stream
        sys.stdout = os.fdopen(1, "w")
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w")


def _refuse(why: str) -> int:
    """Say why nothing was started; the exit code of a configuration error."""
    print(f"traderv3: {why}\ntraderv3: nothing was started.", file=sys.stderr)
    return EXIT_CONFIGURATION


def open_configured_door(settings: Settings, rng: random.Random) -> Door:
    """The door to the venue that the settings name. Raises `EnvironmentMismatch`."""
    assert settings.api is not None
    assert settings.ws is not None
    return open_door(settings.api, settings.ws, find_signer(settings), wall_us=wall_us, rng=rng)


def write_token(path: Path, token: str) -> None:
    """Keep the control token where only its owner can read it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(token + "\n", encoding="ascii")


def _freeze_what_stays(trader: Trader) -> None:
    """Take what was loaded, and once more what there is when first ready, out of the garbage collector's sight.

    It stays as long as the process; to look at it (80,000 objects before there is a market) stops the loop for 50 ms and more.
    Only once each: what is garbage by then is never found.
    """
    gc.freeze()
    was_ready = False

    def freeze(event: StateChanged) -> None:
        nonlocal was_ready
        if event.target is State.READY and not was_ready:
            was_ready = True
            gc.freeze()

    trader.bus.subscribe("garbage", (StateChanged,), handles(freeze))


async def _main(
    settings: Settings,
    door: Door | None,
    listener: socket.socket,
    tap: LogTap,
    token: str,
    book: Log,
    rng: random.Random,
    record_to: Path | None,
    for_s: float | None,
) -> int:
    def log_lost() -> int:
        lines = book.statistics()
        return lines.dropped + lines.unwritten

    trader = Trader(
        settings,
        lambda trader: WebServer(create_app(trader), listener, trader.desk.hub),
        wall_us=wall_us,
        rng=rng,
        door=door,
        tap=tap,
        token=token,
        log_lost=log_lost,
        record_to=record_to,
    )
    _freeze_what_stays(trader)
    url = settings.console_url(trader.web_server.port)
    log.info("traderv3 starts", version=__version__, environment=settings.environment.value, console=url)
    sys.stderr.write(f"console: {url}#token={token}\n")  # to the terminal alone, never into the log; one write: whole
    sys.stderr.flush()
    escalation: TraderError | None = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_stop_on_signals, trader, book)
        if for_s is not None:
            nursery.start_soon(_stop_after, trader, for_s)
        try:
            await trader.run()
        except TraderError as exc:
            escalation = exc
        finally:
            nursery.cancel_scope.cancel()
    if escalation is not None:
        log.critical("escalation", error=describe(escalation))  # the last line is the cause
        return EXIT_BUG
    code = EXIT_OK if trader.refusal is None else EXIT_REFUSED
    if trader.execution is not None and (left := trader.execution.left_behind):
        how = f"`traderv3 halt {settings.environment}` cancels them; the next run takes them up"
        log.error("stopped, and orders may rest at the venue", orders=left, how=how)
        code = code or EXIT_BUG
    log.info("traderv3 stopped", exit_code=code)
    return code


async def _stop_after(trader: Trader, for_s: float) -> None:
    await trio.sleep(for_s)
    await trader.stop(f"{for_s:g} s are over")


async def _stop_on_signals(trader: Trader, book: Log) -> None:
    """First SIGINT or SIGTERM: stop in order, within `shutdown_s`. Second: now."""
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as received:
        first = signal.Signals(await anext(received))
        log.info("asked to stop", signal=first.name)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trader.stop, f"asked to stop ({first.name})")
            with trio.move_on_after(LIMITS.shutdown_s):
                await anext(received)
                log.critical("interrupted twice")
                book.flush()
                end_process("interrupted twice", code=EXIT_INTERRUPTED)
            end_process(f"the ordered stop took over {LIMITS.shutdown_s:g} s")
