"""History: what SQLite answers is what a list in memory would, folded or not, pruned or not."""

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.frames import Series
from gateway.store.facts import PAYLOAD_BYTES, SeriesAdded, rejection
from gateway.store.history import Row, Span
from gateway.store.sqlite import batch, history
from gateway.store.sqlite.database import Database, open_sync, transaction

SERIES = [Series(number, "telemetry", "k", str(number)) for number in (1, 2, 3)]
VALUES = st.sampled_from(
    ["1", "-2.5", "1e3", "0", "true", "false", "null", '"1"', '"-"', "[1]", '{"a":1}', "7", "-0"]
)
FRAMES = st.lists(st.tuples(st.integers(1, 3), st.integers(0, 30), VALUES), max_size=40)
PART = st.floats(0, 1)
SOME = st.sets(st.integers(1, 4), max_size=4)


@contextmanager
def stored(
    frames: list[tuple[int, int, str]], folded: float = 0, beyond: float = 0
) -> Iterator[sqlite3.Connection]:
    """A history of these frames, folded up to a part of them, and half-way through folding
    `beyond`.
    """
    db = open_sync(Path(":memory:"))
    db.executemany(
        "INSERT INTO series (id, type, device, channel) VALUES (?, 'telemetry', 'k', ?)",
        [(s.id, s.id) for s in SERIES],
    )
    batch.append(db, 1, [(SERIES[number - 1], ts, value, "") for number, ts, value in frames], ())
    done = int(len(frames) * folded)
    db.execute("UPDATE meta SET value=? WHERE key='folded'", (done,))
    into = "INSERT INTO frames_by_time SELECT series, ts, seq FROM frames WHERE seq"
    db.execute(f"{into} <= ?", (done,))
    db.execute(f"{into} > ? ORDER BY series, ts, seq LIMIT ?", (done, int(len(frames) * beyond)))
    try:
        yield db
    finally:
        db.close()


def rows_of(frames: list[tuple[int, int, str]]) -> list[Row]:
    """What the history holds of these frames."""
    return [(seq, number, ts, value, "") for seq, (number, ts, value) in enumerate(frames, 1)]


def in_time(row: Row) -> tuple[int, int]:
    """The order of `by_time`."""
    return row[2], row[0]


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 512, 700])
def test_batches_of_every_size(size: int) -> None:
    """Rows written many at a time and one at a time are the same rows, in one sequence."""
    with stored([(1, 5, "0")]) as db:
        batch.append(db, 2, [(SERIES[n % 3], n, str(n), ',"received":1') for n in range(size)], ())
        rows = db.execute("SELECT * FROM frames WHERE seq > 1 ORDER BY seq").fetchall()
        assert rows == [(n + 2, n % 3 + 1, n, str(n), ',"received":1') for n in range(size)]
        assert history.newest(db) == size + 1


def test_a_fact_that_breaks_a_constraint_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    """It costs neither the frames of its batch nor the other facts, and is logged."""
    with stored([]) as db, caplog.at_level(logging.ERROR):
        batch.append(
            db,
            1,
            [(SERIES[0], 1, "1", "")],
            [SeriesAdded(1, "x", "y", "z"), SeriesAdded(9, "telemetry", "l", "a")],
        )
        assert history.newest(db) == 1
        assert db.execute("SELECT device FROM series WHERE id IN (1, 9)").fetchall() == [
            ("k",),
            ("l",),
        ]
    assert "UNIQUE" in caplog.text
    with stored([]) as db:
        db.execute("DROP TABLE series")
        with pytest.raises(sqlite3.OperationalError):
            batch.append(db, 1, [], [SeriesAdded(9, "telemetry", "l", "a")])


@given(
    FRAMES,
    PART,
    PART,
    st.none() | SOME,
    st.integers(0, 45),
    st.integers(0, 45),
    st.integers(1, 7),
    PART,
)
def test_after(
    frames: list[tuple[int, int, str]],
    folded: float,
    beyond: float,
    wanted: set[int] | None,
    cursor: int,
    upto: int,
    limit: int,
    pruned: float,
) -> None:
    """Page by page, every wanted frame comes once, in order; nothing above `upto`, and the floor is
    said.
    """
    floor = int(len(frames) * pruned)
    expected = [
        row
        for row in rows_of(frames)
        if max(cursor, floor) < row[0] <= upto and (wanted is None or row[1] in wanted)
    ]
    with pytest.MonkeyPatch.context() as patch, stored(frames, folded, beyond) as db:
        patch.setattr(history, "WINDOW", 5)
        patch.setattr(history, "PAGE_BYTES", 6)
        db.execute("UPDATE meta SET value=? WHERE key='floor'", (floor,))
        found: list[Row] = []
        while cursor < upto:
            page = history.after(db, cursor, upto, wanted, limit)
            assert page.floor == min(floor, upto)
            assert len(page.rows) <= limit
            assert sum(len(row[3]) for row in page.rows[:-1]) <= 6
            assert cursor < page.reached <= upto
            assert all(cursor < row[0] <= page.reached for row in page.rows)
            found += page.rows
            cursor = page.reached
    assert found == expected


