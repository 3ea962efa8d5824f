"""REST over a real socket: what each answer means, bounds on all of it, and the clock learned on the way."""

import json
import random
from collections.abc import Callable
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from tests.clients.http_venue import DATE, NOW_US, SIGNER, Asked, HttpVenue, answer, asking, market, page
from traderv3.clients import rest as rest_module
from traderv3.clients import rest_gate
from traderv3.clients.rest import RestClient
from traderv3.clients.venue_clock import TRUSTED_US, VenueClock
from traderv3.core.supervision import Backoff
from traderv3.domain.errors import ConnectivityError, RemoteProtocolError, TraderError, VenueRefused
from traderv3.protocol.signing import KEY_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, is_signed_by, signed_text


@pytest.fixture(autouse=True)
def _no_waits_between_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest_gate, "BACKOFF", Backoff(0.0, 0.0))


OPEN = {"exchange_active": True, "trading_active": True}
LIMITS = {
    "usage_tier": "advanced",
    "read": {"refill_rate": 300, "bucket_capacity": 900},
    "write": {"refill_rate": 300, "bucket_capacity": 600},
    "grants": [],
}
EVERYTHING = {**OPEN, **LIMITS, "default_cost": 10, "endpoint_costs": []}  # an answer to each of those routes
Respond = Callable[[Asked], bytes | None] | bytes | None


async def error_of(respond: Respond) -> TraderError:
    """What `exchange_status` raises."""
    outcome: TraderError | None = None
    async with asking(respond) as (client, _):
        try:
            await client.exchange_status()
        except TraderError as error:
            outcome = error
    assert outcome is not None
    return outcome


@pytest.mark.parametrize(
    ("body", "code", "sentence"),
    [
        ({"error": {"code": "bad", "message": "worse", "details": "WHY"}}, "bad", "worse WHY"),
        ({"code": "bad", "message": "worse"}, "bad", "worse"),
        ({"error": "too bad"}, None, "too bad"),
    ],
)
async def test_a_refusal_carries_status_code_and_sentence(body: object, code: str | None, sentence: str) -> None:
    error = await error_of(answer(400, body))

    assert isinstance(error, VenueRefused)
    assert (error.status, error.code) == (400, code)
    assert str(error) == f"GET /exchange/status: HTTP 400: {sentence}"


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
async def test_what_passes_is_a_matter_of_trying_again(status: int) -> None:
    error = await error_of(answer(status, {"error": "too many requests"}))

    assert isinstance(error, ConnectivityError)
    assert str(status) in str(error)


async def test_what_passes_is_tried_again_and_each_try_is_a_request() -> None:
    answers = [answer(503, b"upstream"), answer(429, {"error": "too many requests"}), answer(200, OPEN)]
    async with asking(lambda _: answers.pop(0)) as (client, venue):
        status = await client.exchange_status()
        stats = client.stats()

    assert status.trading_active
    assert len(venue.asked) == 3
    assert (stats.requests, stats.failures, stats.throttled, stats.retried) == (3, 1, 1, 2)


@pytest.mark.parametrize("status", [200, 503, 504])
async def test_a_closed_exchange_says_so_in_its_error_too(status: int) -> None:
    async with asking(answer(status, {"exchange_active": False, "trading_active": False})) as (client, _):
        found = await client.exchange_status()

    assert (found.exchange_active, found.trading_active) == (False, False)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_refused_and_not_followed(status: int) -> None:
    async with asking(answer(200, OPEN)) as (_, elsewhere):
        location = f"http://127.0.0.1:{elsewhere.port}/trade-api/v2/exchange/status"
        error = await error_of(answer(status, b"", Location=location))

        assert elsewhere.asked == []
    assert isinstance(error, VenueRefused)
    assert error.status == status
    assert "never followed" in str(error)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b"{", b'{"exchange_active":1}', b'{"a":' + b"[" * 100_000, b'{"\xff":1}']
)
async def test_an_answer_that_is_not_what_was_asked_for_is_the_venues_fault(body: bytes) -> None:
    assert isinstance(await error_of(answer(200, body)), RemoteProtocolError)


