"""Every channel's messages: the venue's examples become the right facts, amounts are exact or refused, words stay open."""

import json
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.protocol.test_wire import examples, with_value, without
from traderv3.domain import market_facts as facts
from traderv3.domain.units import UnitError
from traderv3.protocol import channel_wire, wire
from traderv3.protocol.channel_facts import REQUIRED, to_fact

BODIES: Final[dict[str, dict[str, Any]]] = {
    "ticker": {
        "market_ticker": "M",
        "price_dollars": "0.4800",
        "yes_bid_dollars": "0.4700",
        "yes_ask_dollars": "1.0000",
        "yes_bid_size_fp": "2.00",
        "yes_ask_size_fp": "0.00",
        "last_trade_size_fp": "1.50",
        "volume_fp": "3380.00",
        "open_interest_fp": "2010.50",
        "dollar_volume": 1690,
        "dollar_open_interest": 1005,
        "ts_ms": 7,
    },
    "trade": {
        "trade_id": "t",
        "market_ticker": "M",
        "yes_price_dollars": "0.4700",
        "no_price_dollars": "0.5300",
        "count_fp": "1.50",
        "taker_outcome_side": "no",
        "is_block_trade": True,
        "ts_ms": 7,
    },
    "fill": {
        "trade_id": "t",
        "order_id": "o",
        "client_order_id": "c",
        "market_ticker": "M",
        "exchange_index": 1,
        "is_taker": True,
        "yes_price_dollars": "0.4700",
        "count_fp": "1.50",
        "fee_cost": "0.017472",
        "outcome_side": "no",
        "post_position_fp": "-1.50",
        "ts_ms": 7,
        "subaccount": 3,
    },
    "market_position": {
        "market_ticker": "M",
        "position_fp": "-1.50",
        "position_cost_dollars": "0.705000",
        "realized_pnl_dollars": "-0.000001",
        "fees_paid_dollars": "0.000000",
        "position_fee_cost_dollars": "0.000000",
        "volume_fp": "1.50",
    },
    "user_order": {
        "order_id": "o",
        "ticker": "M",
        "status": "resting",
        "outcome_side": "yes",
        "yes_price_dollars": "0.4700",
        "fill_count_fp": "1.50",
        "remaining_count_fp": "8.50",
        "initial_count_fp": "10.00",
        "taker_fill_cost_dollars": "0.000000",
        "maker_fill_cost_dollars": "0.705000",
        "taker_fees_dollars": "0.000000",
        "maker_fees_dollars": "0.000001",
        "client_order_id": "c",
        "created_ts_ms": None,
        "last_update_reason": "SomethingNew",
    },
    "market_lifecycle_v2": {
        "event_type": "determined",
        "market_ticker": "M",
        "determination_ts": 5,
        "result": "scalar",
        "settlement_value": "0.5000",
    },
    "multivariate_market_lifecycle": {"event_type": "settled", "market_ticker": "KXMVE", "settled_ts": 5},
    "event_lifecycle": {
        "event_ticker": "E",
        "title": "t",
        "subtitle": "s",
        "collateral_return_type": "NEWONE",
        "series_ticker": "S",
        "strike_date": 6,
    },
    "event_fee_update": {"event_ticker": "E", "fee_type_override": "flat", "fee_multiplier_override": 0.125},
    "order_group_updates": {"event_type": "created", "order_group_id": "g", "contracts_limit_fp": "5.00", "ts_ms": 7},
}
AMOUNTS: Final = [
    (kind, name)
    for kind, body in BODIES.items()
    for name in body
    if name.endswith(("_dollars", "_fp", "_cost", "_value"))
]
CREATED: Final[dict[str, Any]] = {
    "event_type": "created",
    "market_ticker": "M",
    "open_ts": 1,
    "close_ts": 2,
    "price_ranges": [{"start": "0.0000", "end": "1.0000", "step": "0.0100"}],
    "additional_metadata": {"event_ticker": "E", "title": "T", "expected_expiration_ts": 3, "floor_strike": 72999.99},
}


