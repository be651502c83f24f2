"""Where a page of frames by time ended: opaque to clients, `(ts, seq)` to us."""

from __future__ import annotations

import re

_SHAPE = re.compile(r"(\d{1,15})\.(\d{1,18})", re.ASCII)


class Point:
    """The last frame of a page; `seq` is 0 in a list of buckets, where `ts` is the next bucket's
    start.
    """

    __slots__ = ("seq", "ts")

    def __init__(self, ts: int, seq: int) -> None:
        self.ts = ts
        self.seq = seq

    @classmethod
    def parse(cls, text: str) -> Point:
        """Read a cursor; raises `ValueError` where it is none of ours."""
        found = _SHAPE.fullmatch(text)
        if found is None:
            raise ValueError("not a cursor: pass on what `next` of the page before said")
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.ts}.{self.seq}"