@pytest.mark.parametrize("raw", [b"", b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nshort"])
async def test_no_http_is_no_connection(raw: bytes) -> None:
    assert isinstance(await error_of(raw), ConnectivityError)


async def test_nobody_there_is_no_connection() -> None:
    async with asking(None) as (_, venue):
        endpoint = venue.endpoint()
    with pytest.raises(ConnectivityError, match="/exchange/status"):
        await RestClient(endpoint, SIGNER, VenueClock(lambda: NOW_US), rng=random.Random(1)).exchange_status()


async def test_a_venue_that_says_nothing_is_left(autojump_clock: MockClock) -> None:
    error = await error_of(None)

    assert isinstance(error, ConnectivityError)
    assert trio.current_time() <= rest_gate.DEADLINE_S


async def test_a_venue_that_drips_is_left(autojump_clock: MockClock) -> None:
    async def drip(stream: trio.SocketStream) -> None:
        async with stream:
            await stream.receive_some()
            await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            try:
                while True:
                    await stream.send_all(b" ")
                    await trio.sleep(5)
            except trio.BrokenResourceError:
                pass

    async with asking(None) as (client, venue):
        venue.serve = drip  # type: ignore[method-assign]
        with pytest.raises(ConnectivityError):
            await client.exchange_status()

    assert trio.current_time() <= rest_gate.DEADLINE_S + 1


async def test_an_answer_without_end_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest_module, "ANSWER_BYTES_MAX", 100_000)
    error = await error_of(answer(200, b" " * 200_000))

    assert isinstance(error, RemoteProtocolError)


# -- markets -------------------------------------------------------------------------------------------------------


async def collect(client: RestClient, **filters: str) -> list[str]:
    return [m.ticker async for found in client.markets(**filters) for m in found]


async def test_pages_are_followed_to_their_end() -> None:
    pages = {
        "": page(market("A"), cursor="c1"),
        "c1": page(market("B"), cursor="c2"),
        "c2": page(market("C"), cursor=None),
    }
    async with asking(lambda asked: pages[asked.query.get("cursor", "")]) as (client, venue):
        found = await collect(client, status="open")

    assert found == ["A", "B", "C"]
    assert [asked.query["status"] for asked in venue.asked] == ["open"] * 3


async def test_pages_that_go_round_in_a_circle_are_left() -> None:
    async with asking(page(market("A"), cursor="again")) as (client, venue):
        with pytest.raises(RemoteProtocolError, match="circle"):
            await collect(client)

    assert len(venue.asked) == 2


async def test_pages_without_end_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest_module, "PAGES_MAX", 7)
    async with asking(lambda asked: page(market("A"), cursor=f"{asked.query.get('cursor', '')}x")) as (client, venue):
        with pytest.raises(RemoteProtocolError, match="more than 7 pages"):
            await collect(client)

    assert len(venue.asked) == 7


async def test_an_odd_market_is_listed_with_the_others() -> None:
    async with asking(page(market("A"), market("B", volume_fp=None, price_ranges=7), market("C"))) as (client, _):
        assert await collect(client) == ["A", "B", "C"]


async def test_named_markets_are_asked_for_in_chunks_and_only_they_are_taken() -> None:
    wanted = [f"M{n}" for n in range(250)]
    async with asking(lambda asked: page(market("STRAY"), *map(market, asked.query["tickers"].split(",")))) as (
        client,
        venue,
    ):
        found = [market async for page in client.markets_named(wanted) for market in page]

    assert [m.ticker for m in found] == wanted
    assert [len(asked.query["tickers"].split(",")) for asked in venue.asked] == [100, 100, 50]


async def test_a_page_with_an_order_that_cannot_be_read_is_no_page() -> None:
    async with asking(answer(200, {"orders": [{"order_id": "o"}], "cursor": ""})) as (client, _):
        with pytest.raises(RemoteProtocolError, match="GET /portfolio/orders"):
            [orders async for orders in client.orders()]


BOOK = {"yes_dollars": [["0.4500", "120.00"], ["0.4700", "2.50"]], "no_dollars": []}


async def test_a_book_is_read_exactly_and_at_full_depth() -> None:
    async with asking(answer(200, {"orderbook_fp": BOOK})) as (client, venue):
        book = await client.orderbook("KX-T72999.99")

    assert (book.yes, book.no) == ({4500: 12000, 4700: 250}, {})
    assert venue.asked[0].route == "/markets/KX-T72999.99/orderbook"
    assert venue.asked[0].query == {}


