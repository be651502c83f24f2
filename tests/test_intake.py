"""The intake: stored, then shown, then acknowledged; in order; and it goes on by itself when the
disk does.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest

from gateway import intake as intakes
from gateway.errors import StoreError, Unavailable
from gateway.frames import Entry, Series
from gateway.intake import Intake
from gateway.store.facts import Fact, SeriesHidden
from gateway.valve import Valve
from tests.rig import until

SERIES = Series(1, "telemetry", "k", "a")
FULL = StoreError("database or disk is full")


def entries(*values: object) -> list[Entry]:
    """Entries of one series."""
    return [(SERIES, 1, str(value), "") for value in values]


def fact(name: str) -> Fact:
    """Return a fact that can be told from others."""
    return SeriesHidden(name, 0)


class Disk:
    """A disk that keeps what is committed, refuses on demand, and waits when told to."""

    def __init__(self) -> None:
        self.log: list[tuple[str, object]] = []
        self.rows: dict[int, str] = {}
        self.facts: list[Fact] = []
        self.commits = 0
        self.refusals: list[BaseException] = []
        self.open = asyncio.Event()
        self.open.set()
        self.begun = asyncio.Event()
        self.unsaved: list[Fact] = []
        self.valve = Valve()
        self.valve.subscribe(self._pause, self._resume)

    async def commit(self, seq: int, entries: Sequence[Entry], facts: Sequence[Fact]) -> None:
        self.begun.set()
        await self.open.wait()
        if self.refusals:
            raise self.refusals.pop(0)
        self.commits += 1
        for number, entry in enumerate(entries, seq):
            assert number not in self.rows
            self.rows[number] = entry[2]
            self.log.append(("stored", number))
        self.facts += facts

    def publish(self, first: int, entries: Sequence[Entry]) -> None:
        self.log += [("shown", number) for number in range(first, first + len(entries))]

    def told(self, name: object) -> Callable[[], None]:
        return lambda: self.log.append(("told", name))

    def _pause(self) -> None:
        self.log.append(("slow", True))

    def _resume(self) -> None:
        self.log.append(("slow", False))

    def take_unsaved(self) -> list[Fact]:
        taken, self.unsaved = self.unsaved, []
        return taken


@asynccontextmanager
async def running(disk: Disk, seq: int = 0) -> AsyncIterator[Intake]:
    """An intake on a disk; at the end it is closed and must end by itself."""
    intake = Intake(
        seq=seq,
        commit=disk.commit,
        publish=disk.publish,
        unsaved=disk.take_unsaved,
        valve=disk.valve,
    )
    task = asyncio.create_task(intake.run())
    yield intake
    intake.close()
    disk.open.set()
    await asyncio.wait_for(task, 10)


async def test_stored_then_shown_then_told() -> None:
    """Promise 1, and the sequence goes on above what there was."""
    disk = Disk()
    async with running(disk, seq=41) as intake:
        assert intake.submit(entries("a", "b"), disk.told("x")) == 43
        assert await intake.store(entries("c")) == 44
    assert disk.rows == {42: "a", 43: "b", 44: "c"}
    assert (
        disk.log.index(("stored", 43))
        < disk.log.index(("shown", 42))
        < disk.log.index(("told", "x"))
    )
    assert [entry for entry in disk.log if entry[0] == "shown"] == [
        ("shown", 42),
        ("shown", 43),
        ("shown", 44),
    ]


async def test_what_comes_meanwhile_is_the_next_batch() -> None:
    """Batches grow while the disk works; order and acknowledgement order stay."""
    disk = Disk()
    async with running(disk) as intake:
        disk.open.clear()
        intake.submit(entries("first"), disk.told(0))
        await disk.begun.wait()
        for number in range(1, 100):
            intake.submit(entries(number, -number), disk.told(number))
        assert intake.waiting == 199
        disk.open.set()
        await intake.store([])
        assert disk.commits == 2
        assert intake.committed == 2
        assert intake.waiting == 0
    assert list(disk.rows) == list(range(1, 200))
    assert [name for kind, name in disk.log if kind == "told"] == list(range(100))


async def test_the_next_commit_begins_before_the_batch_is_shown() -> None:
    """The disk works while listeners are served; yet a batch is never shown before it is stored."""
    disk = Disk()
    commits: list[int] = []

    async def commit(seq: int, entries: Sequence[Entry], facts: Sequence[Fact]) -> None:
        commits.append(seq)
        await asyncio.sleep(0)
        await disk.commit(seq, entries, facts)

    shown: list[tuple[int, list[int]]] = []
    intake = Intake(
        seq=0,
        commit=commit,
        publish=lambda first, entries: shown.append((first, list(commits))),
        unsaved=list,
        valve=disk.valve,
    )
    task = asyncio.create_task(intake.run())
    intake.submit(entries("a"))
    await asyncio.sleep(0)
    intake.submit(entries("b"))
    intake.close()
    await task
    assert shown == [(1, [1, 2]), (2, [1, 2])]


async def test_a_disk_that_refuses_holds_everything_back(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is shown or acknowledged meanwhile; then it goes on by itself, nothing lost, nothing
    twice.
    """
    monkeypatch.setattr(intakes, "RETRY_FIRST", 0.001)
    disk = Disk()
    disk.refusals = [FULL] * 4
    async with running(disk) as intake:
        disk.open.clear()
        intake.submit(entries("a"), disk.told("a"), [fact("one")])
        waiting = asyncio.create_task(intake.store(entries("b")))
        await disk.begun.wait()
        disk.begun.clear()
        disk.open.set()
        await disk.begun.wait()
        assert intake.refusal == str(FULL)
        assert disk.log == []
        with pytest.raises(Unavailable, match="disk is full"):
            await waiting
        with pytest.raises(Unavailable, match="disk is full"):
            await intake.store(entries("refused"))
        intake.submit(entries("c"), disk.told("c"))
        await until(lambda: intake.refusal is None)
    assert disk.rows == {1: "a", 2: "b", 3: "c"}
    assert disk.facts == [fact("one")]
    assert [name for kind, name in disk.log if kind == "told"] == ["a", "c"]
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]


