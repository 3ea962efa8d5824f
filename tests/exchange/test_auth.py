"""Who is let in: the four refusals, the clock window, and the key pair that is made once."""

import os
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from traderv3.exchange.auth import EXPIRED, MISSING, UNKNOWN, WRONG, KeyRegistry, own_key
from traderv3.protocol.signing import Signer, load_private_key

NOW_MS = 1_790_000_000_000
PATH = "/trade-api/v2/account/limits"


@pytest.fixture(scope="module")
def key() -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.generate()


@pytest.fixture(scope="module")
def keys(key: ed25519.Ed25519PrivateKey) -> KeyRegistry:
    registry = KeyRegistry()
    pem = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    registry.register("me", pem.decode())
    return registry


def signed(
    key: ed25519.Ed25519PrivateKey, *, path: str = PATH, at_ms: int = NOW_MS, key_id: str = "me"
) -> dict[str, str]:
    headers = Signer(key_id, key).headers("GET", path, at_ms=at_ms)
    return {name.lower(): value for name, value in headers.items()}


def test_a_good_signature_is_let_in(keys: KeyRegistry, key: ed25519.Ed25519PrivateKey) -> None:
    assert keys.why_refused(signed(key), "GET", PATH, now_ms=NOW_MS) is None
    assert keys.why_refused(signed(key), "GET", PATH + "?limit=5", now_ms=NOW_MS) is None


@pytest.mark.parametrize(
    ("skew_ms", "refusal"), [(-10_000, None), (-10_001, EXPIRED), (30_000, None), (30_001, EXPIRED)]
)
def test_the_clock_window(
    keys: KeyRegistry, key: ed25519.Ed25519PrivateKey, skew_ms: int, refusal: dict[str, object] | None
) -> None:
    assert keys.why_refused(signed(key, at_ms=NOW_MS + skew_ms), "GET", PATH, now_ms=NOW_MS) == refusal


def test_each_refusal_has_its_body(keys: KeyRegistry, key: ed25519.Ed25519PrivateKey) -> None:
    good = signed(key)
    in_seconds = signed(key, at_ms=NOW_MS // 1000)
    for missing in good:
        partial = {name: value for name, value in good.items() if name != missing}
        assert keys.why_refused(partial, "GET", PATH, now_ms=NOW_MS) == MISSING
    assert keys.why_refused(signed(key, key_id="you"), "GET", PATH, now_ms=NOW_MS) == UNKNOWN
    assert keys.why_refused(good, "POST", PATH, now_ms=NOW_MS) == WRONG
    assert keys.why_refused(good, "GET", "/account/limits", now_ms=NOW_MS) == WRONG
    assert keys.why_refused(in_seconds, "GET", PATH, now_ms=NOW_MS) == WRONG
    assert keys.why_refused(good | {"kalshi-access-signature": "!"}, "GET", PATH, now_ms=NOW_MS) == WRONG
    assert MISSING == {
        "error": {"code": "signature_is_missing_from_headers", "message": "signature is missing from headers"}
    }
    assert WRONG["error"]["details"] == "INCORRECT_API_KEY_SIGNATURE"
    assert UNKNOWN["error"]["details"] == "NOT_FOUND"
    assert EXPIRED["error"]["code"] == "header_timestamp_expired"


def test_the_key_pair_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        first = own_key(tmp_path / "exchange")
    finally:
        os.umask(old)
    second = own_key(tmp_path / "exchange")
    (tmp_path / "exchange" / "key_id").unlink()
    third = own_key(tmp_path / "exchange")

    assert first == second == third
    assert stat.S_IMODE(first.private_key_path.stat().st_mode) == 0o600
    assert first.private_key_path.read_text().startswith("-----BEGIN RSA PRIVATE KEY-----")
    assert sorted(path.name for path in first.private_key_path.parent.iterdir()) == [
        "key_id",
        "private_key.pem",
        "public_key.pem",
    ]

    keys = KeyRegistry()
    keys.register(first.key_id, first.public_pem)
    signer = Signer(first.key_id, load_private_key(first.private_key_path.read_text()))
    headers = {name.lower(): value for name, value in signer.headers("GET", PATH, at_ms=NOW_MS).items()}
    assert keys.why_refused(headers, "GET", PATH, now_ms=NOW_MS) is None


def test_each_key_is_a_member_of_its_own_unless_told_otherwise(key: ed25519.Ed25519PrivateKey) -> None:
    registry = KeyRegistry()
    pem = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    one, two = (registry.register(key_id, pem.decode()) for key_id in ("one", "two"))
    third = registry.register("three", pem.decode(), user_id=one.user_id, scopes=frozenset({"read"}))

    assert one.user_id != two.user_id
    assert third.user_id == one.user_id
    assert one == KeyRegistry().register("one", pem.decode()), "the same key id is the same member every time"
    assert registry.member(signed(key, key_id="three")) == third
    assert registry.member({}) is None
