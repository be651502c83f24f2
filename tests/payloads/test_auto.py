"""A payload of which nobody says what it is: JSON, else text, else bytes."""

import pytest

from gateway.errors import Untranslatable
from gateway.payloads.auto import auto_readings, one_auto


@pytest.mark.parametrize(
    ("payload", "value"),
    [(b"21.5", "21.5"), (b"on", '"on"'), (b"{x", '"{x"'), (b"\xff", '{"base64":"/w=="}')],
)
def test_one_value(payload: bytes, value: str) -> None:
    """In this order, and nothing is refused but what nests too deep."""
    assert one_auto(payload) == value
    with pytest.raises(Untranslatable):
        one_auto(b"[" * 300 + b"]" * 300)


def test_what_begins_like_json_is_meant_as_json() -> None:
    """Where channels are in the payload a broken object is a mistake, and plain text a value."""
    assert auto_readings(b"on", 0)[0][:2] == ("value", '"on"')
    for broken in (b'{"a":', b" [1,"):
        with pytest.raises(Untranslatable, match="not JSON"):
            auto_readings(broken, 0)