def test_one_call_looks_at_a_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """A filter that matches nothing gets on by a window a call, not through all of history at
    once.
    """
    monkeypatch.setattr(history, "WINDOW", 10)
    with stored([(1, 1, "1")] * 35) as db:
        assert history.after(db, 0, 35, [2], 100) == ([], 10, 0)
        assert history.after(db, 30, 35, [2], 100) == ([], 35, 0)
        assert history.after(db, 30, 40, [2], 100) == ([], 40, 0)


def test_large_values_make_small_pages() -> None:
    """A page is bounded in bytes: a thousand frames of 256 KB are never in memory at once."""
    large = '"' + "x" * (256 << 10) + '"'
    with stored([(1, 1, large)] * 12) as db:
        page = history.after(db, 0, 12, None, 1_000)
        assert 1 < len(page.rows) < 12
        assert page.reached == len(page.rows)
        assert sum(len(row[3]) for row in page.rows) <= history.PAGE_BYTES + len(large)


@given(
    FRAMES,
    PART,
    PART,
    SOME,
    st.integers(0, 31),
    st.integers(0, 31),
    st.integers(1, 5),
    st.booleans(),
    st.integers(0, 40),
)
def test_by_time(
    frames: list[tuple[int, int, str]],
    folded: float,
    beyond: float,
    wanted: set[int],
    start: int,
    end: int,
    limit: int,
    newest_first: bool,
    removed: int,
) -> None:
    """Page by page in order of (ts, seq), either way round, whatever part is folded."""
    rows = [
        row
        for row in rows_of(frames)
        if row[0] > removed and row[1] in wanted and start <= row[2] < end
    ]
    expected = sorted(rows, key=in_time, reverse=newest_first)
    with stored(frames, folded, beyond) as db:
        db.execute("DELETE FROM frames_by_time WHERE seq <= ?", (removed,))
        db.execute("DELETE FROM frames WHERE seq <= ?", (removed,))
        found: list[Row] = []
        span = Span(start, end)
        while page := history.by_time(db, wanted, span, limit, newest_first=newest_first):
            assert len(page) <= limit
            found += page
            assert len(found) <= len(expected)
            span = Span(start, end, in_time(page[-1]))
    assert found == expected


@given(FRAMES, PART, PART)
def test_latest_of_each_series(
    frames: list[tuple[int, int, str]], folded: float, beyond: float
) -> None:
    """At the start each series has its latest frame, in the index or not yet."""
    latest: dict[int, Row] = {}
    for row in sorted(rows_of(frames), key=in_time):
        latest[row[1]] = row
    with stored(frames, folded, beyond) as db:
        opened = history.opened(db)
    assert sorted(opened.latest) == sorted(latest.values())
    assert (opened.seq, opened.last_series) == (len(frames), 3)


async def test_pruned_in_the_middle_of_a_read(tmp_path: Path) -> None:
    """A read sees one moment: what it finds missing it also finds above the floor's mark."""
    database = await Database.open(tmp_path / "a.db")
    await database.write(lambda db: batch.append(db, 1, [(SERIES[0], 1, "1", "")] * 10, ()))
    other = sqlite3.connect(database.path, isolation_level=None, check_same_thread=False)

    def prune(statement: str) -> None:
        if "FROM frames" in statement:
            other.execute("UPDATE meta SET value=8 WHERE key='floor'")
            other.execute("DELETE FROM frames WHERE seq <= 8")

    def read(db: sqlite3.Connection) -> history.Page:
        db.set_trace_callback(prune)
        try:
            return history.after(db, 0, 10, None, 100)
        finally:
            db.set_trace_callback(None)

    page = await database.read(read)
    assert [row[0] for row in page.rows] == list(range(1, 11))
    assert page.floor == 0
    page = await database.read(lambda db: history.after(db, 0, 10, None, 100))
    assert ([row[0] for row in page.rows], page.floor) == ([9, 10], 8)
    other.close()
    await database.close()


def test_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest are kept, with the payload's beginning, and read page by page."""
    monkeypatch.setattr(batch, "REJECTED_KEPT", 10)
    with stored([]) as db:
        for number in range(25):
            batch.append(db, 1, [], [rejection(number, f"t/{number}", None, "no", b"\xff" * 1_000)])
        first = history.rejected(db, None, 6)
        second = history.rejected(db, first[-1].id, 6)
    assert [row.at for row in first] == [24, 23, 22, 21, 20, 19]
    assert [row.at for row in second] == [18, 17, 16, 15]
    assert first[0].payload == b"\xff" * PAYLOAD_BYTES
    assert (first[0].topic, first[0].device, first[0].reason) == ("t/24", None, "no")


