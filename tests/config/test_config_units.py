"""Durations and sizes: what is accepted, what is not, and back again."""

import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.config.units import format_duration, format_size, parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90d", 90 * 86400),
        ("1h30m", 5400),
        ("1h 30m", 5400),
        ("250ms", 0.25),
        ("1.5h", 5400),
        ("2w", 14 * 86400),
        (" 5 s ", 5),
        ("0s", 0),
    ],
)
def test_duration(text: str, seconds: float) -> None:
    """Durations are read as people write them."""
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", ["", "90", "d", "90 days", "-5s", "1e3s", "5S", "1h30", "١s", "9" * 16 + "s"]
)
def test_no_duration(text: str) -> None:
    """What has no unit, a foreign one, a sign or too many digits is no duration."""
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("4GB", 4 << 30),
        ("256KB", 262_144),
        ("256 kb", 262_144),
        ("1.5MB", 1_572_864),
        ("2KiB", 2048),
        ("7B", 7),
        ("1TB", 1 << 40),
    ],
)
def test_size(text: str, size: int) -> None:
    """Sizes are read with 1024 bytes to the KB."""
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "4", "GB", "-1GB", "4GBs", "4 G B", "1_000B"])
def test_no_size(text: str) -> None:
    """What has no unit, a foreign one or a sign is no size."""
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        parse_size(text)


@settings(deadline=None)
@given(st.text() | st.from_regex(r"[0-9.]{1,20}\s?(ms|[smhdw]|[KMGT]?i?B)", fullmatch=True))
def test_any_text(text: str) -> None:
    """Any text is a finite, non-negative amount or a ValueError, nothing else."""
    for parse in (parse_duration, parse_size):
        try:
            amount = parse(text)
        except ValueError:
            continue
        assert math.isfinite(amount)
        assert amount >= 0


@settings(deadline=None)
@given(st.integers(min_value=0, max_value=10**13))
def test_duration_round_trip(milliseconds: int) -> None:
    """A duration that is written is the same when it is read."""
    assert parse_duration(format_duration(milliseconds / 1000)) == pytest.approx(
        milliseconds / 1000
    )


@settings(deadline=None)
@given(st.integers(min_value=0, max_value=1 << 49))
def test_size_round_trip(size: int) -> None:
    """A size that is written is the same when it is read."""
    assert parse_size(format_size(size)) == size


def test_written_in_the_largest_unit() -> None:
    """Written amounts use the largest unit without a remainder."""
    assert [format_duration(s) for s in (90 * 86400, 300, 0.25, 0)] == ["90d", "5m", "250ms", "0s"]
    assert [format_size(s) for s in (4 << 30, 256 << 10, 1000)] == ["4GB", "256KB", "1000B"]
