"""Series from aggregates and frames: every answer is what a list of all frames gives."""

import sqlite3
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.store.history import Span
from gateway.store.series import LEVELS, WHOLE, Bucket
from gateway.store.sqlite import aggregates, batch, history, series
from tests.store.sqlite.test_aggregates import FRAMES, SERIES, counted, enter, number, store

MOMENTS = st.builds(
    lambda day, ms: day * LEVELS[2] + ms,
    st.integers(0, 6),
    st.sampled_from([0, 1, 30_000, 59_999, 60_000, 3_600_000, 4_000_000, 86_399_999]),
)
STEPS = st.sampled_from([1_000, 7_000, 60_000, 300_000, 3_600_000, *LEVELS, 7 * LEVELS[2], WHOLE])
CUTS = st.integers(-1, 3)


def expected(frames: list[Any], span: Span, step: int) -> list[Bucket]:
    """The buckets of series 1, computed plainly."""
    groups: dict[int, list[tuple[int, int, str]]] = {}
    for name, ts, seq, value in counted(frames):
        if name == 1 and span.start <= ts < span.end:
            groups.setdefault(ts // step * step, []).append((ts, seq, value))
    return [_bucket(start, sorted(groups[start])) for start in sorted(groups)]


def _bucket(start: int, group: list[tuple[int, int, str]]) -> Bucket:
    found = [n for n in (number(value) for _, _, value in group) if n is not None]
    (first_ts, _, first), (last_ts, _, last) = group[0], group[-1]
    numbers = (sum(found), min(found), max(found)) if found else (None, None, None)
    return Bucket(start, len(group), len(found), *numbers, first_ts, first, last_ts, last)


def put(db: sqlite3.Connection, frames: list[Any], folded: int, rows: int, cut: int) -> None:
    """Store frames, of which some are folded and some half-way through it."""
    batch.append(db, 1, list(frames[:folded]), ())
    while run := aggregates.next_run(db, history.newest(db), 11):
        enter(db, run, rows, -1)
    batch.append(db, folded + 1, list(frames[folded:]), ())
    enter(db, aggregates.next_run(db, history.newest(db), 1000), rows, cut)


@given(FRAMES, st.integers(0, 40), st.integers(1, 5), CUTS, MOMENTS, MOMENTS, STEPS)
def test_buckets(
    frames: list[Any], folded: int, rows: int, cut: int, start: int, end: int, step: int
) -> None:
    """Of any span and step, whatever is folded, and half-way through a fold."""
    with store() as db:
        put(db, frames, min(folded, len(frames)), rows, cut)
        span = Span(start, end)
        assert series.buckets(db, [1], span, step, ends=True) == expected(frames, span, step)
        without = [b._replace(first=None, last=None) for b in expected(frames, span, step)]
        assert series.buckets(db, [1], span, step) == without


@given(FRAMES, FRAMES, st.integers(1, 5), CUTS, MOMENTS, MOMENTS, STEPS)
def test_buckets_while_an_older_database_catches_up(
    old: list[Any], new: list[Any], rows: int, cut: int, start: int, end: int, step: int
) -> None:
    """What is in the index and not yet in the aggregates counts as well."""
    with store() as db:
        batch.append(db, 1, list(old), ())
        db.execute("INSERT INTO frames_by_time SELECT series, ts, seq FROM frames")
        db.execute("UPDATE meta SET value = ? WHERE key = 'folded'", (len(old),))
        batch.append(db, len(old) + 1, list(new), ())
        enter(db, aggregates.late_run(db, 7), rows, cut)
        enter(db, aggregates.next_run(db, history.newest(db), 11), rows, cut)
        span = Span(start, end)
        assert series.buckets(db, [1], span, step, ends=True) == expected(old + new, span, step)


@given(FRAMES, st.integers(0, 40), st.integers(1, 5), CUTS, MOMENTS, MOMENTS)
def test_values(frames: list[Any], folded: int, rows: int, cut: int, start: int, end: int) -> None:
    """Each value once, in order of time; and when there are any."""
    with store() as db:
        put(db, frames, min(folded, len(frames)), rows, cut)
        plain = sorted(
            (ts, seq, value)
            for name, ts, seq, value in counted(frames)
            if name == 1 and start <= ts < end
        )
        found = series.values(db, [1], Span(start, end), 5)
        assert found == [(ts, value) for ts, _, value in plain][:5]
        times = [ts for of, ts, _, _ in frames if of is SERIES[0]]
        extent = series.extent(db, [1])
        assert (extent and extent[:2]) == ((min(times), max(times)) if times else None)


@given(FRAMES, st.integers(0, 40), MOMENTS, MOMENTS, STEPS)
def test_stretches(frames: list[Any], folded: int, start: int, end: int, step: int) -> None:
    """Stretch by stretch every bucket comes once, in order, with the functions that were asked
    for.
    """
    with store() as db:
        put(db, frames, min(folded, len(frames)), 4, 1)
        wanted = expected(frames, Span(start, end), step)
        found: list[Any] = []
        at = start
        while page := series.next_buckets(db, [1], Span(at, end), step, ["count", "avg", "last"]):
            found += page
            at = page[-1][0] + step
        assert found == [
            (b.start, b.total, b.sum / b.numbers if b.numbers and b.sum is not None else None,
                b.last)
            for b in wanted
        ]  # fmt: skip


def test_long_values_are_read_as_frames() -> None:
    """The first and last value of a bucket are exact, also where aggregates leave them out."""
    long = '"' + "x" * aggregates.LONGEST + '"'
    frames = [
        (SERIES[0], 5, long, ""),
        (SERIES[0], 6, "1", ""),
        (SERIES[0], 7, long[:-1] + 'y"', ""),
    ]
    with store() as db:
        put(db, frames, 3, 9, -1)
        assert series.buckets(db, [1], Span(0, 60_000), 60_000, ends=True) == [
            Bucket(0, 3, 1, 1.0, 1.0, 1.0, 5, frames[0][2], 7, frames[2][2])
        ]
