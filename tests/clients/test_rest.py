"""REST: what each answer means, bounds on all of it, and the clock learned on the way."""

import json
from collections.abc import Callable

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from tests.clients.http_venue import DATE, NOW_US, SIGNER, Asked, HttpVenue, answer, asking, market, page
from traderv3.clients import rest as rest_module
from traderv3.clients.rest import RestClient
from traderv3.clients.venue_clock import TRUSTED_US, VenueClock
from traderv3.domain.errors import ConnectivityError, RemoteProtocolError, TraderError, VenueRefused
from traderv3.protocol.signing import KEY_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, is_signed_by, signed_text

OPEN = {"exchange_active": True, "trading_active": True}
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

    assert isinstance(error, ConnectivityError) or (status in (503, 504) and isinstance(error, RemoteProtocolError))
    assert str(status) in str(error)


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
        await RestClient(endpoint, SIGNER, VenueClock(lambda: NOW_US)).exchange_status()


async def test_a_venue_that_says_nothing_is_left(autojump_clock: MockClock) -> None:
    error = await error_of(None)

    assert isinstance(error, ConnectivityError)
    assert trio.current_time() <= rest_module.ANSWER_S


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

    assert trio.current_time() <= rest_module.ANSWER_S + 1


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


async def test_pages_without_end_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest_module, "PAGES_MAX", 7)
    async with asking(page(market("A"), cursor="again")) as (client, venue):
        found = await collect(client)

    assert len(found) == len(venue.asked) == 7


async def test_named_markets_are_asked_for_in_chunks_and_only_they_are_taken() -> None:
    wanted = [f"M{n}" for n in range(250)]
    async with asking(lambda asked: page(market("STRAY"), *map(market, asked.query["tickers"].split(",")))) as (
        client,
        venue,
    ):
        found = await client.markets_named(wanted)

    assert [m.ticker for m in found] == wanted
    assert [len(asked.query["tickers"].split(",")) for asked in venue.asked] == [100, 100, 50]


# -- key and clock -------------------------------------------------------------------------------------------------


async def test_only_what_needs_the_key_is_signed_and_with_the_venues_time() -> None:
    async with asking(answer(200, OPEN, Date="Sun, 22 Nov 2026 15:12:41 GMT")) as (client, venue):
        await client.exchange_status()
        await client.check_key()
    unsigned, signed = (asked.headers for asked in venue.asked)
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
            await client.check_key()

    assert refused.value.is_about_the_key


def offset_s(date: str, age: str = "0") -> float:
    clock = VenueClock(lambda: NOW_US)
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
    clock = VenueClock(lambda: NOW_US)
    clock.learn(DATE, asked_us=NOW_US - 20_000_000, answered_us=NOW_US)

    assert clock.offset_us == 10_500_000


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
