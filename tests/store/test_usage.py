"""When the disk is full at this rate."""

import pytest

from gateway.store.usage import DAY, Usage


@pytest.mark.parametrize(
    ("used", "free", "rate", "keep", "days"),
    [
        (40, 1_000, 10, None, 6),  # max_size is reached
        (40, 30, 10, None, 3),  # the disk is full before
        (200, 1_000, 10, None, 0),  # it is full already
        (40, 1_000, 10, 16 * DAY, 6),
        (40, 1_000, 10, 15 * DAY, None),  # what is old goes before
        (40, 1_000, 0, None, None),
        (40, 1_000, None, None, None),
    ],
)
def test_full(used: int, free: int, rate: int | None, keep: int | None, days: int | None) -> None:
    """The nearer of both bounds, unless frames get too old before."""
    usage = Usage(used, free, 90 * DAY, rate, rate, [])
    at = usage.full(100 * DAY, 100, keep)
    assert at == (None if days is None else (100 + days) * DAY)
