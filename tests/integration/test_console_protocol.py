"""The console protocol and the HTTP routes over real sockets, as a browser or a script would use them."""

import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import msgspec
import pytest
import trio
import trio_websocket

from tests.running import Console, eventually
from tests.serving import Served
from traderv3.console.messages import MESSAGES, Status
from traderv3.domain.states import EDGES

pytestmark = pytest.mark.process

UPGRADE = {"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
MILLISECONDS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@asynccontextmanager
async def console(served: Served, query: str = "", headers: dict[str, str] | None = None) -> AsyncIterator[Console]:
    url = served.url.replace("http:", "ws:") + "/v3/ws" + query
    extra = [(k.encode(), v.encode()) for k, v in (headers or {}).items()]
    async with trio_websocket.open_websocket_url(url, max_message_size=1 << 26, extra_headers=extra) as ws:
        yield Console(ws)


async def get(served: Served, path: str, **headers: str) -> httpx2.Response:
    async with httpx2.AsyncClient(trust_env=False) as http:
        return await http.get(served.url + path, headers=headers)


async def ready_status(served: Served) -> dict[str, Any]:
    async def look() -> dict[str, Any] | None:
        status: dict[str, Any] = (await get(served, "/v3/status")).json()
        return status if status["state"] == "ready" else None

    found = await eventually(look, "ready")
    assert found is not None
    return found


async def test_a_console_gets_connection_snapshot_history_and_status_in_this_order(served: Served) -> None:
    await ready_status(served)
    async with console(served) as browser:
        frames = [await browser.receive() for _ in range(4)]

    assert [f["type"] for f in frames] == ["connection", "snapshot", "history_replay", "trader_status"]
    connection, snapshot, history, status = (f["data"] for f in frames)
    assert connection["protocol"] == 1
    assert connection["resumed"] is False
    assert connection["environment"] == "sim"
    assert list(connection["states"]) == [state.value for state in EDGES]
    assert snapshot["reason"] == "connected"
    assert [t["to_state"] for t in history["transitions"]][-1] == "ready"
    assert history["count"] == len(history["transitions"])
    assert status["health"] == status["metrics"]["health"]
    assert all(MILLISECONDS.fullmatch(f["timestamp"]) for f in frames)


async def test_snapshot_and_status_come_from_one_builder(served: Served) -> None:
    status = await ready_status(served)
    async with console(served) as browser:
        snapshot = (await browser.until("snapshot"))["data"]

    assert set(status) <= set(snapshot)
    assert set(status) == set(Status.__struct_fields__)
    for key in ("state", "environment", "markets", "transitions", "state_since"):
        assert snapshot[key] == status[key]


async def test_every_message_decodes_as_its_struct_and_numbers_never_fall(served: Served) -> None:
    last = 0
    kinds = set()
    async with console(served) as browser:
        with trio.move_on_after(2.5):
            while True:
                frame = await browser.receive()
                msgspec.convert(frame["data"], MESSAGES[frame["type"]])
                assert frame["seq"] >= last
                last = frame["seq"]
                kinds.add(frame["type"])

    assert {"connection", "snapshot", "trader_status", "heartbeat", "market"} <= kinds


async def test_heartbeats_come_every_second_and_say_what_was_dropped(served: Served) -> None:
    async with console(served) as browser:
        first = await browser.until("heartbeat")
        second = await browser.until("heartbeat", within_s=5.0)

    assert first["data"]["dropped"] == second["data"]["dropped"] == 0
    assert second["data"]["lag_ms"] >= 0


async def test_a_batch_carries_whole_messages_and_has_no_number_of_its_own(served: Served) -> None:
    async with console(served, "?batch_ms=200") as browser:
        batch = await browser.until("batch")

    assert "seq" not in batch
    assert len(batch["data"]["items"]) > 1
    assert all({"type", "seq", "timestamp", "data"} == set(item) for item in batch["data"]["items"])


async def test_resuming_brings_only_what_was_missed(served: Served) -> None:
    async with console(served) as browser:
        connection = await browser.until("connection")
    epoch, seq = connection["data"]["epoch"], connection["data"]["seq"]
    async with console(served, f"?epoch={epoch}&last_seq={max(0, seq - 3)}") as browser:
        frames = [await browser.receive() for _ in range(4)]

    assert frames[0]["data"]["resumed"] is True
    assert [f["seq"] for f in frames[1:4]] == [seq - 2, seq - 1, seq]
    assert "snapshot" not in {f["type"] for f in frames}


async def test_an_unknown_epoch_or_a_number_from_the_future_brings_a_fresh_snapshot(served: Served) -> None:
    async with console(served) as browser:
        epoch = (await browser.until("connection"))["data"]["epoch"]
    reasons = []
    for query in ("?epoch=other&last_seq=1", f"?epoch={epoch}&last_seq=999999999"):
        async with console(served, query) as browser:
            assert (await browser.receive())["data"]["resumed"] is False
            reasons.append((await browser.receive())["data"]["reason"])

    assert reasons == ["connected", "resume_too_old"]


async def test_topics_of_the_query_hold_from_the_first_message(served: Served) -> None:
    await ready_status(served)
    async with console(served, "?topics=market") as browser:
        kinds = [(await browser.receive())["type"] for _ in range(6)]

    assert kinds[:2] == ["connection", "snapshot"]
    assert set(kinds[2:]) <= {"market", "heartbeat"}


async def test_unknown_topics_are_refused_with_those_that_exist(served: Served) -> None:
    answer = await get(served, "/v3/ws?topics=gossip", Connection="Upgrade", Upgrade="websocket", **UPGRADE)

    assert answer.status_code == 400
    assert "gossip" in answer.json()["error"]


async def test_topics_and_markets_are_honoured(served: Served) -> None:
    ticker = (await ready_status(served))["markets"][0]
    kinds, tickers = set(), set()
    async with console(served) as browser:
        await browser.until("trader_status")
        await browser.send("subscribe", topics=["market"], markets=[ticker])
        await browser.send("ping")
        await browser.until("pong")
        with trio.move_on_after(2.0):
            while True:
                frame = await browser.receive()
                kinds.add(frame["type"])
                if frame["type"] == "market":
                    tickers.add(frame["data"]["ticker"])

    assert kinds <= {"market", "heartbeat"}
    assert tickers <= {ticker}


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ("no json", "not understood"),
        ('{"type":"nonsense"}', "unknown request"),
        ('{"type":"command","data":{"id":"1","name":"fly"}}', "unknown command"),
        ('{"type":"command","data":{"id":"1","name":"restart_actor","args":{"name":"discovery"}}}', "token"),
        ('{"type":"subscribe","data":{"topics":["gossip"]}}', "unknown topics"),
        ('{"type":"ping","data":' + "[" * 5000 + "]" * 5000 + "}", "not understood"),
    ],
)
async def test_a_bad_request_gets_a_clear_answer(served: Served, sent: str, said: str) -> None:
    async with console(served) as browser:
        await browser.socket.send_message(sent)
        result = (await browser.until("command_result"))["data"]

    assert result["ok"] is False
    assert said in result["reason"]


