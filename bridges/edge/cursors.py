"""Cursors in the one sequence, as listeners show them: a seq, or `{epoch}-{seq}`."""

from __future__ import annotations

import re
from typing import NamedTuple

from gateway.errors import Invalid

_CURSOR = re.compile(r"(?:([0-9A-Za-z]{1,64})-)?([0-9]{1,18})", re.ASCII)


class Cursor(NamedTuple):
    """Up to which seq a listener has frames. Without `epoch` it is taken to be of this database."""

    seq: int
    epoch: str | None = None

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """Read a cursor; raises `Invalid`."""
        found = _CURSOR.fullmatch(text)
        if found is None:
            raise Invalid(
                f"{text[:40]!r} is not a cursor: give the id of the last event you have, or "
                f"its seq",
                fields={"after": "a whole number, or the id of an event"},
            )
        return cls(int(found[2]), found[1])


UNKNOWN = Cursor(0, "")
"""A cursor of no database: what is after it begins with a gap."""
