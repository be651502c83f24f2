"""What JSON cannot say has one form in it."""

from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.errors import Untranslatable
from gateway.payloads.objects import as_json


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"\xff", b'{"base64":"/w=="}'),
        (datetime(2026, 1, 2, tzinfo=UTC), b'"2026-01-02T00:00:00Z"'),
        ({1: (2, None)}, b'{"1":[2,null]}'),
        ((1 << 64) - 1, b"18446744073709551615"),
        (-(1 << 63), b"-9223372036854775808"),
    ],
)
def test_forms(value: Any, text: bytes) -> None:
    """Bytes, times, numbers as names, and the widest numbers."""
    assert as_json(value) == text


@pytest.mark.parametrize(
    "value", [1 << 64, -(1 << 63) - 1, float("inf"), float("nan"), object(), {True: 1}, {b"a": 1}]
)
def test_what_has_no_form_is_refused(value: Any) -> None:
    """Rather than changed."""
    with pytest.raises(Untranslatable):
        as_json({"a": [value]})
