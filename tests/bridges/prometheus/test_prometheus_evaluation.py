"""What queries give, from values that are there."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.bridges.prometheus.evaluation import LOOKBACK, MAX_LOOKS, Stream, evaluate, reaches
from gateway.bridges.prometheus.language import OVER_TIME, parse
from gateway.bridges.prometheus.refusals import TooMuch

KITCHEN = (("__name__", "value"), ("channel", "t"), ("device", "kitchen"))
HALL = (("__name__", "value"), ("channel", "t"), ("device", "hall"))
T_OF_KITCHEN = KITCHEN[1:]


def result(text, times, *streams):
    """Evaluate a query whose selectors all match these streams."""
    expression = parse(text)
    return evaluate(expression, times, {reach: list(streams) for reach in reaches(expression)})


def test_the_newest_value_of_the_last_five_minutes() -> None:
    """At the value's own time, until five minutes later, and not after."""
    stream = Stream(KITCHEN, [1000, 2000], [1.0, 2.0])
    times = [999, 1000, 1999, 2000, 2000 + LOOKBACK, 2001 + LOOKBACK]
    assert result("value", times, stream) == {KITCHEN: [None, 1.0, 1.0, 2.0, 2.0, None]}


def test_a_channel_without_points_is_left_out() -> None:
    """No line without a value."""
    assert result("value", [5], Stream(KITCHEN, [10], [1.0])) == {}


def test_functions_of_a_range_and_their_names() -> None:
    """Both ends count; only the last value keeps the metric's name."""
    stream = Stream(KITCHEN, [0, 1000, 2000, 3000], [4.0, 1.0, 2.0, 9.0])
    expected = {"avg": 7 / 3, "min": 1.0, "max": 4.0, "last": 2.0, "count": 3.0}
    for name, value in expected.items():
        labels = KITCHEN if name == "last" else T_OF_KITCHEN
        assert result(f"{name}_over_time(value[2s])", [2000], stream) == {labels: [value]}


def test_aggregates() -> None:
    """By a label, by none; where one series has no value the others count."""
    streams = Stream(KITCHEN, [0], [1.0]), Stream(HALL, [0, 400_000], [3.0, 5.0])
    times = [0, 400_000]
    assert result("sum(value)", times, *streams) == {(): [4.0, 5.0]}
    assert result("avg(value)", times, *streams) == {(): [2.0, 5.0]}
    assert result("min by (channel) (value)", times, *streams) == {(("channel", "t"),): [1.0, 5.0]}
    assert result("max by (device, none) (value)", times, *streams) == {
        (("device", "kitchen"),): [1.0, None],
        (("device", "hall"),): [3.0, 5.0],
    }


def test_arithmetic() -> None:
    """On either side, as floats have it; the metric's name goes."""
    stream = Stream(KITCHEN, [0], [20.0])
    assert result("value * 9 / 5 + 32", [0], stream) == {T_OF_KITCHEN: [68.0]}
    assert result("1 - value", [0], stream) == {T_OF_KITCHEN: [-19.0]}
    assert result("1 + 2 * 3", [0]) == 7.0
    assert result("value / 0", [0], stream) == {T_OF_KITCHEN: [math.inf]}
    assert result("-1 / 0", [0]) == -math.inf
    assert math.isnan(result("0 / 0", [0]))


def test_what_looks_at_too_much_is_refused() -> None:
    """Windows that overlap a hundred thousand times."""
    times = list(range(20_000))
    stream = Stream(KITCHEN, times, [1.0] * len(times))
    assert sum(times) > MAX_LOOKS
    with pytest.raises(TooMuch):
        result("avg_over_time(value[1d])", times, stream)


@given(
    st.lists(st.tuples(st.integers(0, 500), st.floats(-1e6, 1e6)), max_size=30),
    st.sampled_from(OVER_TIME),
    st.integers(1, 200),
    st.integers(1, 100),
)
def test_every_window_as_counted_by_hand(samples, function, reach, step) -> None:
    """Compared with looking at all values for each time."""
    samples.sort(key=lambda sample: sample[0])
    stream = Stream(KITCHEN, [ts for ts, _ in samples], [value for _, value in samples])
    times = list(range(0, 700, step))
    by_hand = {
        "avg_over_time": lambda values: math.fsum(values) / len(values),
        "min_over_time": min,
        "max_over_time": max,
        "last_over_time": lambda values: values[-1],
        "count_over_time": len,
    }[function]
    expected = []
    for time in times:
        values = [value for ts, value in samples if time - reach <= ts <= time]
        expected.append(by_hand(values) if values else None)
    found = result(f"{function}(value[{reach}ms])", times, stream)
    assert list(found.values()) == (
        [expected] if samples and any(x is not None for x in expected) else []
    )
