"""Signatures: both algorithms, every key format, and no secret in anything a person may read."""

import base64
import json
import pickle
from typing import Final

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, padding, rsa
from hypothesis import given
from hypothesis import strategies as st

from traderv3.protocol.signing import (
    KEY_HEADER,
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    KeyProblem,
    PrivateKey,
    Signer,
    is_signed_by,
    load_private_key,
    load_public_key,
    signed_text,
)

RSA_KEY: Final = rsa.generate_private_key(public_exponent=65537, key_size=2048)
ED_KEY: Final = ed25519.Ed25519PrivateKey.generate()
KEYS: Final[dict[str, PrivateKey]] = {"rsa": RSA_KEY, "ed25519": ED_KEY}
PKCS1, PKCS8 = serialization.PrivateFormat.TraditionalOpenSSL, serialization.PrivateFormat.PKCS8
PLAIN: Final = serialization.NoEncryption()
AnyKey = rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | dsa.DSAPrivateKey

ED_TEXT: Final = b"1791000000123GET/trade-api/v2/portfolio/orders"
ED_SIGNATURE: Final = ED_KEY.sign(ED_TEXT)


def pem(
    key: AnyKey,
    form: serialization.PrivateFormat = PKCS8,
    encryption: serialization.KeySerializationEncryption = PLAIN,
) -> str:
    return key.private_bytes(serialization.Encoding.PEM, form, encryption).decode()


def with_unknown_curve(key: ec.EllipticCurvePrivateKey) -> str:
    der = key.private_bytes(serialization.Encoding.DER, PKCS8, PLAIN)
    changed = der.replace(bytes.fromhex("2a8648ce3d030107"), bytes.fromhex("2a8648ce3d03017f"))
    return f"-----BEGIN PRIVATE KEY-----\n{base64.encodebytes(changed).decode()}-----END PRIVATE KEY-----\n"


def secret_lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and "-----" not in line]


@pytest.mark.parametrize(
    ("key", "form"), [(RSA_KEY, PKCS1), (RSA_KEY, PKCS8), (ED_KEY, PKCS8)], ids=["pkcs1", "pkcs8", "ed25519"]
)
@pytest.mark.parametrize("damage", ["none", "escaped", "crlf", "escaped crlf", "blanks around"])
def test_every_format_of_the_venues_keys_is_read(
    key: PrivateKey, form: serialization.PrivateFormat, damage: str
) -> None:
    text = pem(key, form)
    text = {
        "none": text,
        "escaped": text.replace("\n", "\\n"),
        "crlf": text.replace("\n", "\r\n"),
        "escaped crlf": text.replace("\n", "\\r\\n"),
        "blanks around": f"\n  {text}  \n",
    }[damage]
    loaded = load_private_key(text)

    assert loaded.private_bytes(serialization.Encoding.PEM, PKCS8, PLAIN) == pem(key).encode()