async def test_books_are_asked_for_in_chunks() -> None:
    def respond(asked: Asked) -> bytes:
        named = asked.query["tickers"].split(",")
        return answer(200, {"orderbooks": [{"ticker": ticker, "orderbook_fp": BOOK} for ticker in named]})

    async with asking(respond) as (client, venue):
        books = await client.orderbooks(f"M{n}" for n in range(150))

    assert len(books) == 150
    assert len(venue.asked) == 2


async def test_a_ticker_is_one_segment_of_the_path() -> None:
    async with asking(answer(404, {})) as (client, venue):
        with pytest.raises(VenueRefused):
            await client.market("../portfolio/orders?x=1")

    assert venue.asked[0].route == "/markets/..%2Fportfolio%2Forders%3Fx%3D1"


# -- limits --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "costs",
    [
        answer(
            200, {"default_cost": 7, "endpoint_costs": [{"method": "GET", "path": "/exchange/status", "cost": 100}]}
        ),
        answer(404, {"error": {"code": "not_found", "message": "not found"}}),
    ],
    ids=["with costs", "without"],
)
async def test_the_accounts_own_limits_are_kept_to(costs: bytes) -> None:
    routes = {
        "/account/limits": answer(200, LIMITS),
        "/account/endpoint_costs": costs,
        "/exchange/status": answer(200, OPEN),
    }
    async with asking(lambda asked: routes[asked.route]) as (client, venue):
        await client.read_limits()
        before = client.stats().read_tokens
        await client.exchange_status()
        after = client.stats()

    assert (after.usage_tier, after.read_rate, after.read_capacity, after.write_capacity) == ("advanced", 300, 900, 600)
    assert (before - after.read_tokens > 50) == (b'"cost": 100' in costs)
    assert [KEY_HEADER.lower() in asked.headers for asked in venue.asked] == [True, False, False]


# -- key and clock -------------------------------------------------------------------------------------------------


async def test_only_what_needs_the_key_is_signed_and_with_the_venues_time() -> None:
    async with asking(answer(200, EVERYTHING, Date="Sun, 22 Nov 2026 15:12:41 GMT")) as (client, venue):
        await client.exchange_status()
        await client.read_limits()
    unsigned, signed, _ = (asked.headers for asked in venue.asked)
    at_ms = int(signed[TIMESTAMP_HEADER.lower()])
    public = SIGNER._key.public_key()
    text = signed_text(str(at_ms), "GET", "/trade-api/v2/account/limits")

    assert KEY_HEADER.lower() not in unsigned
    assert signed[KEY_HEADER.lower()] == "key-id"
    assert is_signed_by(public, signed[SIGNATURE_HEADER.lower()], text)
    assert at_ms == NOW_US // 1000 + 600_500  # ten minutes ahead; a date is cut to the second


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_key_is_about_the_key(status: int) -> None:
    async with asking(answer(status, {"error": {"code": "authentication_error"}})) as (client, _):
        with pytest.raises(VenueRefused) as refused:
            await client.read_limits()

    assert refused.value.is_about_the_key


def offset_s(date: str, age: str = "0") -> float:
    clock = VenueClock(lambda: NOW_US, steady_s=lambda: 0.0)
    clock.learn(date, age=age, asked_us=NOW_US, answered_us=NOW_US)
    return clock.offset_us / 1e6


def test_a_clock_that_agrees_is_left_alone() -> None:
    assert offset_s(DATE) == 0
    assert TRUSTED_US >= 1_000_000  # the resolution of a date


def test_a_clock_that_differs_is_corrected() -> None:
    assert offset_s("Sun, 22 Nov 2026 15:02:51 GMT") == 10.5
    assert offset_s("Sun, 22 Nov 2026 15:02:31 GMT") == -9.5


def test_a_cached_answer_is_as_old_as_it_says() -> None:
    assert offset_s("Sun, 22 Nov 2026 15:02:27 GMT", age="14") == 0


