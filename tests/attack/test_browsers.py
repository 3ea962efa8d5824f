"""Browsers and what pretends to be one, against a real trader: it serves on, believes nobody, and holds nothing afterwards."""

import os
import random

import httpx2
import pytest
import trio

from tests.attack.footprint import footprint, until_flat
from tests.attack.raw import (
    BINARY,
    CLOSE,
    CONTINUATION,
    HOST,
    PING,
    TEXT,
    ask,
    frame,
    head,
    many,
    open_socket,
    reset,
)
from tests.attack.visits import console, get, ready, unharmed
from tests.serving import Served
from traderv3.console.front_door import BODY_BYTES_MAX, CONNECTIONS_MAX, HEAD_BYTES_MAX

pytestmark = pytest.mark.process

IS_SOAK = os.environ.get("V3_SOAK") == "1"
VANISHING = 1_000 if IS_SOAK else 200
MALFORMED = 10_000 if IS_SOAK else 500
MEMORY_KB = 12_000  # what an allocator may keep of a burst


async def test_browsers_that_connect_and_vanish_leave_nothing_behind(served: Served) -> None:
    before = await ready(served)
    rng = random.Random(1)

    async def come_and_go() -> None:
        stream = await open_socket(served.port)
        await trio.sleep(rng.random())
        match rng.randrange(4):
            case 0:
                reset(stream)
            case 1:
                await stream.aclose()
            case 2:
                await stream.send_all(frame(b"\x03\xe8", CLOSE))
                await stream.aclose()
            case 3:
                await stream.send_all(frame(b"half a mess", length=500))
                reset(stream)

    async def crowd() -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(100):
                nursery.start_soon(come_and_go)

    await crowd()  # what a first crowd costs is kept by the allocator; a leak would grow with each
    held = footprint(served.process.pid)
    for _ in range(VANISHING // 100 - 1):
        await crowd()

    await until_flat(served.process.pid, held, rss_kb=MEMORY_KB)
    await unharmed(served, before)


@pytest.mark.soak
async def test_more_browsers_than_allowed_are_told_to_come_later_and_the_others_stay(served: Served) -> None:
    before, held = await ready(served), footprint(served.process.pid)
    streams = [await open_socket(served.port) for _ in range(200)]
    with many(streams):
        surplus = await open_socket(served.port)
        said = bytearray()
        async for chunk in surplus:  # the trader ends it, though we never answer its close frame
            said += chunk

        assert said[2:4] == b"\x03\xf5"  # 1013, try again later
        await unharmed(served, before)
    await surplus.aclose()
    await until_flat(served.process.pid, held, rss_kb=5 * MEMORY_KB)


@pytest.mark.soak
async def test_more_connections_than_allowed_are_turned_away_and_the_feed_goes_on(served: Served) -> None:
    before, held = await ready(served), footprint(served.process.pid)
    async with httpx2.AsyncClient(trust_env=False) as probe:
        await probe.get(served.url + "/v3/health")  # its connection is kept: it must be answered in the crowd
        streams = [await trio.open_tcp_stream(HOST, served.port) for _ in range(CONNECTIONS_MAX)]
        with many(streams):
            surplus = await ask(served.port, head(served.port, path="/v3/health", more=""))
            open_files = footprint(served.process.pid).files
            answer = await probe.get(served.url + "/v3/health")

    assert surplus.startswith(b"HTTP/1.1 503 ")
    assert answer.json()["state"] == "ready"
    assert open_files <= held.files + CONNECTIONS_MAX + 5
    await until_flat(served.process.pid, held, rss_kb=MEMORY_KB)
    await unharmed(served, before)


@pytest.mark.soak
async def test_a_request_that_drips_in_is_cut_off_whole_or_part(served: Served) -> None:
    before, held = await ready(served), footprint(served.process.pid)
    slow = {
        "nothing": b"",
        "head": b"GET /v3/health HTTP/1.1\r\nX-Slow: " + b"a" * 1000,
        "body": head(served.port, method="POST", path="/v3/commands", more="Content-Length: 1000\r\n") + b"{" * 500,
    }
    took_s: dict[str, float] = {}

    async def drip(name: str, data: bytes) -> None:
        async with await trio.open_tcp_stream(HOST, served.port) as stream, trio.open_nursery() as nursery:
            began = trio.current_time()

            async def listen() -> None:
                try:
                    async for _ in stream:
                        pass
                except trio.BrokenResourceError:
                    pass
                took_s[name] = trio.current_time() - began
                nursery.cancel_scope.cancel()

            nursery.start_soon(listen)
            for byte in data:
                await stream.send_all(bytes([byte]))
                await trio.sleep(0.1)
            await trio.sleep(30)

    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            for name, data in slow.items():
                for _ in range(20):
                    nursery.start_soon(drip, name, data)

    assert max(took_s.values()) < 18, took_s  # head and body have five seconds each, and the machine is shared
    await until_flat(served.process.pid, held, rss_kb=MEMORY_KB)
    await unharmed(served, before)


def malformed(rng: random.Random, port: int) -> bytes:
    """A request for the console's socket with something wrong, or anything at all."""
    good = head(port)
    lines = good.removesuffix(b"\r\n\r\n").split(b"\r\n")
    wrong = rng.choice(WRONG).encode("latin-1")
    match rng.randrange(7):
        case 0:  # bytes turned over
            broken = bytearray(good)
            for _ in range(rng.randint(1, 5)):
                broken[rng.randrange(len(broken))] = rng.randrange(256)
            return bytes(broken)
        case 1:  # cut short, or followed by rubbish
            return good[: rng.randrange(len(good))] + rng.randbytes(rng.randrange(50))
        case 2:  # a header replaced
            lines[rng.randrange(1, len(lines))] = wrong
        case 3:  # a header added
            lines.insert(rng.randrange(1, len(lines)), wrong)
        case 4:  # a header left out or twice
            at = rng.randrange(1, len(lines))
            lines[at : at + 1] = [lines[at]] * rng.choice([0, 2])
        case 5:  # another request line
            lines[0] = rng.choice(REQUEST_LINES).encode("latin-1")
        case 6:
            return rng.randbytes(rng.randrange(1, 2000))
    return b"\r\n".join(lines) + b"\r\n\r\n" + rng.choice([b"", rng.randbytes(20), frame(b"{}")])


WRONG = [
    "Sec-WebSocket-Protocol: \xff",
    "Sec-WebSocket-Extensions: \xff",
    "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=99; server_max_window_bits=x",
    "Sec-WebSocket-Version: 12",
    "Sec-WebSocket-Key: \xfe\xff",
    "Sec-WebSocket-Key: ====",
    "Connection: Upgrade, \xff",
    "Connection: close",
    "Upgrade: h2c",
    "Upgrade: websocket, h2c",
    "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA",
    "Transfer-Encoding: chunked",
    "Content-Length: -1",
    "Content-Length: 99999999999999999999",
    "Expect: 100-continue",
    "Host: \xff",
    "Host: a\r\nHost: b",
    "Origin: \xff",
    " folded: line",
    ": no name",
    "no colon",
    "X: " + "a" * 20_000,
]
HARMLESS = ("Sec-WebSocket-Extensions: permessage", "HTTP2-Settings", "Expect", "Connection: close")
REQUEST_LINES = [
    "GET /v3/ws HTTP/1.0",
    "GET /v3/ws HTTP/2.0",
    "GET /v3/ws HTTP/9.9",
    "PRI * HTTP/2.0",
    "POST /v3/ws HTTP/1.1",
    "GET /v3/ws?last_seq=%ff&epoch=%00 HTTP/1.1",
    "GET /v3/ws?batch_ms=" + "9" * 500 + " HTTP/1.1",
    "GET /v3/ws?topics=" + "a," * 3000 + " HTTP/1.1",
    "GET //[ HTTP/1.1",
    "GET /no/such/socket HTTP/1.1",
    "GET http://127.0.0.1/v3/ws HTTP/1.1",
    "GET * HTTP/1.1",
    "CONNECT 127.0.0.1:1 HTTP/1.1",
    "GET",
    "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
]


async def test_malformed_upgrades_are_refused_one_by_one_and_end_nobodys_socket(served: Served) -> None:
    before, held = await ready(served), footprint(served.process.pid)
    rng = random.Random(2)

    async def try_some(count: int) -> None:
        for _ in range(count):
            await ask(served.port, malformed(rng, served.port), within_s=0.05)

    async with trio.open_nursery() as attackers, console(served) as witness:
        for _ in range(50):
            attackers.start_soon(try_some, MALFORMED // 50)
        while len(attackers.child_tasks) > 0:
            assert (await witness.until("heartbeat", within_s=10.0))["data"]["dropped"] == 0

    await until_flat(served.process.pid, held, rss_kb=MEMORY_KB)
    await unharmed(served, before)
    assert b"Traceback" not in served.said.read_bytes()


@pytest.mark.soak
@pytest.mark.parametrize("wrong", WRONG + REQUEST_LINES, ids=lambda text: text[:30])
async def test_each_wrong_upgrade_is_answered_with_a_policy_or_not_at_all(served: Served, wrong: str) -> None:
    before = await ready(served)
    lines = head(served.port).split(b"\r\n")
    if wrong in WRONG:
        lines.insert(2, wrong.encode("latin-1"))
    else:
        lines[0] = wrong.encode("latin-1")
    answer = await ask(served.port, b"\r\n".join(lines), within_s=0.2)

    is_opened = answer.startswith(b"HTTP/1.1 101")
    assert not is_opened or wrong.startswith(HARMLESS)
    assert is_opened or not answer or b"content-security-policy: default-src 'none'" in answer.lower()
    assert b"sec-websocket-extensions" not in answer.lower()
    assert (await get(served, "/v3/status")).json()["components"]["web_server"]["restarts"] == (
        before["components"]["web_server"]["restarts"]
    )


FRAMES = {
    "a message of 100 MB, never finished": [frame(b"x" * 65_536, TEXT, is_final=False)]
    + [frame(b"x" * 65_536, CONTINUATION, is_final=False)] * 1_600,
    "a frame that claims 2^62 bytes": [frame(b"x" * 65_536, length=1 << 62)] + [b"x" * 65_536] * 800,
    "one request in single bytes": [
        frame(b"{", TEXT, is_final=False),
        *[frame(bytes([byte]), CONTINUATION, is_final=False) for byte in b'"type":"ping"'],
        frame(b"}", CONTINUATION),
    ],
    "a flood of pings": [frame(b"p" * 125, PING)] * 50_000,
    "a ping that is too long": [frame(b"p" * 126, PING)],
    "a fragmented ping": [frame(b"p", PING, is_final=False)],
    "a continuation of nothing": [frame(b"x", CONTINUATION)],
    "a message inside a message": [frame(b"x", TEXT, is_final=False), frame(b"x", TEXT)],
    "reserved bits": [b"\xf1\x80" + bytes(4)],
    "a reserved opcode": [frame(b"x", 0xB)],
    "no mask": [b"\x81\x02{}"],
    "no text": [frame(b"\xff\xfe\xfd", TEXT)],
    "binary rubbish": [frame(os.urandom(1000), BINARY)] * 20,
    "a close frame of one byte": [frame(b"x", CLOSE)],
    "a reserved close code": [frame(b"\x03\xed", CLOSE)],
    "frames after the close frame": [frame(b"\x03\xe8", CLOSE), *[frame(b"{}")] * 1_000],
    "deep nesting": [frame(b'{"type":' + b"[" * 30_000 + b"}")] * 3,
    "requests in a flood": [frame(b'{"type":"ping"}')] * 5_000,
}


FAST = ("a message of", "a frame that", "no mask", "a close frame", "requests in a flood")


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[] if name.startswith(FAST) else pytest.mark.soak) for name in FRAMES],
)
async def test_no_frames_whatever_harm_anybody_else(served: Served, name: str) -> None:
    before, held = await ready(served), footprint(served.process.pid)
    stream = await open_socket(served.port)
    peak_kb = 0
    with trio.move_on_after(4.0):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_swallow, stream)
            try:
                for data in FRAMES[name]:
                    await stream.send_all(data)
                    peak_kb = max(peak_kb, footprint(served.process.pid).rss_kb)
            except trio.BrokenResourceError:
                pass
            nursery.cancel_scope.cancel()
    reset(stream)

    assert peak_kb < held.rss_kb + 40_000
    await until_flat(served.process.pid, held, rss_kb=2 * MEMORY_KB)
    await unharmed(served, before)
    assert b"Traceback" not in served.said.read_bytes()


async def _swallow(stream: trio.SocketStream) -> None:
    try:
        async for _ in stream:
            pass
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        pass


async def test_a_head_and_a_body_have_bounds(served: Served) -> None:
    path = "/v3/health"
    long_head = await ask(served.port, head(served.port, path=path, more="X: " + "a" * HEAD_BYTES_MAX + "\r\n"))
    long_query = await ask(served.port, head(served.port, path=path + "?" + "a" * HEAD_BYTES_MAX, more=""))
    long_body = await ask(served.port, head(served.port, path=path, more=f"Content-Length: {BODY_BYTES_MAX + 1}\r\n"))

    assert long_head.startswith(b"HTTP/1.1 431 ")
    assert long_query.startswith(b"HTTP/1.1 431 ")
    assert long_body.startswith(b"HTTP/1.1 413 ")


async def test_requests_one_behind_the_other_are_answered_in_order(served: Served) -> None:
    one = head(served.port, path="/v3/health/live", more="")
    last = head(served.port, path="/v3/no-such", more="Connection: close\r\n")
    answer = await ask(served.port, one + one + last)

    assert answer.count(b'{"live":true}') == 2
    assert answer.index(b" 404 ") > answer.rindex(b'{"live":true}')
