"""No bytes whatever: nothing but our own errors comes out of a door, none costs more than linear time or bounded memory."""

import gc
import io
import json
import math
import os
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.protocol.framing import BINARY, CLOSE, CONTINUATION, PING, TEXT, frame
from tests.protocol.fuzz_targets import HEADER, SEEDS, TARGETS
from tests.protocol.model_venue import delta, encode, error, ok, snapshot, subscribed, unsubscribed
from tests.protocol.test_channel_facts import BODIES, CREATED, message
from traderv3.domain.book import Book, BookState
from traderv3.domain.feed import FeedCounters
from traderv3.protocol import wire
from traderv3.protocol.channel_session import ChannelSession
from traderv3.protocol.frames import FrameReader
from traderv3.protocol.recording import RecordingProblem, RecordingReader
from traderv3.protocol.rest import error_text
from traderv3.protocol.session import BookSession

REPOSITORY: Final = Path(__file__).resolve().parents[2]
RUNS: Final = 100_000  # of atheris on each target
RUNS_OF_SESSIONS: Final = 25_000  # where one run is a whole conversation

HUGE: Final = [2**31, 2**53, 2**63, 2**64, 10**40, -(2**63), 1e308, 0.1, -1]
WORDS: Final = [*BODIES, "orderbook_snapshot", "orderbook_delta", "subscribed", "ok", "unsubscribed", "error", "A", "B"]
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
VALUES = SCALARS | st.sampled_from([*HUGE, *WORDS, "0.4500", "-1.00", "9" * 30, "1e5", [], {}, [["0.4500", "1.00"]]])
JSON = st.recursive(
    VALUES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner), max_leaves=6
)

