"""Aggregates: what they hold is what a list of all frames gives, wherever the work was cut off."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.frames import Series
from gateway.store.series import LEVELS
from gateway.store.sqlite import aggregates, batch, history
from gateway.store.sqlite.database import open_sync

SERIES = [Series(number, "telemetry", "k", str(number)) for number in (1, 2)]
OWN = ',"received":9'
VALUES = st.sampled_from(["1", "-2.5", "1e3", "true", "false", "null", '"on"', '{"a":1}', "7"])
LATE = st.integers(0, 5)
FRAMES = st.lists(
    st.tuples(
        st.sampled_from(SERIES),
        st.builds(lambda day, ms: day * 86_400_000 + ms, LATE, st.sampled_from([0, 1, 60_000,
            3_599_999, 3_600_000])),
        VALUES,
        st.sampled_from(["", OWN, OWN]),
    ),
    max_size=40,
)  # fmt: skip


def counted(frames: list[Any]) -> list[tuple[int, int, int, str]]:
    """What counts of frames: (series, ts, seq, value), without what was sent again."""
    known: set[tuple[int, int, str]] = set()
    found = []
    for seq, (series, ts, value, extra) in enumerate(frames, 1):
        if extra != OWN or (series.id, ts, value) not in known:
            found.append((series.id, ts, seq, value))
        known.add((series.id, ts, value))
    return found


def number(value: str) -> float | None:
    """What a value counts as in a sum."""
    if value in ("true", "false"):
        return float(value == "true")
    return float(value) if value[0] in "-0123456789" else None


def expected(frames: list[Any]) -> list[tuple[Any, ...]]:
    """All rows, computed plainly."""
    groups: dict[tuple[int, int, int], list[tuple[int, int, str]]] = {}
    for series, ts, seq, value in counted(frames):
        for level, size in enumerate(LEVELS):
            groups.setdefault((series, level, ts // size), []).append((ts, seq, value))
    return [(*key, *_row(sorted(groups[key]))) for key in sorted(groups)]


def _row(group: list[tuple[int, int, str]]) -> tuple[Any, ...]:
    found = [n for n in (number(value) for _, _, value in group) if n is not None]
    numbers = (sum(found), min(found), max(found)) if found else (None, None, None)
    (first_ts, _, first), (last_ts, _, last) = group[0], group[-1]
    return len(group), len(found), *numbers, first_ts, first, last_ts, last


@contextmanager
def store() -> Iterator[sqlite3.Connection]:
    """A database with two series."""
    db = open_sync(Path(":memory:"))
    db.executemany(
        "INSERT INTO series (id, type, device, channel) VALUES (?, 'telemetry', 'k', ?)",
        [(s.id, s.channel) for s in SERIES],
    )
    try:
        yield db
    finally:
        db.close()


def enter(db: sqlite3.Connection, run: aggregates.Run | None, rows: int, slices: int) -> None:
    """Enter a run in slices of so many rows; it is cut off after some slices."""
    if run is None:
        return
    for start in range(0, run.rows, rows):
        if slices == 0:
            return
        aggregates.add(db, run, start, min(start + rows, run.rows))
        slices -= 1
    aggregates.finish(db, run)


def held(db: sqlite3.Connection) -> list[tuple[Any, ...]]:
    """All rows of the aggregates."""
    return db.execute("SELECT * FROM aggregates").fetchall()


@given(FRAMES, FRAMES, st.integers(1, 9), st.integers(0, 4))
def test_each_frame_counts_once(first: list[Any], second: list[Any], rows: int, cut: int) -> None:
    """Late, repeated and equal-time frames of every kind, also where a fold was cut off."""
    with store() as db:
        for seq, frames in ((1, first), (len(first) + 1, second)):
            batch.append(db, seq, list(frames), ())
            enter(db, aggregates.next_run(db, history.newest(db), 11), rows, cut)
        while run := aggregates.next_run(db, history.newest(db), 11):
            enter(db, run, rows, -1)
        assert held(db) == expected(first + second)
        assert aggregates.behind(db) == 0


@given(FRAMES, FRAMES, st.integers(1, 9), st.integers(0, 4))
def test_an_older_database_catches_up(old: list[Any], new: list[Any], rows: int, cut: int) -> None:
    """What was in the index before there were aggregates enters them, also while more comes."""
    with store() as db:
        batch.append(db, 1, list(old), ())
        db.execute("INSERT INTO frames_by_time SELECT series, ts, seq FROM frames")
        db.execute("UPDATE meta SET value = ? WHERE key = 'folded'", (len(old),))
        batch.append(db, len(old) + 1, list(new), ())
        enter(db, aggregates.late_run(db, 7), rows, cut)
        enter(db, aggregates.next_run(db, history.newest(db), 11), rows, cut)
        while run := aggregates.next_run(db, history.newest(db), 11):
            enter(db, run, rows, -1)
        while run := aggregates.late_run(db, 7):
            enter(db, run, rows, -1)
        assert held(db) == expected(old + new)


def test_long_values_are_not_kept() -> None:
    """A minute does not hold a long text twice; it counts all the same."""
    long = '"' + "x" * aggregates.LONGEST + '"'
    with store() as db:
        batch.append(db, 1, [(SERIES[0], 5, long, ""), (SERIES[0], 6, "1", "")], ())
        enter(db, aggregates.next_run(db, 2, 11), 9, -1)
        assert held(db)[0] == (1, 0, 0, 2, 1, 1.0, 1.0, 1.0, 5, None, 6, "1")