async def test_other_errors_are_not_tried_again() -> None:
    """A mistake of ours ends the intake instead of being repeated for ever."""
    disk = Disk()
    disk.refusals = [TypeError("a mistake")]
    intake = Intake(seq=0, commit=disk.commit, publish=disk.publish, unsaved=list, valve=disk.valve)
    intake.submit(entries("a"), disk.told("a"))
    with pytest.raises(TypeError, match="a mistake"):
        await intake.run()
    assert disk.log == []


async def test_a_sender_that_cannot_be_told_costs_nobody_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A callback that raises is logged; the others run."""

    def broken() -> None:
        raise RuntimeError("gone")

    disk = Disk()
    async with running(disk) as intake:
        intake.submit(entries("a"), disk.told(1))
        intake.submit(entries("b"), broken)
        intake.submit(entries("c"), disk.told(2))
    assert [entry for entry in disk.log if entry[0] == "told"] == [("told", 1), ("told", 2)]
    assert [record.message for record in caplog.records] == ["after a commit"]


async def test_only_acknowledgements_do_not_touch_the_disk() -> None:
    """A batch of nothing but callbacks keeps its place in the order and costs no commit."""
    disk = Disk()
    async with running(disk) as intake:
        disk.open.clear()
        intake.submit(entries("a"), disk.told("a"))
        await disk.begun.wait()
        intake.submit((), disk.told("b"))
        disk.open.set()
        await intake.store([])
        assert disk.commits == 1
        assert await intake.store([]) == 1
        assert disk.commits == 1
    assert disk.log == [("stored", 1), ("shown", 1), ("told", "a"), ("told", "b")]


async def test_unsaved_facts_go_first() -> None:
    """What the catalog has to say stands before the batch's own facts, and is taken once."""
    disk = Disk()
    disk.unsaved = [fact("series")]
    async with running(disk) as intake:
        await intake.store((), [fact("own")])
        await intake.store((), [fact("later")])
    assert disk.facts == [fact("series"), fact("own"), fact("later")]


