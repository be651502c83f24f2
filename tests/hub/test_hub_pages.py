"""Pages of history: shared, in turns, and no more of them kept than the bound."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.catalog import Catalog
from gateway.hub import Encoding, pages
from gateway.hub.pages import FormedPage, Pages, Question, _round
from gateway.store.history import Opened, Page

FRAMES = 2_000


class Rig:
    """Pages over made-up frames, one series, each frame with its seq as its value."""

    def __init__(self) -> None:
        self.catalog = Catalog(Opened("e", FRAMES, [], 0, []))
        self.series = self.catalog.series("telemetry", "k", "a")
        self.forms = 0
        self.reads: list[int] = []
        self.under_way = 0
        self.most_under_way = 0
        self.encoding = Encoding(frame=self.form)
        self.pages = Pages(self.read, self.catalog)

    def form(self, seq: int, entry: object, data: bytes) -> int:
        self.forms += 1
        return seq

    async def read(self, cursor: int, upto: int, series: Sequence[int] | None, limit: int) -> Page:
        self.reads.append(cursor)
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        await asyncio.sleep(0)
        self.under_way -= 1
        last = min(upto, cursor + limit)
        rows = [(seq, self.series.id, 1, str(seq), "") for seq in range(cursor + 1, last + 1)]
        return Page(rows, last, 0)

    async def get(self, cursor: int, upto: int = FRAMES, asker: object = "all") -> FormedPage:
        return await self.pages.get(Question(self.encoding, asker, None, cursor, upto))

    async def catch_up(self, cursor: int) -> list[int]:
        """Read everything after a cursor, page by page."""
        got: list[int] = []
        while cursor < FRAMES:
            page = await self.get(cursor)
            got += [frame.form for frame in page.frames]
            cursor = page.reached
        return got


async def test_those_who_ask_the_same_share_a_page() -> None:
    """Fifty listeners that come back together cost little more than one."""
    rig = Rig()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(rig.catch_up(100)) for _ in range(50)]
    assert all(task.result() == list(range(101, FRAMES + 1)) for task in tasks)
    assert rig.forms <= pages.TURNS * FRAMES


async def test_those_with_different_cursors_soon_share() -> None:
    """Pages end at round numbers: who begins a little later reads the same pages from then on."""
    rig = Rig()
    got = [await rig.catch_up(cursor) for cursor in range(100, 120)]
    assert [found[0] for found in got] == list(range(101, 121))
    assert rig.forms < 3 * FRAMES


async def test_no_more_pages_are_made_at_once_than_turns() -> None:
    """Whoever else catches up waits."""
    rig = Rig()
    async with asyncio.TaskGroup() as group:
        for number in range(20):
            group.create_task(rig.get(0, asker=number))
    assert rig.most_under_way == pages.TURNS


async def test_other_askers_get_their_own() -> None:
    """Other series, another encoding: another page."""
    rig = Rig()
    await rig.get(0)
    await rig.get(0, asker="another")
    await rig.pages.get(Question(Encoding(frame=rig.form, join=list), "all", None, 0, FRAMES))
    assert rig.reads == [0, 0, 0]


async def test_a_page_never_goes_beyond_what_was_asked() -> None:
    """A page that reaches further than this listener may go is not given to it."""
    rig = Rig()
    await rig.get(0)
    page = await rig.get(0, upto=10)
    assert (page.reached, [frame.seq for frame in page.frames]) == (10, list(range(1, 11)))


async def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest page goes first, and a page above the bound is given but not kept."""
    monkeypatch.setattr(pages, "KEPT_BYTES", 150_000)
    rig = Rig()
    await rig.catch_up(0)
    assert 0 < rig.pages._weight <= 150_000
    assert rig.pages._weight == sum(page.weight for page in rig.pages._kept.values())
    monkeypatch.setattr(pages, "KEPT_BYTES", 1)
    page = await rig.get(5)
    assert page.frames
    assert (rig.pages._weight, rig.pages._kept) == (0, {})


async def test_a_removed_device_is_not_in_a_page() -> None:
    """Its series is not in the catalog any more."""
    rig = Rig()
    rig.catalog.hide("k")
    assert (await rig.get(0)).frames == []


@given(st.integers(0, 10**9), st.integers(1, 10**4))
def test_a_round_end(cursor: int, length: int) -> None:
    """The end lies after the cursor and not beyond the last, and no number between has more binary
    zeros at its end.
    """
    last = cursor + length
    end = _round(cursor, last)
    assert cursor < end <= last

    def zeros(number: int) -> int:
        return number & -number

    assert all(
        zeros(other) <= zeros(end) for other in range(cursor + 1, min(last, cursor + 300) + 1)
    )
