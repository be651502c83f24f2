"""Times and durations: pure values, from text and to text."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

from gateway.frames import MAX_TS

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
# RFC 3339 section 5.6. A + that was not percent-encoded in a query arrives as a space.
_RFC3339 = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d+))?(?:[Zz]|([+ -])(\d\d):(\d\d))", re.ASCII
)
_EPOCH_MS = re.compile(r"\d{1,15}", re.ASCII)
_DURATION = re.compile(r"(\d{1,12})(ms|s|m|h|d|w)", re.ASCII)
_UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}


class Moment:
    """A point in time, `ms` since 1970 UTC; written as RFC 3339 or as epoch ms."""

    __slots__ = ("ms",)

    def __init__(self, ms: int) -> None:
        self.ms = ms

    @classmethod
    def parse(cls, text: str) -> Moment:
        """Read a time; raises `ValueError` where it is none, or not between 1970 and 9999."""
        if _EPOCH_MS.fullmatch(text):
            return cls(_checked(int(text)))
        if not _RFC3339.fullmatch(text):
            raise ValueError(
                "neither an RFC 3339 time such as 2025-11-20T21:00:00Z nor milliseconds since 1970"
            )
        return cls(from_rfc3339(text))


class Duration:
    """A length of time in `ms`; written as a number and its unit: `250ms`, `30s`, `1m`, `6h`, `1d`,
    `2w`.
    """

    __slots__ = ("ms",)

    def __init__(self, ms: int) -> None:
        self.ms = ms

    @classmethod
    def parse(cls, text: str) -> Duration:
        """Read a duration; raises `ValueError` where it is none, or not between 1 ms and the year
        9999.
        """
        found = _DURATION.fullmatch(text)
        if found is None:
            raise ValueError("not a duration: a number and ms, s, m, h, d or w, such as 1m")
        ms = int(found[1]) * _UNITS[found[2]]
        if not 0 < ms <= MAX_TS:
            raise ValueError("a duration is above 0 and below 8,000 years")
        return cls(ms)


def from_rfc3339(text: str) -> int:
    """Read a time with its zone as ms since 1970 UTC; raises `ValueError`."""
    found = _RFC3339.fullmatch(text)
    if found is None:
        raise ValueError("not an RFC 3339 time such as 2025-11-20T21:00:00Z")
    day, time, fraction, sign, hours, minutes = found.groups()
    away = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    zone = timezone(-away if sign == "-" else away)
    moment = datetime.fromisoformat(f"{day}T{time}").replace(tzinfo=zone)
    return _checked((moment - _EPOCH) // _MS + int((fraction or "").ljust(3, "0")[:3]))


def _checked(ms: int) -> int:
    if not 0 <= ms <= MAX_TS:
        raise ValueError("a time is between 1970 and 9999")
    return ms


def rfc3339(ms: int) -> str:
    """Write a time in UTC with its milliseconds."""
    return (_EPOCH + ms * _MS).isoformat(timespec="milliseconds").replace("+00:00", "Z")