async def test_idle() -> None:
    """Idle is when nothing waits, is on the disk's way or is about to be told: then an answer may
    be given at once.
    """
    disk = Disk()
    seen: list[bool] = []
    async with running(disk) as intake:
        assert intake.idle
        disk.open.clear()
        intake.submit(entries("a"), lambda: seen.append(intake.idle))
        assert not intake.idle
        await disk.begun.wait()
        assert not intake.idle
        disk.open.set()
        await intake.store([])
        await asyncio.sleep(0)
        assert intake.idle
        intake.submit((), disk.told("x"))
        assert not intake.idle
    assert intake.idle
    assert seen == [False]


async def test_senders_are_slowed_by_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slowed once when too many wait, let go once when half of them are through; HTTP waits
    a moment, and is refused after it.
    """
    monkeypatch.setattr(intakes, "MAX_ENTRIES", 10)
    disk = Disk()
    async with running(disk) as intake:
        disk.open.clear()
        intake.submit(entries(*range(10)))
        assert not intake.full
        intake.submit(entries(1))
        intake.submit(entries(2))
        assert intake.full
        monkeypatch.setattr(intakes, "PATIENCE", 0.01)
        with pytest.raises(Unavailable, match="more arrives"):
            await intake.store(entries("x"))
        monkeypatch.setattr(intakes, "PATIENCE", 60)
        waiting = asyncio.create_task(intake.store(entries("late")))
        await asyncio.sleep(0)
        assert not waiting.done()
        disk.open.set()
        while intake.full:
            await asyncio.sleep(0)
        assert intake.waiting < 5
        await waiting
    assert [entry for entry in disk.log if entry[0] == "slow"] == [("slow", True), ("slow", False)]
    assert len(disk.rows) == 13


async def test_senders_are_slowed_by_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few large messages count as much as many small ones; facts count too, and all is given
    back.
    """
    monkeypatch.setattr(intakes, "MAX_BYTES", 1_000)
    disk = Disk()
    async with running(disk) as intake:
        intake.submit(entries("a"), size=1_000)
        assert not intake.full
        intake.submit((), facts=[fact("one")])
        assert intake.full
        while intake.full:
            await asyncio.sleep(0)
        intake.submit(entries("a"), size=1_001)
        assert intake.full
    assert [slow for kind, slow in disk.log if kind == "slow"] == [True, False, True, False]


async def test_close_stores_what_was_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing waits for the disk, even for one that refuses at first; who comes later is told to
    come again.
    """
    monkeypatch.setattr(intakes, "RETRY_FIRST", 0.001)
    disk = Disk()
    disk.refusals = [FULL]
    async with running(disk) as intake:
        for number in range(1_000):
            intake.submit(entries(number), disk.told(number))
        intake.close()
        with pytest.raises(Unavailable, match="stopping"):
            await intake.store(entries("late"))
    assert len(disk.rows) == 1_000
    assert [name for kind, name in disk.log if kind == "told"] == list(range(1_000))


async def test_close_when_idle() -> None:
    """An intake with nothing to do ends at once, writes nothing, and then takes nothing in."""
    disk = Disk()
    async with running(disk) as intake:
        await asyncio.sleep(0)
    assert (disk.commits, disk.log) == (0, [])
    with pytest.raises(Unavailable, match="stopping"):
        await intake.store(entries("late"))


async def test_who_no_longer_waits_is_stored_all_the_same() -> None:
    """A client that goes away after its POST was accepted takes nothing back."""
    disk = Disk()
    async with running(disk) as intake:
        disk.open.clear()
        waiting = asyncio.create_task(intake.store(entries("a")))
        await disk.begun.wait()
        waiting.cancel()
        disk.open.set()
        await intake.store([])
    assert waiting.cancelled()
    assert disk.rows == {1: "a"}


async def test_a_callback_may_submit() -> None:
    """What a callback submits comes after everything accepted before."""
    disk = Disk()
    async with running(disk) as intake:
        intake.submit(entries("a"), lambda: disk.log.append(("seq", intake.submit(entries("c")))))
        intake.submit(entries("b"))
        await intake.store([])
    assert disk.rows == {1: "a", 2: "b", 3: "c"}
