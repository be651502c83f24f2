"""What keeps the database in shape behind the writer: fold, prune, checkpoint.

*Fold* enters frames into the index by series and time, and into the aggregates. Doing so frame by
frame would touch a page of the index for every frame once there are many devices; sorting a long
run first touches each page once. *Prune* takes the oldest frames away, by age and by size; the last
frame of a series stays. *Checkpoint* moves the write-ahead log into the file. Each works in slices
short enough that the writer hardly waits.
"""

from __future__ import annotations

import logging
import time
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from gateway.store.patience import repeat
from gateway.store.sqlite import aggregates, history, keeping, sizes
from gateway.store.sqlite.believed_time import BelievedTime

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Awaitable, Callable

    from gateway.shapes import Clock, Seconds
    from gateway.store.keeping import Keeping
    from gateway.store.sqlite.database import Database

T = TypeVar("T")

log = logging.getLogger(__name__)

FOLD_AT_ONCE = 250_000  # frames sorted together; a query by time scans hardly more than this
FOLD_EVERY = 10.0  # s
CATCH_UP = 50_000  # frames of an older database that enter the aggregates in one step
CATCH_UP_TOLD = 1_000_000  # after this many the log says how many are left
SLICE_ROWS = 4_000  # rows written in one turn: some ten milliseconds
MARK_EVERY = 60_000  # ms
CHECKPOINT_BYTES = 8 << 20
TRUST = 3_600.0  # s for which the clock must go steadily before anything is removed by its age
IN_VAIN = 10  # parts of history, a fiftieth each, removed by one look that free nothing
_UNFOLD = (
    "DELETE FROM frames_by_time WHERE (series, ts, seq) IN "
    "(SELECT series, ts, seq FROM temp.sorted WHERE rowid > ? AND rowid <= ?)"
)
_REMOVE = (
    "DELETE FROM frames WHERE seq IN (SELECT seq FROM temp.removable WHERE rowid > ? "
    "AND rowid <= ?)"
)


