"""Times that devices give: in milliseconds, as text, or as an age."""

from typing import Any

import pytest

from gateway.errors import Untranslatable
from gateway.payloads.reading import DAY, before, timestamp

NOW = 1_763_673_303_125


@pytest.mark.parametrize(
    ("value", "ts"),
    [(NOW - 5, NOW - 5), (5.9, 5), ("1970-01-01T00:00:01Z", 1000), (NOW + DAY,) * 2],
)
def test_times(value: Any, ts: int) -> None:
    """Numbers are ms since 1970, text is RFC 3339; a day ahead is still taken."""
    assert timestamp(value, NOW) == ts


@pytest.mark.parametrize("value", [NOW + DAY + 1, -1, True, None, [], "yesterday", float("nan")])
def test_what_is_not_a_time(value: Any) -> None:
    """A wrong clock and a wrong type are said as what they are."""
    with pytest.raises(Untranslatable, match=r"^ts: "):
        timestamp(value, NOW)


def test_ages() -> None:
    """Before now, and not before 1970."""
    assert before(1500, NOW) == NOW - 1500
    for wrong in (-1, NOW + 1, "5", True):
        with pytest.raises(Untranslatable, match=r"^ago: "):
            before(wrong, NOW)
