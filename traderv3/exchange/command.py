"""`traderv3 exchange`: the embedded exchange as a process.

Once it listens it prints one JSON line on stdout: `api_url`, `ws_url`, `key_id`, `private_key_path`, `markets`; a
playback prints a second when it is finished. stdout carries nothing else, and a reader may close it after the first line; logs
go to stderr. Exit codes: 0 asked to stop, 1 a bug, 2 a wrong argument, a taken port or a file that is no recording.
Rate limits: `--tier` names a tier of the venue's; the default, `unlimited`, prints the highest tier's figures and refuses
nothing, so that a trader in `sim` is never throttled by its own exchange unless somebody asks for that.
Never: state outside `<data dir>/exchange`; a non-loopback address.
"""

import argparse
import contextlib
import json
import math
import os
import random
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TextIO, cast

if TYPE_CHECKING:
    from traderv3.exchange.auth import OwnKey
    from traderv3.exchange.exchange import Exchange
    from traderv3.exchange.floor import Floor
    from traderv3.exchange.playback import Playback

EXIT_OK: Final = 0
EXIT_CONFIGURATION: Final = 2
PORT_DEFAULT: Final = 8010
SEED_DEFAULT: Final = 1
BALANCE_DEFAULT: Final = 10_000  # dollars
BALANCE_MAX: Final = 1_000_000_000
_PORT_MAX: Final = 65_535
_STDIN_BYTES: Final = 4096


