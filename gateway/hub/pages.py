"""Pages of history for listeners that are behind.

However many catch up at once, `TURNS` pages are made in a turn of the event loop, and none is long:
what devices send comes between. Who asks for a page that another has just had gets its forms, which
were made once; pages end at round numbers, so that listeners with different cursors soon ask for
the same.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Hashable, Sequence

    from gateway.catalog import Catalog
    from gateway.frames import Series
    from gateway.hub.encoding import Encoding
    from gateway.store import history

PAGE = 250  # frames read from history at a time
TURNS = 2  # pages made at the same time
KEPT_BYTES = 4 << 20  # of the pages that are kept for others
OVERHEAD = 200  # bytes of a frame in a page, and of a page, beside the frame's JSON


class ReadHistory(Protocol):
    """Read frames with cursor < seq <= upto, of some series or of all."""

    def __call__(
        self, cursor: int, upto: int, series: Sequence[int] | None, limit: int
    ) -> Awaitable[history.Page]: ...


class Formed(NamedTuple):
    """A frame in history, with its form."""

    seq: int
    series: Series
    form: Any


class FormedPage(NamedTuple):
    """`reached`: it has all frames up to this seq; `floor`: those up to this seq are gone."""

    frames: list[Formed]
    reached: int
    floor: int
    weight: int


class Question(NamedTuple):
    """What a page is of. `asker` stands for `series`: equal ones ask for the same series."""

    encoding: Encoding
    asker: Hashable
    series: Sequence[int] | None
    cursor: int
    upto: int

    @property
    def key(self) -> Hashable:
        return self.encoding, self.asker, self.cursor


class Pages:
    """Reads and forms pages, in turns."""

    def __init__(self, read: ReadHistory, catalog: Catalog) -> None:
        self._read = read
        self._catalog = catalog
        self._turns = asyncio.Semaphore(TURNS)
        self._kept: dict[Hashable, FormedPage] = {}
        self._weight = 0

    async def get(self, question: Question) -> FormedPage:
        """Return the page after a cursor."""
        async with self._turns:
            found = self._kept.get(question.key)
            if found is not None and found.reached <= question.upto:
                await asyncio.sleep(0)  # taking it is work: the others come first
                return found
            page = await self._read(question.cursor, question.upto, question.series, PAGE)
            return self._formed(question, page)

    def _formed(self, question: Question, page: history.Page) -> FormedPage:
        reached = page.reached
        if len(page.rows) == PAGE:
            reached = _round(max(question.cursor, page.floor), reached)
        frames, weight = list[Formed](), OVERHEAD
        for seq, number, ts, value, extra in page.rows:
            series = self._catalog.get(number)
            if series is not None and seq <= reached:
                data = series.json(seq, ts, value, extra)
                form = question.encoding.frame(seq, (series, ts, value, extra), data)
                frames.append(Formed(seq, series, form))
                weight += OVERHEAD + len(data)
        formed = FormedPage(frames, reached, page.floor, weight)
        self._keep(question.key, formed)
        return formed

    def _keep(self, key: Hashable, page: FormedPage) -> None:
        self._discard(key)
        self._kept[key] = page
        self._weight += page.weight
        while self._weight > KEPT_BYTES:
            self._discard(next(iter(self._kept)))

    def _discard(self, key: Hashable) -> None:
        page = self._kept.pop(key, None)
        if page is not None:
            self._weight -= page.weight


def _round(cursor: int, reached: int) -> int:
    """Return the number above `cursor`, and at most `reached`, that ends with the most binary
    zeros.
    """
    step = (cursor ^ reached).bit_length() - 1
    return reached >> step << step