async def test_a_command_needs_its_typed_confirmation(served: Served) -> None:
    async with console(served) as browser:
        result = await browser.command("restart_actor", served.token, confirm="yes", name="discovery")

    assert result["ok"] is False
    assert "type discovery to confirm" in result["reason"]


@pytest.mark.parametrize(
    "origin", ["null", "https://evil.example", "http://127.0.0.1:1", "http://localhost.evil.example"]
)
async def test_a_foreign_origin_is_refused_before_the_socket_opens(served: Served, origin: str) -> None:
    answer = await get(served, "/v3/ws", Origin=origin, Connection="Upgrade", Upgrade="websocket", **UPGRADE)

    assert answer.status_code == 403
    assert "Origin" in answer.json()["error"]


async def test_our_own_origin_and_none_are_taken(served: Served) -> None:
    for origin in (served.url, served.url.replace("127.0.0.1", "localhost")):
        async with console(served, headers={"Origin": origin}) as browser:
            assert (await browser.receive())["type"] == "connection"


async def test_a_rebound_host_is_refused(served: Served) -> None:
    answer = await get(served, "/v3/status", Host=f"evil.example:{served.port}")

    assert answer.status_code == 403


async def test_answers_carry_the_security_headers(served: Served) -> None:
    headers = (await get(served, "/v3-trader")).headers

    assert "default-src 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


