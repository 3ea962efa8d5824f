"""What an answer means: nothing is taken for done or for refused that the venue did not say whole and exactly."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traderv3.domain.execution import (
    Accepted,
    Amend,
    Cancel,
    CancelAll,
    Create,
    Decrease,
    Rejected,
    Request,
    Unknown,
)
from traderv3.domain.orders import Approved, Change, Draft
from traderv3.domain.units import Price, Qty
from traderv3.protocol.order_requests import TOO_MANY, create_orders, judge, read_group

CREATE = Create("c-1", Approved(Draft(strategy="s", ticker="KX-1", is_bid=True, price=Price(4700), count=Qty(150)), 1))
CHANGE = Change(client_order_id="c-1", price=Price(4800), count=Qty(100))
REQUESTS: list[Request] = [
    CREATE,
    Cancel("c-1", "o-1", "KX-1"),
    Amend("o-1", "KX-1", True, Qty(100), Approved(CHANGE, 1)),
    Decrease("c-1", "o-1", "KX-1", Qty(50)),
    CancelAll("why"),
]
ANSWERS: dict[type, dict[str, Any]] = {
    Create: {"order_id": "o-1", "client_order_id": "c-1", "fill_count": "0.50", "remaining_count": "1.00", "ts_ms": 7},
    Cancel: {"order_id": "o-1", "reduced_by": "1.00", "ts_ms": 7},
    Amend: {"order_id": "o-1", "remaining_count": "1.00", "fill_count": "0.25", "ts_ms": 7},
    Decrease: {"order_id": "o-1", "remaining_count": "0.50", "ts_ms": 7},
}
COUNTS: dict[type, tuple[Qty | None, Qty]] = {
    Create: (Qty(50), Qty(100)),
    Cancel: (None, Qty(0)),
    Amend: (None, Qty(100)),
    Decrease: (None, Qty(50)),
}
NAMES = st.sampled_from(["orders", "error", "code", "order_id", "ts_ms", "x"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner),
)
SINGLE = [request for request in REQUESTS if not isinstance(request, CancelAll)]


def error(code: str) -> bytes:
    return json.dumps({"error": {"code": code, "message": "m", "details": "d"}}).encode()


@pytest.mark.parametrize("request_", SINGLE, ids=lambda each: type(each).__name__)
def test_an_answer_is_read_exactly(request_: Request) -> None:
    (outcome,) = judge([request_], 200, json.dumps(ANSWERS[type(request_)]).encode())

    filled, remaining = COUNTS[type(request_)]
    cancelled = Qty(100) if isinstance(request_, Cancel) else None
    assert outcome == Accepted("o-1", filled, remaining, 7000, cancelled)


def test_an_amend_that_changed_no_size_says_nothing_of_it() -> None:
    (outcome,) = judge([REQUESTS[2]], 200, b'{"order_id":"o-1","ts_ms":7,"remaining_count":null}')

    assert outcome == Accepted("o-1", None, None, 7000)


@pytest.mark.parametrize("request_", SINGLE, ids=lambda each: type(each).__name__)
def test_an_answer_with_anything_missing_or_odd_is_unknown(request_: Request) -> None:
    whole = ANSWERS[type(request_)]
    broken = [
        {name: value for name, value in whole.items() if name != gone} for gone in whole if gone != "client_order_id"
    ]
    broken += [whole | {name: 5} for name in whole if name != "ts_ms"]
    broken += [whole | {name: "-1.00"} for name in whole if name.endswith(("count", "by"))]
    broken += [whole | {"ts_ms": "7"}]
    broken += [whole | {"order_id": "another" if not isinstance(request_, Create) else ""}]
    if isinstance(request_, Create):
        broken += [whole | {"client_order_id": "another"}]
    if isinstance(request_, Amend):
        broken = [
            each
            for each in broken
            if "remaining_count" in each and "fill_count" in each and each["fill_count"] != "-1.00"
        ]
    outcomes = [judge([request_], 200, json.dumps(each).encode())[0] for each in broken]

    assert [type(outcome) for outcome in outcomes] == [Unknown] * len(broken)


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda each: type(each).__name__)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 408, 500, 502, 503, 504, 100, 206])
def test_what_is_neither_yes_nor_no_is_unknown(request_: Request, status: int) -> None:
    (outcome,) = judge([request_], status, error("not_found"))

    assert isinstance(outcome, Unknown)


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda each: type(each).__name__)
@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "invalid_price"),
        (400, "MARKET_INACTIVE"),
        (401, "authentication_error"),
        (403, "forbidden"),
        (409, "trading_is_paused"),
        (409, "exchange_is_paused"),
        (410, "deprecated_v1_order_endpoint"),
    ],
)
def test_a_no_is_a_no(request_: Request, status: int, code: str) -> None:
    (outcome,) = judge([request_], status, error(code))

    assert outcome == Rejected(code, f"HTTP {status}: m d")


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda each: type(each).__name__)
def test_a_404_is_a_no_to_a_create_alone(request_: Request) -> None:
    (outcome,) = judge([request_], 404, error("not_found"))

    assert isinstance(outcome, Rejected if isinstance(request_, Create) else Unknown)


def test_an_id_that_exists_may_be_ours() -> None:
    (outcome,) = judge([CREATE], 409, error("order_already_exists"))

    assert isinstance(outcome, Unknown)


def test_too_many_requests_is_a_no() -> None:
    (outcome,) = judge([CREATE], 429, b'{"error":"too many requests"}')

    assert isinstance(outcome, Rejected)
    assert outcome.code == TOO_MANY


def test_cancel_all_has_no_body() -> None:
    assert judge([CancelAll("why")], 204, b"") == [Accepted("", None, None, 0)]


def test_items_of_a_batch_fare_alone() -> None:
    second = Create("c-2", CREATE.order)
    items = [
        ANSWERS[Create],
        {"order_id": "", "client_order_id": "c-2", "error": {"code": "invalid_price", "message": "bad"}},
    ]
    outcomes = judge([CREATE, second], 201, json.dumps({"orders": items}).encode())

    assert outcomes == [Accepted("o-1", Qty(50), Qty(100), 7000), Rejected("invalid_price", "bad")]


@pytest.mark.parametrize(
    ("code", "is_create", "kind"),
    [
        ("invalid_order_size", True, Rejected),
        ("market_not_found:_1234", True, Rejected),
        ("not_found", True, Rejected),
        ("not_found", False, Unknown),
        ("order_already_exists", True, Unknown),
        ("internal_server_error", True, Unknown),
        ("a word of next year", True, Unknown),
        ("", True, Unknown),
    ],
)
def test_an_items_refusal_is_believed_if_its_word_is_known(code: str, is_create: bool, kind: type) -> None:
    request = CREATE if is_create else REQUESTS[1]
    items = [{"error": {"code": code}}, {"error": {"code": code}}]
    outcomes = judge([request, request], 200, json.dumps({"orders": items}).encode())

    assert [type(outcome) for outcome in outcomes] == [kind, kind]


def test_the_longest_word_is_meant() -> None:
    items = [{"error": {"code": "invalid_order_size"}}] * 2
    outcomes = judge([CREATE, CREATE], 200, json.dumps({"orders": items}).encode())

    assert [outcome.code for outcome in outcomes if isinstance(outcome, Rejected)] == ["invalid_order_size"] * 2


@pytest.mark.parametrize("answered", [0, 1, 3])
def test_a_batch_answered_in_another_number_is_unknown(answered: int) -> None:
    body = json.dumps({"orders": [ANSWERS[Create]] * answered}).encode()

    assert [type(outcome) for outcome in judge([CREATE, CREATE], 201, body)] == [Unknown, Unknown]


def test_swapped_items_of_a_batch_are_nobodys() -> None:
    second = Create("c-2", CREATE.order)
    items = [ANSWERS[Create] | {"client_order_id": "c-2"}, ANSWERS[Create]]

    assert {type(each) for each in judge([CREATE, second], 201, json.dumps({"orders": items}).encode())} == {Unknown}


@given(
    request=st.sampled_from(REQUESTS),
    many=st.integers(1, 3),
    status=st.integers(100, 599),
    body=st.binary(max_size=100) | JSON.map(lambda each: json.dumps(each).encode()),
)
def test_no_answer_whatever_raises(request: Request, many: int, status: int, body: bytes) -> None:
    outcomes = judge([request] * many, status, body)

    assert len(outcomes) == many
    assert all(isinstance(outcome, Accepted | Rejected | Unknown) for outcome in outcomes)
    if not 200 <= status < 300:
        assert not any(isinstance(outcome, Accepted) for outcome in outcomes)
    if not 400 <= status < 500 and status not in (200, 201, 204):
        assert all(isinstance(outcome, Unknown) for outcome in outcomes)


@pytest.mark.parametrize("ttl_s", [0.1, 1.0, 59.5])
@pytest.mark.parametrize("now_us", [1_790_000_000_000_000, 1_790_000_000_999_999])
def test_the_venues_expiry_is_behind_ours_and_in_the_future(ttl_s: float, now_us: int) -> None:
    draft = Draft(strategy="s", ticker="KX-1", is_bid=True, price=Price(1), count=Qty(1), ttl_s=ttl_s)
    body = json.loads(create_orders([Create("c-1", Approved(draft, 1))], lambda _: None, now_us=now_us).body)

    assert 1.0 <= body["expiration_time"] - (now_us / 1e6 + ttl_s) < 2.0


def test_a_group_is_known_by_its_id() -> None:
    assert read_group(b'{"order_group_id":"g","subaccount":0}') == "g"
