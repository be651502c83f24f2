"""Every measurement of `make bench` still runs, with a few messages, and says what it should."""

import math
from itertools import pairwise

import pytest

from benchmarks import packets
from benchmarks.figures import TINY, Figure, quantile
from benchmarks.listeners import faults
from benchmarks.report import MEASUREMENTS
from benchmarks.worker import Worker, WorkerFailed


@pytest.mark.parametrize("name", MEASUREMENTS)
def test_measurement_runs(name: str) -> None:
    """A tiny run yields figures, and every message that it counted had arrived."""
    figures = list(MEASUREMENTS[name](TINY))
    assert figures
    assert all(figure.measurement == name and math.isfinite(figure.value) for figure in figures)
    assert not [
        figure for figure in figures if "instead of" in figure.note or "miss" in figure.note
    ]


def test_stream_is_what_it_says() -> None:
    """The packets of a stream have one length, and count up."""
    data = packets.stream("b00000", packets.OBJECT, 1_000_000, 3, acknowledged=True)
    one = packets.publish("b00000", packets.OBJECT, 1_000_001, packet_id=2)
    assert len(data) == 3 * len(one)
    assert data[len(one) : 2 * len(one)] == one


@pytest.mark.parametrize("seq", [1, 8, 98, 12_345])
def test_framed_length_is_that_of_the_frames(seq: int) -> None:
    """The bytes that are expected of listeners are the bytes of the frames."""
    frames = [
        f'{{"type":"telemetry","seq":{n},"device":"b00000","channel":"t","ts":1763673303125,"value":1000000}}'
        for n in range(seq, seq + 20)
    ]
    assert packets.framed_length("b00000", seq, 20) == sum(len(frame) + 2 for frame in frames)


def _frames(*values: tuple[int, int]) -> bytes:
    text = '{{"type":"telemetry","seq":{},"device":"a","channel":"t","ts":1,"value":{}}}'
    return "".join(text.format(*value) for value in values).encode()


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (_frames((1, 5), (2, 6)), ""),
        (_frames((1, 5), (2, 7)), "a is at 7 instead of 6"),
        (_frames((2, 5), (1, 6)), "seq 1 after 2"),
        (_frames((1, 6)), "a is at 6 instead of 5"),
        (b"", "0 of 1 devices, up to []"),
    ],
)
def test_lost_and_disordered_frames_are_told(data: bytes, fault: str) -> None:
    """What a listener got is checked message by message."""
    assert faults(data, 5, 1) == fault


def test_quantile() -> None:
    """The quantiles of a hundred numbers are those numbers, in order."""
    values = [float(n) for n in range(100)]
    found = [quantile(values, share) for share in (0.0, 0.5, 0.99, 1.0)]
    assert found == [0.0, 50.0, 99.0, 99.0]
    assert all(low <= high for low, high in pairwise(found))
    assert math.isnan(quantile([], 0.5))


@pytest.mark.parametrize(
    ("value", "at_most", "met"),
    [(5.0, True, True), (5.1, True, False), (5.0, False, True), (4.9, False, False)],
)
def test_target(value: float, at_most: bool, met: bool) -> None:
    """A target holds at its very value."""
    assert Figure("x", "", "", value, "ms", 5, at_most=at_most).met is met


def test_worker_tells_what_went_wrong() -> None:
    """What a call in another process raises is raised here, and the next call works."""
    with Worker(dict, {"a": 1}) as worker:
        with pytest.raises(WorkerFailed, match="KeyError"):
            worker.call("__getitem__", "b")
        assert worker.call("__getitem__", "a") == 1
