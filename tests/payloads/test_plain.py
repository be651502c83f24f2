"""Payloads that are one thing: numbers as people write them, text, bytes."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Untranslatable
from gateway.payloads.plain import MAX_NUMBER, as_base64, as_number, as_text


@pytest.mark.parametrize(
    ("payload", "number"),
    [(b" 21.50\n", "21.50"), (b"+5", "5.0"), (b".5", "0.5"), (b"007", "7.0"), (b"1e3", "1e3")],
)
def test_numbers(payload: bytes, number: str) -> None:
    """One that JSON can hold stays as it was written."""
    assert as_number(payload) == number


@pytest.mark.parametrize("payload", [b"", b"1,5", b"0x10", b"nan", b"1e999", b"1 2", b"\xff"])
def test_what_is_not_a_number(payload: bytes) -> None:
    """It is refused and not guessed at; so is one that is longer than a double can be."""
    with pytest.raises(Untranslatable):
        as_number(payload)
    with pytest.raises(Untranslatable, match="characters"):
        as_number(b"1" * (MAX_NUMBER + 1))


@given(st.text())
def test_any_text_is_itself(text: str) -> None:
    """Text goes into JSON and comes back."""
    assert (
        json.loads(as_text(text.encode("utf-8", "replace")))
        == text.encode("utf-8", "replace").decode()
    )


def test_bytes_that_are_not_text() -> None:
    """As text they are refused, with the place; as bytes they have a form."""
    with pytest.raises(Untranslatable, match="at byte 1"):
        as_text(b"a\xff")
    assert as_base64(b"a\xff") == '{"base64":"Yf8="}'
