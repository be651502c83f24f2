"""Which aggregates make up a span: each moment of it once, the coarsest that fits."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.store.history import Span
from gateway.store.series import FRAMES, LEVELS, WHOLE, Begins, Part, cover

TIMES = st.builds(
    lambda ms, away: max(0, ms + away),
    st.integers(0, 200).map(lambda hours: hours * 1_800_000),
    st.sampled_from([0, 1, -1, 60_000, 61_234]),
)
STEPS = st.sampled_from([1_000, 90_000, *LEVELS, 300_000, 10_800_000, 7 * LEVELS[2], WHOLE])


@given(TIMES, TIMES, STEPS)
def test_nothing_is_left_out_or_counted_twice(start: int, end: int, step: int) -> None:
    """Parts follow each other from start to end, in whole buckets that fit into those asked for."""
    parts = cover(Span(start, end), step, Begins())
    at = start
    for level, begin, until in parts:
        assert begin == at < until
        at = until
        if level != FRAMES:
            size = LEVELS[level]
            assert begin % size == until % size == step % size == 0
    assert at == max(start, end) or not parts
    assert bool(parts) == (start < end)


@given(TIMES, TIMES, STEPS)
def test_few_rows_are_read(start: int, end: int, step: int) -> None:
    """At the ends fewer frames than of two minutes, and fewer buckets than of two coarser ones."""
    levels = [level for level, size in enumerate(LEVELS) if step % size == 0]
    for level, begin, until in cover(Span(start, end), step, Begins()):
        if levels and level != levels[-1]:
            assert until - begin < LEVELS[level + 1]


def test_what_is_gone() -> None:
    """Where frames are gone a minute counts whole where it begins within the span."""
    span = Span(30_000, 150_000)
    gone = Begins(frames=10_000_000)
    assert cover(span, 60_000, gone) == [Part(FRAMES, 30_000, 60_000), Part(0, 60_000, 180_000)]
    assert cover(Span(150_000, 180_000), 60_000, gone) == [Part(FRAMES, 150_000, 180_000)]
