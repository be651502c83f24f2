"""Durations and sizes as people write them: `"90d"`, `"1h30m"`, `"256KB"`.

Durations are seconds, sizes are bytes. A year has 365 days. A KB is 1024
bytes, as brokers and databases count.
"""

import re
from collections.abc import Mapping

DURATIONS: Mapping[str, float] = {
    "ms": 0.001,
    "s": 1,
    "m": 60,
    "h": 3600,
    "d": 86400,
    "w": 604800,
    "y": 31_536_000,
}
SIZES: Mapping[str, int] = {"B": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40}

# Fifteen digits are more than any setting needs, and keep every result exact.
_NUMBER = r"[0-9]{1,15}(?:\.[0-9]{1,15})?"
_DURATION_PART = re.compile(rf"({_NUMBER})\s*(ms|[smhdwy])\s*")
_SIZE = re.compile(rf"({_NUMBER})\s*([KMGT]?)I?B", re.IGNORECASE)


def parse_duration(text: str) -> float:
    """Seconds of a duration such as `"90d"`, `"1h30m"` or `"250ms"`; ValueError when it is none."""
    rest, seconds = text.strip(), 0.0
    if not rest:
        raise ValueError(text)
    while rest:
        part = _DURATION_PART.match(rest)
        if part is None:
            raise ValueError(text)
        seconds += float(part[1]) * DURATIONS[part[2]]
        rest = rest[part.end() :]
    return seconds


def format_duration(seconds: float) -> str:
    """Write a duration in the largest unit that holds it in whole numbers, to the millisecond."""
    milliseconds = round(seconds * 1000)
    for unit, factor in reversed(tuple(DURATIONS.items())):
        count, rest = divmod(milliseconds, round(factor * 1000))
        if count and not rest:
            return f"{count}{unit}"
    return "0s"


def parse_size(text: str) -> int:
    """Bytes of a size such as `"256KB"` or `"1.5GB"`; ValueError when it is none."""
    size = _SIZE.fullmatch(text.strip())
    if size is None:
        raise ValueError(text)
    return round(float(size[1]) * SIZES[size[2].upper() + "B"])


def format_size(size: int) -> str:
    """Write a size in the largest unit that holds it in whole numbers."""
    for unit, factor in reversed(tuple(SIZES.items())):
        if size and size % factor == 0:
            return f"{size // factor}{unit}"
    return "0B"
