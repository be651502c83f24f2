"""How long what is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from gateway.topics import TopicFilter


class Exemption(NamedTuple):
    """Channels whose frames are kept for another time, in ms; None: for ever."""

    filter: TopicFilter
    keep: int | None


class Keeping(NamedTuple):
    """Ages in ms of frames, minutes, hours and days, and the bytes of all together; None: no bound.

    The first of the `exemptions` that matches a channel counts for its frames.
    """

    frames: int | None = None
    minutes: int | None = None
    hours: int | None = None
    days: int | None = None
    max_size: int | None = None
    exemptions: tuple[Exemption, ...] = ()
