"""Times, durations and cursors in a query."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.bridges.http.cursors import Point
from gateway.frames import MAX_TS
from gateway.times import Duration, Moment, rfc3339

moments = st.integers(0, MAX_TS)


@given(moments)
def test_a_time_that_was_written_is_read_as_it_was(ms):
    """As RFC 3339 and as epoch ms."""
    assert Moment.parse(rfc3339(ms)).ms == Moment.parse(str(ms)).ms == ms


@given(
    st.integers(86_400_000, MAX_TS - 86_400_000),
    st.integers(-23 * 60 - 59, 23 * 60 + 59),
    st.sampled_from("Tt "),
)
def test_any_offset_means_the_same_moment(ms, minutes, letter):
    """Also with a + that became a space on its way."""
    zone = timezone(timedelta(minutes=minutes))
    moment = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)).astimezone(zone)
    text = moment.isoformat(sep=letter, timespec="milliseconds")
    assert Moment.parse(text).ms == Moment.parse(text.replace("+", " ")).ms == ms


@given(st.text())
def test_any_text_is_a_time_or_a_value_error(text):
    """Nothing else comes out, and what is read is in range."""
    for kind in (Moment, Duration):
        with suppress(ValueError):
            assert 0 <= kind.parse(text).ms <= MAX_TS


@given(
    st.from_regex(
        r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+ -]\d\d:\d\d)", fullmatch=True
    )
)
def test_what_looks_like_a_time_is_one_or_a_value_error(text):
    """The 31st of February is a value error."""
    with suppress(ValueError):
        assert 0 <= Moment.parse(text).ms <= MAX_TS


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("2025-11-20T21:15:03.125Z", 1_763_673_303_125),
        ("2025-11-20T21:15:03.1259Z", 1_763_673_303_125),
        ("2025-11-20T22:15:03+01:00", 1_763_673_303_000),
        ("0", 0),
    ],
)
def test_a_time_in_each_form(text, ms):
    """Fractions beyond ms are cut off."""
    assert Moment.parse(text).ms == ms


@pytest.mark.parametrize(
    "text",
    ["", "now", "2025-11-20", "2025-11-20T21:15:03", "2025-02-30T00:00:00Z", "-1", "1.5", "٣"],
)
def test_what_is_no_time(text):
    """A time without its offset is none: whose would it be?"""
    with pytest.raises(ValueError, match=r"time|day"):
        Moment.parse(text)


@given(
    st.integers(1, 1000),
    st.sampled_from([("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)]),
)
def test_a_duration_is_a_number_and_a_unit(number, unit):
    """In every unit."""
    assert Duration.parse(f"{number}{unit[0]}").ms == number * unit[1]


@pytest.mark.parametrize("text", ["", "1", "m", "0s", "1.5m", "-1m", "1 m", "1y", "999999999999w"])
def test_what_is_no_duration(text):
    """No unit, no number, or none that makes sense."""
    with pytest.raises(ValueError, match="duration"):
        Duration.parse(text)


@given(moments, st.integers(0, 2**59))
def test_a_cursor_comes_back_as_it_went(ts, seq):
    """Both of its numbers."""
    point = Point.parse(str(Point(ts, seq)))
    assert (point.ts, point.seq) == (ts, seq)


@given(st.text())
def test_any_text_is_a_cursor_or_a_value_error(text):
    """Nothing else comes out."""
    with suppress(ValueError):
        assert str(Point.parse(text))