def message(kind: str, body: dict[str, Any]) -> dict[str, Any]:
    return {"type": kind, "sid": 1, "seq": 1, "msg": body}


def fact_of(told: dict[str, Any]) -> facts.MarketFact:
    return to_fact(channel_wire.FRAME.decode(json.dumps(told).encode()), received_us=9)


def test_each_of_the_venues_examples_becomes_a_fact_or_is_a_reply() -> None:
    messages = [entry["example"] for entry in examples() if entry["kind"] == "schema"]
    ours = [told for told in messages if told["type"] in channel_wire.CHANNELS]

    assert {told["type"] for told in ours} == set(channel_wire.CHANNELS)
    for told in ours:
        assert type(fact_of(told)).__module__ == facts.__name__


def test_no_field_of_the_venues_examples_is_unknown() -> None:
    for entry in examples():
        told = entry["example"]
        if entry["kind"] != "schema" or told["type"] not in channel_wire.FIELDS:
            continue
        known = channel_wire.FIELDS[told["type"]]

        assert set(told) <= known.envelope
        if known.msg:
            assert set(told["msg"]) <= known.msg, told["type"]


def test_real_frames_of_an_older_shape_are_read_or_refused(recordings: Path) -> None:
    path = recordings / "frames-all-channels-20260520.jsonl"
    if not path.is_file():
        pytest.skip("the recorded frames of all channels are not on this machine")
    read = refused = 0
    for line in path.read_bytes().splitlines():
        kind = wire.HEADER.decode(line).type
        try:
            frame = channel_wire.FRAME.decode(line)
        except wire.UNDECODABLE:
            assert kind in {"orderbook_snapshot", "rfq_created", "rfq_deleted"}
            refused += 1
            continue
        if kind in channel_wire.CHANNELS:
            to_fact(frame, 0)
        read += 1

    assert (read, refused) == (20, 3)


def test_amounts_and_times_are_exact() -> None:
    ticker = fact_of(message("ticker", BODIES["ticker"]))
    assert isinstance(ticker, facts.Ticker)
    assert (ticker.last, ticker.yes_bid, ticker.yes_ask, ticker.dollar_volume) == (4800, 4700, 10_000, 1_690_000_000)
    assert (ticker.yes_bid_size, ticker.open_interest, ticker.at_us, ticker.received_us) == (200, 201_050, 7000, 9)
    fill = fact_of(message("fill", BODIES["fill"]))
    assert isinstance(fill, facts.Fill)
    assert (fill.fee, fill.position, fill.is_yes, fill.count, fill.subaccount) == (17_472, -150, False, 150, 3)
    position = fact_of(message("market_position", BODIES["market_position"]))
    assert isinstance(position, facts.MarketPosition)
    assert (position.position, position.cost, position.realized_pnl) == (-150, 705_000, -1)
    order = fact_of(message("user_order", BODIES["user_order"]))
    assert isinstance(order, facts.UserOrder)
    assert (order.initial, order.filled, order.remaining, order.maker_cost) == (1000, 150, 850, 705_000)
    assert (order.created_us, order.reason) == (None, "SomethingNew")


def test_a_life_says_what_happened_and_when() -> None:
    created = fact_of(message("market_lifecycle_v2", CREATED))
    assert isinstance(created, facts.MarketLifecycle)
    assert (created.open_us, created.close_us) == (1_000_000, 2_000_000)
    assert created.price_ranges == (facts.PriceRange(start=0, end=10_000, step=100),)  # type: ignore[arg-type]
    assert created.details is not None
    assert (created.details.event_ticker, created.details.floor_strike) == ("E", "72999.99")
    renamed = fact_of(
        message("market_lifecycle_v2", {"event_type": "metadata_updated", "market_ticker": "M", "yes_sub_title": "x"})
    )
    assert isinstance(renamed, facts.MarketLifecycle)
    assert renamed.details is not None
    assert renamed.details.yes_sub_title == "x"
    settled = fact_of(message("multivariate_market_lifecycle", BODIES["multivariate_market_lifecycle"]))
    assert isinstance(settled, facts.MarketLifecycle)
    assert (settled.is_combo, settled.at_us) == (True, 5_000_000)
    strange = fact_of(message("market_lifecycle_v2", {"event_type": "brand_new", "market_ticker": "M"}))
    assert isinstance(strange, facts.MarketLifecycle)
    assert strange.event_type == "brand_new"


