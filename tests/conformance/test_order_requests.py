"""What we ask of the venue's order endpoints is what its own document describes, to the last member."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conformance.schemas import BASE, VenueSchemas, _judge
from traderv3.domain.execution import Amend, Cancel, Create, Decrease
from traderv3.domain.orders import Approved, Change, Draft, TimeInForce
from traderv3.domain.units import Price, Qty
from traderv3.protocol.order_requests import (
    Asking,
    amend_order,
    cancel_all,
    cancel_orders,
    create_group,
    create_orders,
    decrease_order,
    delete_group,
    limit_group,
    trigger_group,
)

ORDER_ID = "3b23c1c7-f4ef-4f0d-8b9a-9e53c61f1a0d"


def create(**more: Any) -> Create:
    draft = Draft(strategy="s", ticker="KX-1", is_bid=True, price=Price(4701), count=Qty(150), **more)
    return Create("ab12cd34-1000000001", Approved(draft, 1))


def creates() -> list[Create]:
    kinds = itertools.product(TimeInForce, (False, True), (False, True), (None, 2.5))
    return [
        create(time_in_force=kind, is_post_only=post, is_reduce_only=reduce, ttl_s=ttl_s)
        for kind, post, reduce, ttl_s in kinds
    ]


def askings() -> list[Asking]:
    change = Change(client_order_id="ab12cd34-1000000001", price=Price(5), count=Qty(1))
    cancel = Cancel("ab12cd34-1000000001", ORDER_ID, "KX-1")

    def group_of(_: str) -> str:
        return "a-group"

    return [
        *(create_orders([each], group_of, now_us=1) for each in creates()),
        create_orders(creates(), group_of, now_us=1),
        create_orders(creates(), lambda _: None, now_us=1),
        cancel_orders([cancel]),
        cancel_orders([cancel, cancel]),
        cancel_all(),
        amend_order(Amend(ORDER_ID, "KX-1", False, Qty(100), Approved(change, 1))),
        decrease_order(Decrease("ab12cd34-1000000001", ORDER_ID, "KX-1", Qty(100))),
        create_group(Qty(100), 2),
        limit_group(ORDER_ID, Qty(100), 1),
        trigger_group(ORDER_ID, 0),
        delete_group(ORDER_ID, 3),
    ]


@pytest.fixture(scope="module")
def paths(spec: Path) -> Any:
    with (spec / "openapi.yaml").open("rb") as file:
        document = yaml.load(file, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return document["paths"], document["components"]["parameters"]


@pytest.mark.parametrize("asking", askings(), ids=lambda asking: f"{asking.method} {asking.route}")
def test_what_we_ask_is_what_the_document_describes(asking: Asking, schemas: VenueSchemas, paths: Any) -> None:
    routes, shared = paths
    template = schemas.template(asking.method, BASE + asking.route)
    call = routes[template][asking.method.lower()]
    declared = (
        [shared[each["$ref"].rpartition("/")[2]] if "$ref" in each else each for each in call["parameters"] or []]
        if "parameters" in call
        else []
    )

    assert set(asking.query) <= {each["name"] for each in declared if each["in"] == "query"}
    if asking.body:
        at = f"urn:rest#/paths/{template.replace('/', '~1')}/{asking.method.lower()}"
        validator = schemas._validator(f"{at}/requestBody/content/application~1json/schema")
        _judge([(template, validator)], json.loads(asking.body), f"{asking.method} {asking.route}")
    else:
        assert not call.get("requestBody", {}).get("required", False)
