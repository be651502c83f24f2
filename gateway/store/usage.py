"""What history takes of the disk."""

from __future__ import annotations

from typing import NamedTuple

DAY = 86_400_000


class ChannelUsage(NamedTuple):
    """How many frames and buckets a channel has, and about how many bytes they take."""

    device: str
    channel: str
    frames: int
    minutes: int
    hours: int
    days: int
    bytes: int


class Usage(NamedTuple):
    """`bytes` of all history, `free` of the disk; `frames_a_day` and `bytes_a_day` of the last
    days, None where nothing is known of them. `since`: when the oldest frame came. Channels with
    most bytes come first.
    """

    bytes: int
    free: int
    since: int | None
    frames_a_day: int | None
    bytes_a_day: int | None
    channels: list[ChannelUsage]

    def full(self, now: int, max_size: int, keep: int | None) -> int | None:
        """Return when `max_size` or the disk is reached at this rate; None where frames get too old
        before, or nothing comes.
        """
        if not self.bytes_a_day or self.since is None:
            return None
        at = now + max(0, min(max_size - self.bytes, self.free)) * DAY // self.bytes_a_day
        return None if keep is not None and at - self.since > keep else at
