"""One value of a device, and when it was measured."""

from __future__ import annotations

from typing import Any, NamedTuple

from gateway.errors import Untranslatable
from gateway.frames import MAX_TS
from gateway.times import from_rfc3339, rfc3339

DAY = 86_400_000  # ms; a time that is further ahead than that is a mistake


class Reading(NamedTuple):
    """One value: channel, the value's JSON text, and when it was measured (ms) if the device said
    so.
    """

    channel: str
    value: str
    ts: int | None = None


def timestamp(value: Any, now: int) -> int:
    """Return a device's own time, ms since 1970 or RFC 3339 text, as whole ms since 1970 UTC;
    raises `Untranslatable`.
    """
    if isinstance(value, str):
        try:
            ts = from_rfc3339(value)
        except ValueError as error:
            raise Untranslatable(f"ts: {value[:40]!r}: {error}") from None
    elif _is_ms(value):
        ts = int(value)
    else:
        raise Untranslatable(
            f"ts: {value!r:.40} is neither milliseconds since 1970 nor an RFC 3339 time"
        )
    if ts > now + DAY:
        raise Untranslatable(f"ts: {rfc3339(ts)} is more than a day ahead; it is {rfc3339(now)}")
    return ts


def before(value: Any, now: int) -> int:
    """Return the time that many ms before `now`; raises `Untranslatable`."""
    if not _is_ms(value) or value > now:
        raise Untranslatable(f"ago: {value!r:.40} is not a number of milliseconds before now")
    return now - int(value)


def _is_ms(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return 0 <= value <= MAX_TS