class UsageProblem(Exception):
    """The command cannot run as asked; the message is a sentence that says why."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    from traderv3.exchange import control, faults  # noqa: PLC0415 - other commands do not pay for it
    from traderv3.exchange.market import MARKETS_DEFAULT  # noqa: PLC0415 - as above
    from traderv3.exchange.rate_limits import TIER_NAMES, UNLIMITED  # noqa: PLC0415 - as above

    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = f"faults (P: a probability, S: seconds, N: a number):\n{faults.described()}\n\n{control.__doc__}"
    add = parser.add_argument
    add("--port", type=int, default=PORT_DEFAULT, help=f"on 127.0.0.1; 0 for any free one ({PORT_DEFAULT})")
    add("--recording", metavar="FILE", help="play a recorded session (.jsonl, .jsonl.gz, .jsonl.zst)")
    add("--speed", default="1", metavar="X|max", help="how much faster than recorded (1)")
    add("--start", choices=("subscription", "now"), default="subscription", help="when a recording starts to play")
    add("--seed", type=int, default=SEED_DEFAULT, help=f"of markets, participants and faults ({SEED_DEFAULT})")
    add("--fault", default="", metavar="SPEC", help="what goes wrong: name=value,... as listed below")
    add("--key-id", action="append", default=[], help="register a further member's key, with --public-key; repeatable")
    add("--public-key", action="append", default=[], metavar="FILE", help="its public key, PEM")
    add("--tier", choices=TIER_NAMES, default=UNLIMITED, help=f"rate limits of every member ({UNLIMITED})")
    add("--balance", type=int, default=BALANCE_DEFAULT, metavar="DOLLARS", help="every member's, at the start (10000)")
    add("--data-dir", default=os.environ.get("V3_DATA_DIR") or "data", metavar="DIR", help="(V3_DATA_DIR, or data)")
    add("--markets-count", type=int, default=MARKETS_DEFAULT, metavar="N", help=f"made-up ones ({MARKETS_DEFAULT})")
    add("--activity", type=float, default=1.0, metavar="X", help="how much busier than usual the participants are (1)")
    add("--until-stdin-closes", action="store_true", help="stop when stdin ends, as a child of a trader does")


def main(args: argparse.Namespace) -> int:
    """Run the exchange until it is asked to stop; returns the exit code."""
    try:
        return _run(args)
    except UsageProblem as problem:
        with contextlib.suppress(OSError):
            print(f"traderv3 exchange: {problem}", file=sys.stderr)  # noqa: T201 - the command's answer
        return EXIT_CONFIGURATION


class Options(NamedTuple):
    """The arguments after their check."""

    port: int
    speed: float
    starts_now: bool
    seed: int
    markets_count: int
    activity: float
    until_stdin_closes: bool
    tier: str
    balance: int


def _run(args: argparse.Namespace) -> int:
    import trio  # noqa: PLC0415 - wrong arguments are answered before anything is loaded

    options = _checked(args)
    own, keys = _keys(args)
    with contextlib.ExitStack() as stack:
        floor, playback = _floor(args, options, stack)
        exchange = _exchange(options, floor, keys, takes_orders=playback is None)
        return trio.run(_serve, options, exchange, playback, own)


def _checked(args: argparse.Namespace) -> Options:
    from traderv3.exchange.market import MARKETS_MAX  # noqa: PLC0415 - as above

    if not 0 <= args.port <= _PORT_MAX:
        msg = f"--port {args.port}: a port lies between 0 and {_PORT_MAX}"
        raise UsageProblem(msg)
    try:
        speed = math.inf if args.speed == "max" else float(args.speed)
    except ValueError:
        speed = math.nan
    if not speed > 0:
        msg = f"--speed {args.speed}: write a number above 0, or max"
        raise UsageProblem(msg)
    if not 1 <= args.markets_count <= MARKETS_MAX:
        msg = f"--markets-count {args.markets_count}: write a number from 1 to {MARKETS_MAX}"
        raise UsageProblem(msg)
    if not 0 < args.activity <= 1_000:
        msg = f"--activity {args.activity}: write a number above 0, at most 1000"
        raise UsageProblem(msg)
    if not 0 <= args.balance <= BALANCE_MAX:
        msg = f"--balance {args.balance}: write a number of dollars from 0 to {BALANCE_MAX}"
        raise UsageProblem(msg)
    if len(args.key_id) != len(args.public_key):
        msg = "--key-id and --public-key belong together"
        raise UsageProblem(msg)
    return Options(
        port=args.port,
        speed=speed,
        starts_now=args.start == "now",
        seed=args.seed,
        markets_count=args.markets_count,
        activity=args.activity,
        until_stdin_closes=args.until_stdin_closes,
        tier=args.tier,
        balance=args.balance * 1_000_000,
    )


def _keys(args: argparse.Namespace) -> "tuple[OwnKey, dict[str, str]]":
    """Our own key, and the public PEM of each key id; ours is the first."""
    from traderv3.exchange.auth import own_key  # noqa: PLC0415 - as above
    from traderv3.protocol.signing import KeyProblem, load_public_key  # noqa: PLC0415 - as above

    directory = Path(args.data_dir) / "exchange"
    try:
        own = own_key(directory)
    except KeyProblem as cause:
        msg = f"{directory / 'private_key.pem'}: {cause}; delete the file and a new key is made"
        raise UsageProblem(msg) from None
    except OSError as cause:
        msg = f"no key can be kept in {directory}: {cause}"
        raise UsageProblem(msg) from None
    keys = {own.key_id: own.public_pem}
    for key_id, path in zip(args.key_id, args.public_key, strict=True):
        try:
            pem = Path(path).read_text()
            load_public_key(pem)
        except (OSError, UnicodeError, KeyProblem) as cause:
            msg = f"--public-key {path}: {cause}"
            raise UsageProblem(msg) from None
        keys[key_id] = pem
    return own, keys


def _floor(args: argparse.Namespace, options: Options, stack: contextlib.ExitStack) -> "tuple[Floor, Playback | None]":
    from traderv3.exchange.faults import FaultProblem, parse_faults  # noqa: PLC0415 - as above
    from traderv3.exchange.floor import Floor  # noqa: PLC0415 - as above
    from traderv3.exchange.market import made_up, recorded  # noqa: PLC0415 - as above

    try:
        faults = parse_faults(args.fault)
    except FaultProblem as cause:
        msg = f"--fault: {cause}"
        raise UsageProblem(msg) from None
    rng = random.Random(f"faults:{options.seed}")
    if args.recording is None:
        markets = made_up(options.seed, options.markets_count)
        return Floor(markets, now_ms=_now_ms, faults=faults, rng=rng), None

    from traderv3.exchange.playback import Playback  # noqa: PLC0415 - as above
    from traderv3.protocol.recording import RecordingProblem, RecordingReader  # noqa: PLC0415 - as above

    try:
        file = stack.enter_context(Path(args.recording).open("rb"))  # noqa: SIM115 - closed by the caller's stack
        reader = RecordingReader(file, args.recording)
    except (OSError, RecordingProblem) as cause:
        msg = f"--recording {args.recording}: {cause}"
        raise UsageProblem(msg) from None
    floor = Floor(recorded(reader.header.markets), now_ms=_now_ms, faults=faults, rng=rng)
    log = _logger()
    return floor, Playback(reader, floor, report=lambda event, facts: log.warning(event, **facts))


def _exchange(options: Options, floor: "Floor", keys: dict[str, str], *, takes_orders: bool) -> "Exchange":
    """A recording plays without a desk that takes orders, and without participants."""
    from traderv3.exchange.exchange import Exchange  # noqa: PLC0415 - as above

    exchange = Exchange(
        floor,
        now_us=_now_us,
        seed=options.seed,
        tier=options.tier,
        takes_orders=takes_orders,
        activity=options.activity if takes_orders else None,
    )
    for key_id, pem in keys.items():
        exchange.add_member(key_id, pem, balance=options.balance)
    return exchange


async def _serve(options: Options, exchange: "Exchange", playback: "Playback | None", own: "OwnKey") -> int:
    import trio  # noqa: PLC0415 - as above

    from traderv3.exchange.life import drive_exchange  # noqa: PLC0415 - as above
    from traderv3.exchange.server import HOST, Server, open_listener, port_of  # noqa: PLC0415 - as above

    try:
        listener = await open_listener(options.port)
    except OSError as cause:
        msg = f"port {options.port} of {HOST} cannot be used: {cause.strerror or cause}"
        raise UsageProblem(msg) from None
    port = port_of(listener)
    log = _logger()
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            server = Server(exchange, report=lambda event, facts: log.info(event, **facts))
            nursery.start_soon(server.serve, listener)
            _announce(
                {
                    "api_url": f"http://{HOST}:{port}/trade-api/v2",
                    "ws_url": f"ws://{HOST}:{port}/trade-api/ws/v2",
                    "key_id": own.key_id,
                    "private_key_path": str(own.private_key_path),
                    "markets": list(exchange.floor.listings),
                }
            )
            log.info("listening", port=port, markets=len(exchange.floor.listings), seed=options.seed)
            stopping = trio.Event()
            if options.until_stdin_closes:
                _watch_stdin(stopping, trio.lowlevel.current_trio_token())
            nursery.start_soon(_wait_for_signal, signals, stopping)
            nursery.start_soon(drive_exchange, exchange)
            if playback is not None:
                nursery.start_soon(_play, playback, exchange.floor, options)
            await stopping.wait()
            log.info("stopping")
            nursery.cancel_scope.cancel()
    return EXIT_OK


async def _wait_for_signal(signals: Any, stopping: Any) -> None:
    await anext(signals)
    stopping.set()


async def _play(playback: "Playback", floor: "Floor", options: Options) -> None:
    from traderv3.exchange.life import drive_playback  # noqa: PLC0415 - as above

    await drive_playback(playback, floor, speed=options.speed, starts_now=options.starts_now, now_us=_now_us)
    finished = playback.finished()
    _announce(finished)
    _logger().info("finished", **finished)


def _watch_stdin(stopping: Any, token: Any) -> None:
    """Set `stopping` at the end of stdin. A daemon thread on the bare descriptor: it holds up nothing when we end."""

    def watch() -> None:
        with contextlib.suppress(OSError):
            while os.read(0, _STDIN_BYTES):
                pass
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            token.run_sync_soon(stopping.set)

    threading.Thread(target=watch, name="stdin", daemon=True).start()


def _announce(line: dict[str, Any]) -> None:
    """One JSON line on stdout, at once; a reader that is gone is none of our business."""
    data = json.dumps(line).encode() + b"\n"
    with contextlib.suppress(OSError):
        while data:
            data = data[os.write(1, data) :]


class _Stderr:
    """A stderr that may be gone: the exchange does not die of a log line that nobody reads."""

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()


def _logger() -> Any:
    """The room's logger; JSON lines on stderr, unless the process that imported us has set up its own."""
    import structlog  # noqa: PLC0415 - as above

    if not structlog.is_configured():
        structlog.configure(
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.JSONRenderer(),
            ],
            logger_factory=structlog.PrintLoggerFactory(cast("TextIO", _Stderr())),
            cache_logger_on_first_use=True,
        )
    return structlog.get_logger("exchange").bind(component="exchange")


def _now_us() -> int:
    return time.time_ns() // 1_000


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
