"""The three KALSHI-ACCESS headers: made for our requests, checked by the embedded exchange.

Signed text: timestamp in milliseconds + METHOD + path from the root, query cut off; the body and host are not signed.
Algorithms: RSA-PSS with SHA-256, MGF1-SHA-256 and a 32-byte salt, or Ed25519.
Source: docs.kalshi.com, "API keys". RSA-2048 costs about 0.7 ms a signature, Ed25519 about 0.02 ms.
Never: a key, or a part of one, in an error or a repr.
"""

import base64
import binascii
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa

KEY_HEADER: Final = "KALSHI-ACCESS-KEY"
TIMESTAMP_HEADER: Final = "KALSHI-ACCESS-TIMESTAMP"
SIGNATURE_HEADER: Final = "KALSHI-ACCESS-SIGNATURE"
RSA_BITS_MIN: Final = 2048

PrivateKey = rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
PublicKey = rsa.RSAPublicKey | ed25519.Ed25519PublicKey

_PSS: Final = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32)


class KeyProblem(ValueError):
    """A private key that cannot be used; the message says why and never quotes the key."""


def load_private_key(pem: str) -> PrivateKey:
    """Read a PKCS#1 or PKCS#8 PEM, RSA (2048 bits or more) or Ed25519. Escaped newlines are repaired. Raises `KeyProblem`."""
    repaired = pem.strip().replace("\\r", "").replace("\\n", "\n")
    try:
        key = serialization.load_pem_private_key(repaired.encode(), password=None)
    except TypeError:
        msg = "the private key is encrypted; store it without a passphrase"
        raise KeyProblem(msg) from None
    except (ValueError, UnsupportedAlgorithm):
        msg = "not a PEM private key (PKCS#1 'BEGIN RSA PRIVATE KEY' or PKCS#8 'BEGIN PRIVATE KEY')"
        raise KeyProblem(msg) from None
    if isinstance(key, rsa.RSAPrivateKey):
        if key.key_size < RSA_BITS_MIN:
            msg = f"RSA key of {key.key_size} bits; Kalshi's have at least {RSA_BITS_MIN}"
            raise KeyProblem(msg)
        return key
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key
    msg = "the private key is neither RSA nor Ed25519"
    raise KeyProblem(msg)


def load_public_key(pem: str) -> PublicKey:
    """Read a 'BEGIN PUBLIC KEY' PEM, RSA or Ed25519. Raises `KeyProblem`."""
    try:
        key = serialization.load_pem_public_key(pem.strip().replace("\\n", "\n").encode())
    except (ValueError, UnsupportedAlgorithm):
        msg = "not a PEM public key ('BEGIN PUBLIC KEY')"
        raise KeyProblem(msg) from None
    if isinstance(key, rsa.RSAPublicKey | ed25519.Ed25519PublicKey):
        return key
    msg = "the public key is neither RSA nor Ed25519"
    raise KeyProblem(msg)


def signed_text(timestamp_ms: str, method: str, path: str) -> bytes:
    """The bytes that are signed; `path` may carry a query, which is cut off."""
    return f"{timestamp_ms}{method.upper()}{path.partition('?')[0]}".encode()


class Signer:
    """One account's key id and private key."""

    __slots__ = ("_key", "key_id")

    def __init__(self, key_id: str, key: PrivateKey) -> None:
        self.key_id = key_id
        self._key = key

    def headers(self, method: str, path: str, *, at_ms: int) -> dict[str, str]:
        """The access headers of one attempt, `at_ms` being the venue's time: sign late, never reuse."""
        timestamp = str(at_ms)
        text = signed_text(timestamp, method, path)
        if isinstance(self._key, rsa.RSAPrivateKey):
            signature = self._key.sign(text, _PSS, hashes.SHA256())
        else:
            signature = self._key.sign(text)
        return {
            KEY_HEADER: self.key_id,
            TIMESTAMP_HEADER: timestamp,
            SIGNATURE_HEADER: base64.b64encode(signature).decode(),
        }

    def __repr__(self) -> str:
        return f"Signer(key_id={self.key_id!r})"


def is_signed_by(public: PublicKey, signature_base64: str, text: bytes) -> bool:
    """Whether the signature over `text` was made with the private half of `public`. Any malformed input is False."""
    try:
        signature = base64.b64decode(signature_base64, validate=True)
        if isinstance(public, rsa.RSAPublicKey):
            public.verify(signature, text, _PSS, hashes.SHA256())
        else:
            public.verify(signature, text)
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True