@pytest.mark.parametrize("newest_first", [True, False])
def test_queries_use_the_index(newest_first: bool) -> None:
    """A query by time searches the index in its order: it neither scans nor sorts what is
    folded.
    """
    with stored([(1, 1, "1")]) as db:
        statements: list[str] = []
        db.set_trace_callback(statements.append)
        history.by_time(db, [1], Span(0, 9, (1, 2)), 5, newest_first=newest_first)
        db.set_trace_callback(None)
        (indexed,) = [statement for statement in statements if "frames_by_time" in statement]
        plan = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {indexed}")]
    assert len(plan) == 2
    assert plan[0].startswith("SEARCH i USING PRIMARY KEY (series=? AND ts>? AND ts<?)")
    assert plan[1].startswith("SEARCH f USING INTEGER PRIMARY KEY")


def test_a_page_begins_where_the_one_before_ended() -> None:
    """Deep pages cost what the first one does: the index is entered at the cursor, either way."""
    rows = [(1, ts, str(ts)) for ts in range(20_000)]
    with stored(rows, folded=1) as db:
        for newest_first, cursor in ((False, (19_900, 19_901)), (True, (99, 100))):
            steps = 0

            def count() -> int:
                nonlocal steps
                steps += 1
                return 0

            span = Span(0, 1 << 40, cursor)
            db.set_progress_handler(count, 100)
            found = history.by_time(db, [1], span, 50, newest_first=newest_first)
            db.set_progress_handler(None, 0)
            assert len(found) == 50
            assert steps < 100


def test_a_time_that_is_yet_to_come_is_the_latest_until_a_newer_frame() -> None:
    """A clock that was wrong once does not freeze a channel after the next start."""
    late = 4_102_444_800_000  # 2100
    with stored([(1, 5, "1"), (1, late, "2"), (2, 7, "1"), (2, late, "2"), (2, 6, "3")]) as db:
        for folded in (0, 5):
            db.execute("UPDATE meta SET value = ? WHERE key = 'folded'", (folded,))
            db.execute("DELETE FROM frames_by_time")
            if folded:
                db.execute("INSERT INTO frames_by_time SELECT series, ts, seq FROM frames")
            latest = {row[1]: row[0] for row in history.opened(db, 1_000).latest}
            # Of series 2 the greatest of what has come; it came before the wrong one, which stays.
            assert latest == {1: 2, 2: 4}
        db.execute("INSERT INTO frames VALUES (6, 1, 8, '3', ''), (7, 2, 9, '4', '')")
        latest = {row[1]: row[0] for row in history.opened(db, 1_000).latest}
        assert latest == {1: 6, 2: 7}


def damaged(path: Path) -> sqlite3.Connection:
    """Return a history of 200 frames with a page in the middle that cannot be read."""
    db = open_sync(path)
    with transaction(db):
        batch.append(db, 1, [(SERIES[n % 2], n, f'"{"x" * 400}"', "") for n in range(1, 201)], ())
    size = db.execute("PRAGMA page_size").fetchone()[0]
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    (victim,) = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'frames'").fetchone()
    db.close()
    data = bytearray(path.read_bytes())
    leaf = int.from_bytes(data[(victim - 1) * size + 12 + 2 * 5 :][:2])  # the sixth cell
    page = int.from_bytes(data[(victim - 1) * size + leaf :][:4])
    data[(page - 1) * size : page * size] = b"\xff" * size
    path.write_bytes(data)
    return open_sync(path)


def test_frames_that_cannot_be_read_are_a_gap(tmp_path: Path) -> None:
    """A damaged page costs the frames on it: who resumes is told of a gap, and goes on."""
    db = damaged(tmp_path / "gateway.db")
    cursor, seqs, gaps = 0, [], []
    while cursor < 200:
        found = history.after(db, cursor, 200, None, 1_000)
        if found.floor > cursor:
            gaps.append((cursor + 1, found.floor))
        seqs += [row[0] for row in found.rows]
        cursor = found.reached
    db.close()
    ((first, last),) = gaps
    assert 1 < first < last < 200
    assert seqs == [*range(1, first), *range(last + 1, 201)]


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("folded", [0, 100, 200])
def test_frames_that_cannot_be_read_are_left_out_by_time(
    tmp_path: Path, folded: int, newest_first: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Page by page every other frame comes once, in order, and the log says that some do not."""
    path = tmp_path / "gateway.db"
    db = damaged(path)
    db.execute("UPDATE meta SET value = ? WHERE key = 'folded'", (folded,))
    db.executemany(
        "INSERT INTO frames_by_time VALUES (?, ?, ?)",
        [(SERIES[n % 2].id, n, n) for n in range(1, folded + 1)],
    )
    seqs: list[int] = []
    span = Span(1, 201)
    while page := history.by_time(db, [1, 2], span, 7, newest_first=newest_first):
        seqs += [row[0] for row in page]
        span = span._replace(after=in_time(page[-1]))
    db.close()
    there = set(seqs)
    lost = sorted(set(range(1, 201)) - there)
    assert lost == list(range(lost[0], lost[-1] + 1))
    assert 1 < lost[0] < lost[-1] < 200
    assert seqs == sorted(there, reverse=newest_first)
    assert "cannot be read" in caplog.text