def test_the_middle_of_the_request_is_the_moment() -> None:
    clock = VenueClock(lambda: NOW_US, steady_s=lambda: 0.0)
    clock.learn(DATE, asked_us=NOW_US - 20_000_000, answered_us=NOW_US)

    assert clock.offset_us == 10_500_000
    assert clock.round_trip_us == 20_000_000


def test_a_slow_answer_does_not_replace_what_is_known() -> None:
    clock = VenueClock(lambda: NOW_US, steady_s=lambda: 0.0)
    clock.learn(DATE, asked_us=NOW_US, answered_us=NOW_US)
    clock.learn(DATE, asked_us=NOW_US - 20_000_000, answered_us=NOW_US)

    assert clock.offset_us == 0


async def test_a_long_body_is_no_sign_of_a_clock_that_is_off() -> None:
    wall, heard = [NOW_US], trio.Event()
    async with asking(None) as (client, venue):
        clock = client._clock

        async def serve_slowly(stream: trio.SocketStream) -> None:
            async with stream:
                await stream.receive_some()
                head, end, body = answer(200, OPEN, Date=DATE).partition(b"\r\n\r\n")
                await stream.send_all(head + end)
                with trio.move_on_after(1):
                    await heard.wait()
                wall[0] += 15_000_000
                await stream.send_all(body)

        def learn(date: str, **more: Any) -> None:
            VenueClock.learn(clock, date, **more)
            heard.set()

        venue.serve = serve_slowly  # type: ignore[method-assign]
        clock.wall_us = lambda: wall[0]
        clock.learn = learn  # type: ignore[method-assign]
        await client.exchange_status()

    assert clock.offset_us == 0


@pytest.mark.parametrize("leap_us", [8 * 3600 * 1_000_000, -3600 * 1_000_000])
def test_a_clock_that_leapt_is_to_be_measured_again(leap_us: int) -> None:
    wall, steady = [NOW_US], [100.0]
    clock = VenueClock(lambda: wall[0], steady_s=lambda: steady[0])
    clock.learn(DATE, asked_us=NOW_US, answered_us=NOW_US)
    wall[0] += 600_000_000
    steady[0] += 600.0
    before = clock.has_jumped
    wall[0] += leap_us
    after = clock.has_jumped
    clock.learn(DATE, asked_us=wall[0] - 20_000_000, answered_us=wall[0])  # slow, but better than nothing

    assert (before, after, clock.has_jumped) == (False, True, False)
    assert clock.age_s == 0


async def test_after_a_sleep_the_clock_is_measured_before_anything_is_signed() -> None:
    wall = [NOW_US]
    async with asking(answer(200, EVERYTHING, Date=DATE)) as (client, venue):
        client._clock.wall_us = lambda: wall[0]
        await client.exchange_status()
        await client.read_limits()
        wall[0] -= 7_200_000_000  # the machine woke with its clock two hours behind
        was_known = client.stats().is_clock_measured
        await client.read_limits()
    signed_at = [int(asked.headers.get(TIMESTAMP_HEADER.lower(), 0)) for asked in venue.asked]

    assert not was_known
    assert [at_ms > 0 for at_ms in signed_at] == [False, True, False, False, True, False]
    assert abs(signed_at[4] - NOW_US // 1000) <= 1000


@given(
    st.text(max_size=40)
    | st.from_regex(r"[A-Z][a-z]{2}, \d{1,3} [A-Z][a-z]{2} \d{1,6} \d\d:\d\d:\d\d [+-]\d{4,20}", fullmatch=True),
    st.text(max_size=5),
)
def test_no_date_whatever_raises(date: str, age: str) -> None:
    offset_s(date, age)


async def test_answers_teach_the_clock_whatever_they_say() -> None:
    async with asking(answer(404, {}, Date="Sun, 22 Nov 2026 15:12:41 GMT")) as (client, _):
        with pytest.raises(VenueRefused):
            await client.exchange_status()

        assert client._clock.is_measured
        assert client._clock.now_ms() - NOW_US // 1000 == 600_500


def test_a_venue_in_a_test_is_json() -> None:
    assert json.loads(page(market("A")).partition(b"\r\n\r\n")[2])["markets"][0]["ticker"] == "A"
    assert HttpVenue(lambda _: None).asked == []
