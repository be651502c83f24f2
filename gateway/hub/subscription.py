"""One filter of a listener, and how far it has been given what it matches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from gateway.topics import TopicFilter  # noqa: TC001  (msgspec reads it)

if TYPE_CHECKING:
    from gateway.frames import Series


class Subscription(msgspec.Struct):
    """One filter of a listener, which is due the matching frames with seq > `start`.

    It has been given every one of them in `whole` < seq <= `sent`. `whole` is `start`, except where
    `latest` had newer frames replace older ones.

    `latest` is for those who show the present. One that is `late` is given the latest frame of each
    series when its listener has caught up, and no others.
    """

    topic_filter: TopicFilter
    mode: Literal["all", "latest"] = "all"
    snapshot: bool = False
    start: int = 0
    whole: int = 0
    sent: int = 0
    late: bool = False

    def begin(self, start: int, newest: int) -> None:
        """Be due what comes after a seq, the newest being `newest`."""
        self.start = self.whole = self.sent = start
        self.late = self.mode == "latest" and start < newest

    def matches(self, series: Series) -> bool:
        return self.topic_filter.matches(series.path)

    def has(self, seq: int, series: Series) -> bool:
        """Tell whether a frame has been given for this subscription."""
        return self.whole < seq <= self.sent and self.matches(series)

    def shows(self, series: Series) -> bool:
        """Tell whether the latest frame of a series is due, so that it was given or will be."""
        return series.latest_seq > self.start and self.matches(series)

    def replaced(self, seq: int) -> None:
        """Note that of what was due up to a seq, only the latest frames were given."""
        if self.sent < seq:
            self.whole = self.sent = seq
        self.late = False
