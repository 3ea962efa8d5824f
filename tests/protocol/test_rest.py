"""Error bodies: the venue's three shapes read as sentences, and no body whatever breaks the reader."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traderv3.protocol.rest import error_text


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            {"error": {"code": "authentication_error", "message": "authentication_error", "details": "NOT_FOUND"}},
            ("authentication_error", "authentication_error NOT_FOUND"),
        ),
        ({"code": "invalid_content_type", "message": "invalid"}, ("invalid_content_type", "invalid")),
        ({"error": "too many requests"}, (None, "too many requests")),
        ({"error": {"code": "header_timestamp_expired"}}, ("header_timestamp_expired", "header_timestamp_expired")),
        ({"msg": "no"}, (None, "no")),
        ({}, (None, "no reason given")),
    ],
)
def test_each_shape_becomes_a_code_and_a_sentence(body: object, expected: tuple[str | None, str]) -> None:
    assert error_text(json.dumps(body).encode()) == expected


def test_a_page_of_html_is_quoted_at_its_beginning() -> None:
    assert error_text(b"<html>Forbidden</html>\n" + b"x" * 10_000)[1].startswith("<html>Forbidden</html>")
    assert len(error_text(b"x" * 10_000)[1]) == 200


def test_an_empty_body_gives_no_reason() -> None:
    assert error_text(b"") == (None, "no reason given")


@given(st.binary(max_size=60) | st.from_regex(rb'\{"(error|message|code)":("[^"]*"|[0-9{}\[\]nul]*)\}', fullmatch=True))
def test_no_body_whatever_raises(body: bytes) -> None:
    _, sentence = error_text(body)

    assert sentence


@pytest.mark.parametrize("body", [b'{"a":' + b"[" * 100_000, b'{"message":"\xff"}', b"\xff", b'{"message":"\\ud800"}'])
def test_nesting_and_broken_text_do_not_raise(body: bytes) -> None:
    assert error_text(body)[0] is None
