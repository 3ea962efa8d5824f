"""The stream as plain changes of levels, for books that are measured without a wire."""

import itertools
import json
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from benchmarks.peers.work import Job
from benchmarks.stream import Levels, fingerprint, messages


class Change(NamedTuple):
    """One level of one side becomes `size`, which is `change` more than before. Units as in the trader."""

    ticker: str
    is_yes: bool
    price: int
    change: int
    size: int
    number: int


def changes(job: Job) -> Iterator[Change]:
    """Snapshots level by level, then deltas: `job.count` messages of the stream."""
    held: dict[tuple[str, bool, int], int] = {}
    number = itertools.count(1)
    for message in itertools.islice(messages(markets=job.markets), 1, job.count):
        body = json.loads(message)["msg"]
        levels = [(True, *level) for level in body.get("yes_dollars_fp", ())]
        levels += [(False, *level) for level in body.get("no_dollars_fp", ())]
        if "delta_fp" in body:
            levels = [(body["side"] == "yes", body["price_dollars"], body["delta_fp"])]
        for is_yes, price_text, change_text in levels:
            price, change = int(price_text.replace(".", "")), int(change_text.replace(".", ""))
            key = body["market_ticker"], is_yes, price
            held[key] = held.get(key, 0) + change
            yield Change(*key, change, held[key], next(number))


def fingerprint_of(sides: Mapping[str, tuple[Levels, Levels]]) -> str:
    """What the candidates must agree about."""
    return fingerprint((ticker, yes, no) for ticker, (yes, no) in sides.items())
