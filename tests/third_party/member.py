"""A second member of the exchange, for the foreign client to trade with, and the exchange's operator: plain REST."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from traderv3.protocol.signing import Signer

KEY_ID: Final = "counterpart"


class Counterpart:
    """Says what the venue answered, checked for success."""

    def __init__(self, http: httpx2.AsyncClient, signer: Signer, api_url: str) -> None:
        self._http = http
        self._signer = signer
        self._api_url = api_url

    async def take(self, ticker: str, side: str, price: str, count: str) -> str:
        """Trade at once or not at all; returns what was filled."""
        order = {"ticker": ticker, "side": side, "price": price, "count": count}
        terms = {"time_in_force": "immediate_or_cancel", "self_trade_prevention_type": "taker_at_cross"}
        made = await self._send("POST", "/portfolio/events/orders", order | terms)
        return str(made["fill_count"])

    async def fills(self) -> list[dict[str, Any]]:
        """Its side of its trades."""
        found: list[dict[str, Any]] = (await self._send("GET", "/portfolio/fills"))["fills"]
        return found

    async def _send(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        url = self._api_url + path
        headers = self._signer.headers(method, urlsplit(url).path, at_ms=time.time_ns() // 1_000_000)
        answer = await self._http.request(method, url, headers=headers, json=body)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        found: dict[str, Any] = answer.json()
        return found


@asynccontextmanager
async def trading(key: ed25519.Ed25519PrivateKey, api_url: str) -> AsyncIterator[Counterpart]:
    """A counterpart for the block."""
    async with httpx2.AsyncClient(trust_env=False, timeout=10.0) as http:
        yield Counterpart(http, Signer(KEY_ID, key), api_url)


def admission(key: ed25519.Ed25519PrivateKey, directory: Path) -> tuple[str, ...]:
    """The arguments that make an exchange know this key."""
    pem = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    path = directory / "counterpart.pem"
    path.write_bytes(pem)
    return "--key-id", KEY_ID, "--public-key", str(path)


async def operate(api_url: str, path: str, **body: object) -> None:
    """Turn one of the exchange's own switches, see `traderv3 exchange --help`."""
    parts = urlsplit(api_url)
    async with httpx2.AsyncClient(trust_env=False, timeout=10.0) as http:
        answer = await http.post(f"{parts.scheme}://{parts.netloc}/control/{path}", json=body)
    assert answer.is_success, f"{path}: {answer.status_code} {answer.text}"
