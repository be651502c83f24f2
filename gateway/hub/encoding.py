"""The form in which frames leave: made once a frame, and joined once a batch, for all who take
it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gateway.frames import Entry


class Encoding(NamedTuple):
    """`frame` makes one frame's form of its seq, its entry and its JSON; `join` makes of the forms
    of a batch what a subscriber takes.

    `gap` makes the notice that the frames from one seq to another are no longer in history, as a
    subscriber takes it; None: it is not told.
    """

    frame: Callable[[int, Entry, bytes], Any]
    join: Callable[[Sequence[Any]], Any] = b"".join
    gap: Callable[[int, int], Any] | None = None
