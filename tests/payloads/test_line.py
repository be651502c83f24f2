"""InfluxDB's line protocol: channels, times, and lines that are wrong."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Untranslatable
from gateway.payloads.line import line_readings, lines, points
from gateway.payloads.reading import Reading

NOW = 1_763_673_303_125


def found(readings: list[Reading]) -> dict[str, Any]:
    """Return values by channel."""
    return {r.channel: json.loads(r.value) for r in readings}


def test_lines_of_influx() -> None:
    """Measurement, tags in order and field make the channel; times are nanoseconds."""
    payload = (
        b'cpu,cpu=cpu0,host=pi usage=1.5,n=3i,u=3u,s="a \\"b\\", c",ok=T 1763673303000000001\n'
        b"# a comment\n\n"
        b"my\\ room,a\\,b=c\\=d value=-2e3\r\n"
    )
    assert found(line_readings(payload, NOW)) == {
        "cpu/cpu0/usage": 1.5,
        "cpu/cpu0/n": 3,
        "cpu/cpu0/u": 3,
        "cpu/cpu0/s": 'a "b", c',
        "cpu/cpu0/ok": True,
        "my room/c=d": -2000.0,
    }
    assert line_readings(payload, NOW)[0].ts == 1_763_673_303_000
    assert line_readings(payload, NOW)[-1].ts is None


def test_a_line_that_is_wrong_costs_no_other() -> None:
    """What is wrong with it comes in its place, with its number; the rest is read."""
    said = [(number, str(line)) for number, line in lines("a f=1\n\nb\nc f=,\nd f=2")]
    assert [number for number, _ in said] == [1, 3, 4, 5]
    assert "fields are missing" in said[1][1]
    assert "Point(measurement='d'" in said[3][1]


@given(st.text(max_size=60))
def test_any_text_is_read_line_by_line_to_its_end(text: str) -> None:
    """Whatever it is: numbers grow, and it ends."""
    numbers = [number for number, _ in lines(text)]
    assert numbers == sorted(set(numbers))


def test_a_thousand_fields_of_a_line() -> None:
    """A line is bounded, and found to be in one pass."""
    line = "m " + ",".join(f"f{n}=1" for n in range(1001))
    with pytest.raises(Untranslatable, match="more than 1000 fields"):
        list(points(line))
    assert len(next(points(line.rpartition(",")[0])).fields) == 1000