async def test_health_answers_with_the_contract_fields(served: Served) -> None:
    await ready_status(served)
    answer = await get(served, "/v3/health")
    body = answer.json()

    assert answer.status_code == 200
    assert set(body) == {"healthy", "health", "status", "state", "uptime", "reasons"}
    assert (body["status"], body["state"]) == ("running", "ready")
    assert (await get(served, "/v3/health/live")).status_code == 200
    assert (await get(served, "/v3/health/ready")).status_code == 200


async def test_markets_and_books_agree_and_print_as_the_venue_does(served: Served) -> None:
    status = await ready_status(served)
    tops = (await get(served, "/v3/markets")).json()["markets"]
    book = (await get(served, f"/v3/markets/{tops[0]['ticker']}/book?depth=2")).json()

    assert [top["ticker"] for top in tops] == status["markets"]
    assert book["book_state"] == "live"
    assert len(book["yes"]) <= 2
    assert book["yes"] == sorted(book["yes"])
    assert all(re.fullmatch(r"0\.\d{4}", price) and re.fullmatch(r"\d+\.\d\d", size) for price, size in book["yes"])


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v3/markets/KXNOSUCH/book", 404),
        ("/v3/events?after=x", 400),
        ("/v3/nothing", 404),
        ("/v3-trader/no-such-file.js", 404),
        ("/v3-trader/../../etc/passwd", 404),
    ],
)
async def test_a_wrong_request_gets_a_sentence(served: Served, path: str, status: int) -> None:
    answer = await get(served, path)

    assert answer.status_code == status
    assert answer.json()["error"]


async def test_a_wrong_method_gets_a_sentence(served: Served) -> None:
    async with httpx2.AsyncClient(trust_env=False) as http:
        answer = await http.post(served.url + "/v3/status")

    assert answer.status_code == 405
    assert "POST /v3/status" in answer.json()["error"]


async def test_a_commands_result_is_of_the_log_and_every_console_sees_it(served: Served) -> None:
    async with console(served) as asker, console(served) as other:
        before = (await other.until("connection"))["seq"]
        await asker.send("command", id="9", name="fly")
        mine, theirs = await asker.until("command_result"), await other.until("command_result")

    assert mine["seq"] == theirs["seq"] > before
    assert mine["data"]["id"] == "9"


async def test_prometheus_reads_the_same_numbers(served: Served) -> None:
    await ready_status(served)
    text = (await get(served, "/v3/metrics")).text

    assert 'traderv3_state{state="ready"} 1.0' in text
    assert re.search(r"^traderv3_feed_deltas_total [1-9]", text, re.MULTILINE)


async def test_events_are_the_plain_twin_of_the_socket(served: Served) -> None:
    await ready_status(served)
    body = (await get(served, "/v3/events?after=0")).json()

    assert [event["seq"] for event in body["events"]] == list(range(1, len(body["events"]) + 1))
    assert body["missed"] == 0
    assert body["more"] is (body["seq"] > len(body["events"]))
    assert {"state_transition", "actor", "console"} <= {event["type"] for event in body["events"]}


async def test_a_console_that_stops_reading_and_one_that_vanishes_change_nothing_for_the_others(served: Served) -> None:
    def open_raw() -> socket.socket:
        raw = socket.create_connection(("127.0.0.1", served.port))
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.sendall(
            f"GET /v3/ws HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        return raw

    stuck = [open_raw() for _ in range(5)]
    vanishing = [open_raw() for _ in range(5)]
    async with console(served) as browser:
        await browser.until("trader_status")
        for raw in vanishing:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")  # reset, no close frame
            raw.close()
        beats = [await browser.until("heartbeat", within_s=5.0) for _ in range(3)]
        status = (await get(served, "/v3/status")).json()
    for raw in stuck:
        raw.close()

    assert [beat["data"]["dropped"] for beat in beats] == [0, 0, 0]
    assert status["state"] == "ready"
    assert status["components"]["web_server"]["restarts"] == 0