GOOD: Final[list[dict[str, Any]]] = [
    *(message(kind, body) for kind, body in BODIES.items()),
    message("market_lifecycle_v2", CREATED),
    *(
        json.loads(raw)
        for raw in (
            snapshot("A", 3, {("yes", 4000): 500}, command_id=1, ts_ms=5),
            delta("A", 3, "yes", 4000, -500, ts_ms=5, ts="x", clock=4),
            subscribed(1),
            ok(1, 3, ["A"]),
            unsubscribed(2, 3),
            error(25, sid=1, seq=3),
            error(28, tickers=["A"], id=1),
            error(27, id=1),
            error(26, id=1),
        )
    ),
]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A good message of some kind, changed in a few places, perhaps cut off."""
    told: dict[str, Any] = json.loads(json.dumps(draw(st.sampled_from(GOOD))))
    for _ in range(draw(st.integers(0, 3))):
        inner = told
        if isinstance(told.get("msg"), dict) and told["msg"] and draw(st.booleans()):
            inner = told["msg"]
        key = draw(st.sampled_from(sorted(inner)) | st.text(max_size=5)) if inner else "x"
        if draw(st.booleans()):
            inner.pop(key, None)
        else:
            inner[key] = draw(JSON)
    raw = json.dumps(told).encode()
    return raw[: draw(st.integers(0, len(raw)))] if draw(st.integers(0, 5)) == 0 else raw


LINES = st.lists(mutated() | st.binary(max_size=30) | st.sampled_from(SEEDS), max_size=6).map(b"\n".join)
WIRE = st.lists(
    st.builds(
        frame,
        st.sampled_from([TEXT, BINARY, CONTINUATION, PING, CLOSE, 0x3, 0xF]),
        st.binary(max_size=130),
        is_final=st.booleans(),
        reserved=st.sampled_from([0, 0, 0, 0x40]),
    )
    | st.binary(max_size=12),
    max_size=6,
).map(b"".join)


@pytest.mark.parametrize("target", TARGETS)
@given(data=LINES | WIRE | st.binary(max_size=200))
def test_nothing_but_our_own_errors_comes_out(target: str, data: bytes) -> None:
    TARGETS[target](data)


@pytest.mark.parametrize("target", TARGETS)
def test_what_was_found_before_stays_mended(target: str) -> None:
    for data in [*SEEDS, *(json.dumps(each).encode() for each in GOOD)]:
        TARGETS[target](data)


def test_a_number_too_long_to_be_printed_is_refused_before_anybody_prints_it() -> None:
    """Found by thinking as the fuzzer does: Python raises ValueError when it prints an int of more than 4300 digits."""
    session = book_session()
    session.receive([delta("A", 2, "yes", 4000, 1).replace(b'"seq": 2', b'"seq": ' + b"9" * 4300)], at_us=0, now_s=0.0)
    session.receive([delta("A", 5, "yes", 4000, 1)], at_us=0, now_s=0.0)

    assert session.counters.protocol_errors == 1
    assert session.books["A"].state is BookState.STALE


# Bodies of REST answers, for the readers behind the same bytes.
ANSWERS: Final = [
    {"market": {"ticker": "A", "status": "active", "open_time": "2026-01-01T00:00:00Z"}},
    {"orderbook_fp": {"yes_dollars": [["0.4500", "1.00"]], "no_dollars": []}},
    {"exchange_active": True, "trading_active": True, "exchange_estimated_resume_time": "2026-01-01T00:00:00Z"},
    {"balance": 1, "portfolio_value": 2, "updated_ts": 3},
    {"series": {"ticker": "S", "fee_type": "quadratic", "fee_multiplier": 1e400}},
]


@given(st.sampled_from(ANSWERS), st.sampled_from(["", "market", "orderbook_fp", "series"]), st.text(max_size=5), JSON)
def test_answers_of_the_right_shape_with_wrong_values_are_our_own_errors(
    answer: dict[str, Any], inner: str, key: str, value: object
) -> None:
    changed = json.loads(json.dumps(answer))
    holder = changed.get(inner, changed)
    for name in [key, *holder]:
        TARGETS["rest"](
            json.dumps({**changed, inner: {**holder, name: value}} if inner else {**changed, name: value}).encode()
        )


def test_a_recorded_line_nested_too_deep_is_our_own_problem() -> None:
    line = b'{"at_us":1,"conn":1,"dir":"in","frame":' + b"[" * 100_000 + b"\n"
    with pytest.raises(RecordingProblem):
        next(RecordingReader(io.BytesIO(HEADER + line), "a.jsonl"))


# -- linear time, bounded memory -----------------------------------------------------------------------------------


def book_session() -> BookSession:
    session = BookSession("fuzz", {"A": Book("A")}, FeedCounters())
    session.commands(at_us=0, now_s=0.0)
    session.receive([subscribed(1), snapshot("A", 1, {("yes", 4000): 500})], at_us=0, now_s=0.0)
    return session


def channel_session() -> ChannelSession:
    session = ChannelSession("fuzz", {"fill": None}, FeedCounters())
    session.commands(now_s=0.0)
    session.receive([subscribed(1, channel="fill")], at_us=0, now_s=0.0)
    return session


def to_books(*frames: bytes) -> None:
    book_session().receive(frames, at_us=0, now_s=0.0)


def to_channels(*frames: bytes) -> None:
    channel_session().receive(frames, at_us=0, now_s=0.0)


def many_levels(size: int) -> bytes:
    levels = [[f"0.{n % 9998 + 1:04d}{'0' * (n // 9998)}", "1.00"] for n in range(size)]
    return encode(
        {"type": "orderbook_snapshot", "sid": 1, "seq": 2, "msg": {"market_ticker": "A", "yes_dollars_fp": levels}}
    )


def long_text(size: int) -> bytes:
    return encode({"type": "orderbook_delta", "sid": 1, "seq": 2, "msg": {"market_ticker": "A" * size, "side": "yes"}})


def long_number(size: int) -> bytes:
    return delta("A", 2, "yes", 4000, 1).replace(b"0.01", b"0." + b"1" * size)


def long_multiplier(size: int) -> bytes:
    body = b'{"event_ticker":"E","fee_type_override":null,"fee_multiplier_override":0.' + b"1" * size + b"}"
    return b'{"type":"event_fee_update","sid":1,"seq":1,"msg":' + body + b"}"


def drip(size: int) -> None:
    """One long message, 1 kB at a time."""
    reader, data = FrameReader(), frame(TEXT, b"x" * size)
    for at in range(0, len(data), 1000):
        reader.receive(data[at : at + 1000])


def fragments(size: int) -> None:
    """One message in as many fragments."""
    FrameReader().receive(frame(TEXT, is_final=False) + frame(CONTINUATION, b"x", is_final=False) * size)


COSTS: Final[dict[str, tuple[int, Callable[[int], object]]]] = {
    "a long message in drips": (4_000_000, drip),
    "many small frames": (30_000, lambda size: FrameReader().receive(frame(TEXT, b"x") * size)),
    "many fragments": (30_000, fragments),
    "garbage to the books": (10_000, lambda size: to_books(*[b"garbage"] * size)),
    "garbage to the channels": (10_000, lambda size: to_channels(*[b"garbage"] * size)),
    "gaps": (10_000, lambda size: to_books(*(delta("A", 2 * n, "yes", 4000, 1) for n in range(2, size)))),
    "a snapshot of many levels": (40_000, lambda size: to_books(many_levels(size))),
    "a long ticker": (2_000_000, lambda size: to_books(long_text(size))),
    "a long number": (2_000_000, lambda size: to_books(long_number(size))),
    "a long fee multiplier": (2_000_000, lambda size: to_channels(long_multiplier(size))),
    "nesting to the books": (1_000_000, lambda size: to_books(b'{"type":"ok","msg":' + b"[" * size)),
    "nesting to the channels": (1_000_000, lambda size: to_channels(b'{"type":"fill","msg":' + b'{"a":' * size)),
    "a long error body": (2_000_000, lambda size: error_text(b"x" * size)),
    "an error that names many": (40_000, lambda size: to_books(error(28, tickers=["A"] * size))),
}


@pytest.mark.parametrize("case", COSTS)
def test_four_times_the_input_costs_nowhere_near_sixteen_times_the_time(case: str) -> None:
    size, run = COSTS[case]
    took: dict[int, float] = {1: math.inf, 4: math.inf}

    def is_linear() -> bool:
        return took[4] <= 10 * took[1] + 0.02

    gc.disable()  # a collection looks at whatever other tests have left
    try:
        for round_ in range(10):  # the least of several: a neighbour on the machine can only add
            if round_ >= 3 and is_linear():
                break
            for times in (1, 4):  # in turns, so that a noisy moment hits both
                began = time.process_time()
                run(times * size)
                took[times] = min(took[times], time.process_time() - began)
    finally:
        gc.enable()

    assert is_linear()


def test_what_is_remembered_does_not_grow_with_what_is_sent() -> None:
    books, channels = book_session(), channel_session()
    for number in range(2000):
        strange = encode({"type": f"new{number}", f"field{number}": 1, "msg": {}})
        unknown = encode({"type": "ok", "id": number + 1000, f"field{number}": 1, "msg": {"x": number}})
        fill = encode({"type": "fill", "sid": number, "msg": {**BODIES["fill"], f"field{number}": 1}})
        books.receive([strange, unknown, error(7, id=number + 5000, sid=number + 9)], at_us=0, now_s=float(number))
        channels.receive([strange, unknown, fill], at_us=0, now_s=float(number))
        books.take_notices(), channels.take_notices(), channels.take_facts()

    assert len(books._subscription.pending) < 5
    for census in (books._census, channels._census):
        assert len(census._told) <= 64
        assert len(census._calls) < 20
    for memory in (wire.PRICES, wire.COUNTS):
        assert len(memory) <= memory._capacity
        assert all(len(text) <= 24 for text in memory)


# -- atheris -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def atheris_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The Python of a throw-away environment that has atheris, where there is a wheel for this Python."""
    home = tmp_path_factory.mktemp("atheris")
    subprocess.run([sys.executable, "-m", "venv", str(home)], check=True, capture_output=True)
    python = str(home / "bin" / "python")
    install = [python, "-m", "pip", "install", "--quiet", "--only-binary=:all:", "atheris"]
    done = subprocess.run(install, check=False, capture_output=True, text=True)
    if done.returncode:
        why = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "no reason given"
        pytest.skip(f"atheris cannot be had for Python {sys.version_info.major}.{sys.version_info.minor} here: {why}")
    return python


@pytest.mark.soak
@pytest.mark.parametrize("target", TARGETS)
def test_atheris_finds_nothing(target: str, atheris_python: str, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for number, seed in enumerate([*SEEDS, *(json.dumps(each).encode() for each in GOOD)]):
        (corpus / f"{number}").write_bytes(seed)
    paths = [str(REPOSITORY), sysconfig.get_paths()["purelib"], sysconfig.get_paths()["platlib"]]
    runs = RUNS_OF_SESSIONS if target in ("books", "channels") else RUNS
    command = [atheris_python, "-m", "tests.protocol.fuzz_atheris", target, f"-runs={runs}", "-seed=1", "-max_len=4096"]
    # Bounded by address space: what libFuzzer takes for its resident size begins with that of the process that started it.
    bounded = ["sh", "-c", 'ulimit -v 4194304; exec "$@"', "sh", *command, "-rss_limit_mb=0"]
    done = subprocess.run(
        [*bounded, f"-artifact_prefix={tmp_path}/", "-timeout=20", str(corpus)],
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )

    assert done.returncode == 0, done.stderr[-4000:]
    assert "Done" in done.stderr