class Upkeep:
    """A loop that runs `fold`, `prune` and `checkpoint`.

    `clock`: ms since 1970.
    """

    def __init__(
        self,
        database: Database,
        kept: Keeping,
        *,
        clock: Clock,
        every: float = 1.0,
        steady: Seconds = time.monotonic,
    ) -> None:
        self._database = database
        self._kept = kept
        self._clock = clock
        self._every = every
        self._idle = 0.0  # s since the last fold
        self.behind = 0  # frames that the aggregates have yet to catch up with
        self._aged_at = 0  # ms
        ages = [
            age for age in (*kept[:4], *(one.keep for one in kept.exemptions)) if age is not None
        ]
        self._time = BelievedTime(clock, steady, min(TRUST, min(ages, default=0) / 2000))

    async def run(self) -> None:
        """Work until cancelled."""
        await repeat(self.step, self._every, "upkeep")

    async def step(self) -> None:
        """Do what is due."""
        self._database.look()
        if self._database.trouble is not None:
            return
        self._idle += self._every
        waiting = await self._read(_unfolded)
        if waiting >= FOLD_AT_ONCE or (waiting and self._idle >= FOLD_EVERY):
            await self.fold()
            self._idle = 0.0
        await self.catch_up()
        await self.prune()
        await self._bound_log()

    async def fold(self) -> None:
        """Enter the frames that are there now in the index by time; what comes meanwhile waits for
        the next time.
        """
        newest = await self._read(history.newest)
        following = partial(aggregates.next_run, newest=newest, most=FOLD_AT_ONCE)
        while (run := await self._read(following)) is not None:
            await self._enter(run)

    async def catch_up(self) -> None:
        """Enter some of the frames in the aggregates that are in the index already: of a database
        that was there before there were aggregates.
        """
        run = await self._read(partial(aggregates.late_run, most=CATCH_UP))
        if run is None:
            return
        await self._enter(run)
        self.behind = await self._read(aggregates.behind)
        if self.behind == 0 or run.last % CATCH_UP_TOLD < CATCH_UP:
            log.info("aggregates of the history: %d frames are still to be read", self.behind)

    async def _enter(self, run: aggregates.Run) -> None:
        for start in range(0, run.rows, SLICE_ROWS // 2):  # each row goes to four places
            end = min(start + SLICE_ROWS // 2, run.rows)
            await self._write(partial(aggregates.add, run=run, start=start, end=end))
            await self._bound_log()
        await self._write(partial(aggregates.finish, run=run))

    async def prune(self) -> None:
        """Take away what is too old or too much, oldest first; each step tells listeners' cursors
        first.
        """
        await self._prune_by_age()
        if self._kept.max_size is not None:
            await self._prune_by_size(self._kept.max_size)

    async def _prune_by_age(self) -> None:
        """A clock that was ahead for a while removes nothing: its marks are forgotten."""
        now, believed = self._clock(), self._time.believed()
        if await self._read(partial(_mark_due, now=now)):
            await self._write(partial(_mark, now=now))
            await self._remove_hidden()
        if believed and abs(now - self._aged_at) >= MARK_EVERY:
            self._aged_at = now
            await self._write(partial(_forget_marks_ahead, now=now))
            await self._prune_aged(now)

    async def _prune_aged(self, now: int) -> None:
        kept = self._kept
        ages = await self._read(partial(keeping.mark_exempt, exemptions=kept.exemptions))
        if kept.frames is not None:
            await self._prune_to(await self._read(partial(_reached_by, at=now - kept.frames)))
        for age in ages:
            await self._prune_exempt(age, now - age)
        for level, kept_for in enumerate((kept.minutes, kept.hours, kept.days)):
            if kept_for is not None:
                await self._remove_buckets(level, now - kept_for)

    async def _prune_exempt(self, age: int, before: int) -> None:
        """Take away frames with a time of their own; cursors of who wants them are told."""
        upto = await self._read(partial(_removable_upto, at=before))
        sort = partial(keeping.sort_exempt, keep=age, before=before, upto=upto)
        if removable := await self._read(sort):
            await self._write(keeping.note_thinned)
            await self._write(_note_beginnings)
            await self._remove(removable)

    async def _remove_buckets(self, level: int, before: int) -> bool:
        """Remove buckets of a level; tell whether there were any."""
        remove = partial(keeping.remove_old, level=level, before=before, most=SLICE_ROWS)
        found = False
        while await self._write(remove):
            found = True
            await self._bound_log()
        return found

    async def _prune_by_size(self, most: int) -> None:
        """First frames, then minutes. Stop where removing frees nothing: what is large then is not
        history.
        """
        if await self._read(sizes.history_size) > most:
            await self._read(partial(keeping.mark_exempt, exemptions=()))
            if await self._prune_parts(self._prune_oldest, most):
                await self._prune_parts(self._prune_minutes, most)

    async def _prune_parts(self, part: Callable[[], Awaitable[bool]], most: int) -> bool:
        """Remove part by part while there is too much; tell whether none was left."""
        least = size = await self._read(sizes.history_size)
        vain = 0  # parts removed since the size fell last
        while size > most and vain < IN_VAIN:
            if not await part():
                return True
            size = await self._read(sizes.history_size)
            vain, least = (0, size) if size < least else (vain + 1, least)
        return False

    async def _prune_oldest(self) -> bool:
        return await self._prune_to(await self._read(_oldest_part))

    async def _prune_minutes(self) -> bool:
        before = await self._read(keeping.oldest_minutes)
        return before is not None and await self._remove_buckets(0, before)

    async def _prune_to(self, last: int) -> bool:
        """Remove the frames up to a seq; tell whether any could be removed."""
        start = floor = await self._read(history.floor)
        last = min(last, await self._read(_entered))
        while floor < last:
            upto = min(last, floor + FOLD_AT_ONCE)
            await self._write(partial(_raise_floor, floor=upto))
            removable = await self._read(partial(_sort_removable, upto=upto))
            await self._write(_note_beginnings)
            await self._remove(removable)
            floor = upto
        if floor > start:
            await self._remove_hidden()
            await self._write(_forget_hidden)
        return floor > start

    async def _remove(self, rows: int) -> None:
        await self._slices(_UNFOLD, rows)
        await self._slices(_REMOVE, rows)

    async def _remove_hidden(self) -> None:
        while await self._write(partial(keeping.remove_hidden, most=SLICE_ROWS)):
            await self._bound_log()

    async def checkpoint(self) -> None:
        """Move the write-ahead log into the file, so that the log begins again.

        The most of it while the writer goes on, the rest in upkeep's turn: a log that is never
        caught up with would grow for ever.
        """
        await self._read(_checkpoint)
        await self._database.quietly(_checkpoint)

    async def _slices(self, sql: str, rows: int) -> None:
        for start in range(0, rows, SLICE_ROWS):
            await self._write(partial(_execute, sql=sql, parameters=(start, start + SLICE_ROWS)))
            await self._bound_log()

    async def _bound_log(self) -> None:
        if sizes.log(self._database.path) > CHECKPOINT_BYTES:
            await self.checkpoint()

    async def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await self._database.maintain(work, writing=False)

    async def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await self._database.maintain(work, writing=True)


def _execute(db: sqlite3.Connection, sql: str, parameters: tuple[int, ...]) -> None:
    db.execute(sql, parameters)


def _set(db: sqlite3.Connection, key: str, value: int) -> None:
    db.execute("UPDATE meta SET value=? WHERE key=?", (value, key))


def _unfolded(db: sqlite3.Connection) -> int:
    return history.newest(db) - history.meta(db, "folded")


def _entered(db: sqlite3.Connection) -> int:
    """Return up to which seq frames are in the index and in the aggregates."""
    return min(history.meta(db, "folded"), aggregates.position(db).upto)


def _sort_removable(db: sqlite3.Connection, upto: int) -> int:
    """Sort the frames to be removed, but for the last one of each series; return how many.

    `temp.sorted` has them in the order of the index, `temp.removable` in that of the frames.
    """
    db.execute("DROP TABLE IF EXISTS temp.kept")
    db.execute(
        "CREATE TEMP TABLE kept AS SELECT (SELECT seq FROM frames_by_time WHERE series = s.id "
        "ORDER BY ts DESC, seq DESC LIMIT 1) AS seq FROM series AS s WHERE NOT hidden"
    )
    db.execute("DELETE FROM temp.kept WHERE seq IS NULL OR seq > ?", (upto,))
    sql = (
        "SELECT series, ts, seq FROM frames WHERE seq <= ? AND seq NOT IN (SELECT seq FROM "
        "temp.kept) AND series NOT IN (SELECT series FROM temp.exempt)"
    )
    _sort(db, sql, (upto,))
    db.execute("DROP TABLE IF EXISTS temp.removable")
    db.execute("CREATE TEMP TABLE removable AS SELECT seq FROM temp.sorted ORDER BY seq")
    return _sorted_rows(db)


def _note_beginnings(db: sqlite3.Connection) -> None:
    """Note for each series from when on its frames are complete, before the others go."""
    db.execute(
        "INSERT INTO begins (series, frames) SELECT series, max(ts) + 1 FROM temp.sorted "
        "GROUP BY series ON CONFLICT DO UPDATE SET frames = max(frames, excluded.frames)"
    )


def _sort(db: sqlite3.Connection, sql: str, parameters: tuple[int, ...]) -> None:
    db.execute("DROP TABLE IF EXISTS temp.sorted")
    db.execute(f"CREATE TEMP TABLE sorted AS {sql} ORDER BY series, ts, seq", parameters)


def _sorted_rows(db: sqlite3.Connection) -> int:
    return int(db.execute("SELECT count(*) FROM temp.sorted").fetchone()[0])


def _forget_marks_ahead(db: sqlite3.Connection, now: int) -> None:
    db.execute("DELETE FROM marks WHERE at > ?", (now,))


def _forget_hidden(db: sqlite3.Connection) -> None:
    """Forget the series of removed devices of which no frame is left."""
    db.execute(
        "DELETE FROM series WHERE hidden AND id < (SELECT max(id) FROM series) AND NOT EXISTS "
        "(SELECT 1 FROM frames_by_time WHERE series = series.id) AND NOT EXISTS "
        "(SELECT 1 FROM aggregates WHERE series = series.id) AND id NOT IN "
        "(SELECT series FROM frames WHERE seq > (SELECT value FROM meta WHERE key = 'folded'))"
    )


def _mark_due(db: sqlite3.Connection, now: int) -> bool:
    seq, at = db.execute("SELECT seq, at FROM marks ORDER BY seq DESC LIMIT 1").fetchone() or (0, 0)
    return now - at >= MARK_EVERY and history.newest(db) > seq


def _mark(db: sqlite3.Connection, now: int) -> None:
    db.execute("INSERT OR REPLACE INTO marks VALUES (?, ?)", (history.newest(db), now))


def _reached_by(db: sqlite3.Connection, at: int) -> int:
    return int(db.execute("SELECT max(seq) FROM marks WHERE at < ?", (at,)).fetchone()[0] or 0)


def _removable_upto(db: sqlite3.Connection, at: int) -> int:
    """Return up to which seq frames came before a time, as far as marks tell it."""
    return min(max(_reached_by(db, at), history.floor(db)), _entered(db))


def _raise_floor(db: sqlite3.Connection, floor: int) -> None:
    _set(db, "seq", history.newest(db))  # survives even if no frame is left
    _set(db, "floor", floor)
    db.execute("DELETE FROM marks WHERE seq <= ?", (floor,))


def _oldest_part(db: sqlite3.Connection) -> int:
    floor = history.floor(db)
    return floor + max(1, (history.newest(db) - floor) // 50)  # by frames, whose size nobody knows


def _checkpoint(db: sqlite3.Connection) -> None:
    db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