@pytest.mark.parametrize(("event_type", "name"), [(kind, name) for kind, names in REQUIRED.items() for name in names])
def test_a_life_without_what_its_event_needs_is_refused(event_type: str, name: str) -> None:
    body = {**CREATED, "determination_ts": 1, "result": "yes", "settlement_value": "1.0000", "settled_ts": 1}
    body["event_type"] = event_type
    fact_of(message("market_lifecycle_v2", body))
    del body[name]

    with pytest.raises(UnitError):
        fact_of(message("market_lifecycle_v2", body))


@pytest.mark.parametrize(("kind", "name"), AMOUNTS)
def test_an_amount_that_is_missing_is_never_made_up(kind: str, name: str) -> None:
    if (kind, name) == ("order_group_updates", "contracts_limit_fp"):
        return  # only where the limit is what changed

    with pytest.raises((msgspec.ValidationError, UnitError)):
        fact_of(without(message(kind, BODIES[kind]), "msg", name))


@pytest.mark.parametrize(("kind", "name"), AMOUNTS)
@pytest.mark.parametrize("value", ["", "NaN", "1e3", "0.12345678", " 1", "-", "9" * 40, 1, 0.5, None, True, []])
def test_an_amount_that_is_none_is_refused(kind: str, name: str, value: object) -> None:
    if value is None and name in {"contracts_limit_fp", "settlement_value"}:
        return
    with pytest.raises((msgspec.ValidationError, UnitError)):
        fact_of(with_value(message(kind, BODIES[kind]), value, "msg", name))


def test_prices_of_a_trade_that_are_no_dollar_together_are_refused() -> None:
    with pytest.raises(UnitError):
        fact_of(with_value(message("trade", BODIES["trade"]), "0.5400", "msg", "no_price_dollars"))


@pytest.mark.parametrize("side", ["", "Yes", "both"])
def test_a_side_that_is_none_is_refused(side: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        fact_of(with_value(message("fill", BODIES["fill"]), side, "msg", "outcome_side"))


def fee_update(multiplier: str) -> facts.MarketFact:
    body = f'{{"event_ticker":"E","fee_type_override":null,"fee_multiplier_override":{multiplier}}}'
    return to_fact(channel_wire.FRAME.decode(f'{{"type":"event_fee_update","sid":1,"seq":1,"msg":{body}}}'), 0)


@pytest.mark.parametrize(
    ("printed", "ppm"),
    [("0.5", 500_000), ("0", 0), ("1", 1_000_000), ("null", None), ("0.000001", 1), ("5e-1", 500_000)],
)
def test_a_fee_multiplier_is_exact(printed: str, ppm: int | None) -> None:
    fact = fee_update(printed)

    assert isinstance(fact, facts.EventFeeUpdate)
    assert fact.multiplier_ppm == ppm


@pytest.mark.parametrize("printed", ["-1", "1e999999999", "1e-7", '"NaN"', '"sNaN"', '"Infinity"', "0." + "1" * 50])
def test_a_fee_multiplier_that_is_none_is_refused(printed: str) -> None:
    with pytest.raises((UnitError, msgspec.ValidationError)):
        fee_update(printed)


@given(st.integers(), st.sampled_from(["ticker", "trade", "fill"]))
def test_a_time_is_a_time_or_refused(ts_ms: int, kind: str) -> None:
    try:
        fact = fact_of(with_value(message(kind, BODIES[kind]), ts_ms, "msg", "ts_ms"))
    except msgspec.ValidationError:
        assert not 0 <= ts_ms <= 10**14
    else:
        assert getattr(fact, "at_us", None) == ts_ms * 1000