REFUSED: Final[dict[str, tuple[str, str]]] = {
    "short rsa": (pem(rsa.generate_private_key(public_exponent=65537, key_size=1024)), "1024 bits"),
    "encrypted pkcs8": (pem(RSA_KEY, PKCS8, serialization.BestAvailableEncryption(b"pass")), "encrypted"),
    "encrypted pkcs1": (pem(RSA_KEY, PKCS1, serialization.BestAvailableEncryption(b"pass")), "encrypted"),
    "elliptic curve": (pem(ec.generate_private_key(ec.SECP256R1())), "neither RSA nor Ed25519"),
    "unknown curve": (with_unknown_curve(ec.generate_private_key(ec.SECP256R1())), "PEM private key"),
    "public half": (
        RSA_KEY.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode(),
        "PEM private key",
    ),
    "cut short": (pem(RSA_KEY)[:500], "PEM private key"),
    "a path": ("/home/me/key.pem", "PEM private key"),
    "nothing": ("", "PEM private key"),
    "a stray byte": (pem(RSA_KEY).replace("A", "\udcff", 1), "PEM private key"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_key_that_cannot_be_used_is_refused_without_being_quoted(case: str) -> None:
    text, why = REFUSED[case]
    with pytest.raises(KeyProblem, match=why) as refused:
        load_private_key(text)

    assert refused.value.__suppress_context__ or refused.value.__context__ is None
    assert not any(line in str(refused.value) for line in secret_lines(text))


@pytest.mark.parametrize(
    "text", ["", "x", pem(ED_KEY), "\udcff", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"]
)
def test_what_is_no_public_key_is_refused(text: str) -> None:
    with pytest.raises(KeyProblem):
        load_public_key(text)


@pytest.mark.parametrize("name", KEYS)
def test_what_we_sign_the_exchange_accepts(name: str) -> None:
    key = KEYS[name]
    public_pem = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    headers = Signer("id-1", key).headers("get", "/trade-api/v2/markets?limit=5", at_ms=1791000000123)
    text = signed_text("1791000000123", "GET", "/trade-api/v2/markets")

    assert headers[KEY_HEADER] == "id-1"
    assert headers[TIMESTAMP_HEADER] == "1791000000123"
    assert is_signed_by(load_public_key(public_pem.decode()), headers[SIGNATURE_HEADER], text)


def test_the_signed_text_is_that_of_the_venues_pages() -> None:
    assert signed_text("1791000000123", "get", "/trade-api/v2/portfolio/orders?limit=5&x=?") == ED_TEXT


def test_rsa_signatures_are_pss_with_sha256_and_a_salt_of_32() -> None:
    signature = base64.b64decode(Signer("k", RSA_KEY).headers("GET", "/x", at_ms=1)[SIGNATURE_HEADER])
    text = signed_text("1", "GET", "/x")
    public = RSA_KEY.public_key()
    public.verify(signature, text, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())

    with pytest.raises(InvalidSignature):
        public.verify(signature, text, padding.PSS(padding.MGF1(hashes.SHA256()), 20), hashes.SHA256())


@given(st.integers(0, len(ED_TEXT) - 1), st.integers(1, 255))
def test_any_changed_byte_of_the_text_is_noticed(at: int, mask: int) -> None:
    changed = bytearray(ED_TEXT)
    changed[at] ^= mask

    assert is_signed_by(ED_KEY.public_key(), base64.b64encode(ED_SIGNATURE).decode(), ED_TEXT)
    assert not is_signed_by(ED_KEY.public_key(), base64.b64encode(ED_SIGNATURE).decode(), bytes(changed))


@given(st.integers(0, len(ED_SIGNATURE) - 1), st.integers(1, 255))
def test_any_changed_byte_of_the_signature_is_noticed(at: int, mask: int) -> None:
    changed = bytearray(ED_SIGNATURE)
    changed[at] ^= mask

    assert not is_signed_by(ED_KEY.public_key(), base64.b64encode(changed).decode(), ED_TEXT)


@given(st.text(max_size=100) | st.binary(max_size=100).map(lambda data: base64.b64encode(data).decode()))
@pytest.mark.parametrize("name", KEYS)
def test_a_malformed_signature_is_a_plain_no(name: str, signature: str) -> None:
    assert not is_signed_by(KEYS[name].public_key(), signature, ED_TEXT)


def test_a_signature_of_another_key_is_a_no() -> None:
    other = ed25519.Ed25519PrivateKey.generate().public_key()

    assert not is_signed_by(other, base64.b64encode(ED_SIGNATURE).decode(), ED_TEXT)
    assert not is_signed_by(RSA_KEY.public_key(), base64.b64encode(ED_SIGNATURE).decode(), ED_TEXT)


@pytest.mark.parametrize("name", KEYS)
def test_a_signer_shows_its_id_and_nothing_of_its_key(name: str) -> None:
    signer = Signer("id-1", KEYS[name])
    shown = repr(signer) + str(signer) + f"{signer}" + json.dumps([signer], default=repr)

    assert "id-1" in shown
    assert not any(line in shown for line in secret_lines(pem(KEYS[name])))


@pytest.mark.parametrize("name", KEYS)
def test_a_signer_cannot_be_pickled(name: str) -> None:
    with pytest.raises(TypeError):
        pickle.dumps(Signer("id-1", KEYS[name]))
