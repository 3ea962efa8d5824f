"""Who may talk to the exchange: members and their keys, the signature check with its clock window, our own key pair.

A key belongs to one member, by default to one of its own. Without the scope `write` it places nothing; without `read` it
sees no private thing.

Answers are the venue's own four 401 bodies. Times in milliseconds since the epoch.
Source: docs.kalshi.com, "API keys", and captures of June 2026 for the bodies and the window.
Never: a private key in memory after start, or on disk with any mode but 0600.
"""

import os
import uuid
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NamedTuple

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from traderv3.protocol.signing import (
    KEY_HEADER,
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    PublicKey,
    is_signed_by,
    load_private_key,
    load_public_key,
    signed_text,
)

SKEW_MS: Final = (-10_000, 30_000)  # of a timestamp against our clock; the demo venue took -5 s and refused -30 s
RSA_BITS: Final = 2048  # what the venue hands out

_Body = dict[str, Any]


def _refusal(code: str, message: str, details: str | None = None) -> _Body:
    error = {"code": code, "message": message}
    if details is not None:
        error["details"] = details
    return {"error": error}


MISSING: Final = _refusal("signature_is_missing_from_headers", "signature is missing from headers")
WRONG: Final = _refusal("authentication_error", "authentication_error", "INCORRECT_API_KEY_SIGNATURE")
UNKNOWN: Final = _refusal("authentication_error", "authentication_error", "NOT_FOUND")
EXPIRED: Final = _refusal("header_timestamp_expired", "header timestamp expired")


ALL_SCOPES: Final = frozenset({"read", "write"})


class Member(NamedTuple):
    """Whoever signed a request: the key, the member it belongs to, what it may do."""

    key_id: str
    user_id: str
    scopes: frozenset[str]


class KeyRegistry:
    """Public keys and their members by key id. `skew_ms` is how early and how late a timestamp may be."""

    def __init__(self, *, skew_ms: tuple[int, int] = SKEW_MS) -> None:
        self._earliest_ms, self._latest_ms = skew_ms
        self._keys: dict[str, PublicKey] = {}
        self._members: dict[str, Member] = {}

    def register(
        self, key_id: str, public_pem: str, *, user_id: str | None = None, scopes: frozenset[str] = ALL_SCOPES
    ) -> Member:
        """Accept this key from now on. Raises `KeyProblem` on an unreadable PEM."""
        assert scopes <= ALL_SCOPES
        self._keys[key_id] = load_public_key(public_pem)
        member = Member(key_id, user_id or str(uuid.uuid5(uuid.NAMESPACE_OID, f"member:{key_id}")), scopes)
        self._members[key_id] = member
        return member

    @property
    def members(self) -> list[Member]:
        """Every registered key, in order."""
        return list(self._members.values())

    def member(self, headers: Mapping[str, str]) -> Member | None:
        """Whose key a request names; ask only after `why_refused` had nothing to say."""
        return self._members.get(headers.get(KEY_HEADER.lower(), ""))

    def why_refused(self, headers: Mapping[str, str], method: str, path: str, *, now_ms: int) -> _Body | None:
        """The body of the 401, or None if the request is signed by a key we know. Header names in lower case."""
        key_id, timestamp, signature = (
            headers.get(name.lower(), "") for name in (KEY_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER)
        )
        if not (key_id and timestamp and signature):
            return MISSING
        public = self._keys.get(key_id)
        if public is None:
            return UNKNOWN
        if not is_signed_by(public, signature, signed_text(timestamp, method, path)):
            return WRONG
        if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) == len(str(now_ms))):
            return WRONG  # seconds where milliseconds belong
        if not self._earliest_ms <= int(timestamp) - now_ms <= self._latest_ms:
            return EXPIRED
        return None


def is_signed(headers: Mapping[str, str]) -> bool:
    """Whether a request carries any access header, so that even a public route checks it."""
    return any(name.lower() in headers for name in (KEY_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER))


class OwnKey(NamedTuple):
    """The key pair of this exchange, for its own environment to trade with."""

    key_id: str
    private_key_path: Path
    public_pem: str


def own_key(directory: Path) -> OwnKey:
    """The pair under `directory`, made at the first start. The key id is derived from the key, so the two never part.

    `private_key.pem` is PKCS#1 with mode 0600 from its first byte; two exchanges that start at once end with one key.
    Raises `KeyProblem` if the file is not a usable key, `OSError` if the directory cannot be written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    private_path = directory / "private_key.pem"
    public_path = directory / "public_key.pem"
    id_path = directory / "key_id"
    if private_path.exists() and public_path.exists() and id_path.exists():
        public_pem = public_path.read_text()
        key_id = id_path.read_text().strip()
        if key_id == _key_id(public_pem):
            return OwnKey(key_id, private_path.resolve(), public_pem)
    if not private_path.exists():
        _make_private_key(private_path)
    public = load_private_key(private_path.read_text()).public_key()
    public_pem = public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()
    _write_whole(public_path, public_pem, mode=0o644)
    key_id = _key_id(public_pem)
    _write_whole(id_path, key_id + "\n", mode=0o644)
    return OwnKey(key_id, private_path.resolve(), public_pem)


def _key_id(public_pem: str) -> str:
    return str(uuid.UUID(bytes=sha256(public_pem.encode()).digest()[:16], version=4))


def _make_private_key(path: Path) -> None:
    pem = (
        rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
        .private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
        .decode()
    )
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    _create(temporary, pem, mode=0o600)
    try:
        path.hardlink_to(temporary)  # unlike a rename, never replaces a key
    except FileExistsError:
        pass  # another exchange was first; its key is the key
    finally:
        temporary.unlink()


def _create(path: Path, text: str, *, mode: int) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _write_whole(path: Path, text: str, *, mode: int) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    _create(temporary, text, mode=mode)
    temporary.replace(path)
