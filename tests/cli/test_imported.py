"""Values in files: three forms, whole, cut anywhere, and from any place on."""

import io

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cli.imported import MAX_ITEM, Place, Record, items
from gateway.errors import Untranslatable

NOW = 1_763_673_303_000


def read(data, form, **more):
    """Return the values, and what is wrong by line."""
    found = list(items(io.BytesIO(data), form, NOW, **more))
    return [r for each in found for r in each.records], {i.line: i.wrong for i in found if i.wrong}


def test_csv_as_the_api_gives_it() -> None:
    """With more columns than needed, texts with quotes and line breaks, other types left out."""
    data = (
        b"seq,time,ts,device,channel,type,value\r\n"
        b"1,2025-11-20T21:00:00.000Z,1763672400000,kitchen,t,telemetry,21.5\r\n"
        b'2,,1763672400001,kitchen,note,telemetry,"two\r\n""lines"""\r\n'
        b"3,,1763672400002,kitchen,status,presence,online\r\n"
        b"\r\n"
        b"4,2025-11-20T21:00:00Z,,hall,'=x,telemetry,'-text\r\n"
    )
    values, wrong = read(data, "csv")
    assert wrong == {}
    assert values == [
        Record("kitchen", "t", 1763672400000, "21.5"),
        Record("kitchen", "note", 1763672400001, '"two\\n\\"lines\\""'),
        Record("hall", "=x", 1763672400000, '"-text"'),
    ]


@pytest.mark.parametrize("head", [b"", b"device,channel,value\n", b"ts,value\n", b"\xff\n"])
def test_a_csv_without_its_head(head: bytes) -> None:
    """Nothing is guessed."""
    with pytest.raises(Untranslatable, match="the first line"):
        read(head + b"kitchen,t,1\n", "csv")


def test_wrong_lines_are_told_and_cost_no_other() -> None:
    """By the number of the line where they begin."""
    data = b"device,channel,ts,value\nk,t,1,1\nk,t,noon,1\nk,t,1\nk,a#b,1,1\nk,t,2,2\n"
    values, wrong = read(data, "csv")
    assert [record.ts for record in values] == [1, 2]
    assert list(wrong) == [3, 4, 5]
    data = b'{"device":"k","channel":"t","ts":1,"value":{"a":1}}\n{"device":"k"}\n{\n\xff\n[]\n'
    values, wrong = read(data, "ndjson")
    assert (values, list(wrong)) == ([Record("k", "t", 1, '{"a":1}')], [2, 3, 4, 5])
    data = b"t,device=k value=1 5000000\nt value=1 5\nt,device=k value=1\nt,host=k f=1i 6000000\n"
    values, wrong = read(data, "line")
    assert values == [Record("k", "t", 5, "1"), Record("k", "t/f", 6, "1")]
    assert list(wrong) == [2, 3]


def test_an_item_that_is_too_long_is_passed_over() -> None:
    """With its number; memory holds no more of it than the bound."""
    data = (
        b'{"x":"' + b"x" * (3 * MAX_ITEM) + b'"}\n{"device":"k","channel":"t","ts":1,"value":1}\n'
    )
    values, wrong = read(data, "ndjson")
    assert (len(values), list(wrong)) == (1, [1])


RECORDS = st.builds(
    Record,
    st.sampled_from(["kitchen", "a.b:c-d"]),
    st.sampled_from(["t", "a/b", 'q"q', "a b,c=d\\", "'x"]),
    st.integers(0, NOW),
    (st.text(max_size=8) | st.booleans() | st.integers(-(2**53), 2**53)).map(
        lambda value: msgspec.json.encode(value).decode()
    ),
)


SPECIAL = str.maketrans({"\\": r"\\", ",": r"\,", " ": r"\ ", "=": r"\="})


def as_line(record: Record) -> str:
    """Write a value as line protocol."""
    value = msgspec.json.decode(record.value)
    escaped = value.replace("\\", r"\\").replace('"', r"\"") if isinstance(value, str) else ""
    text = f'"{escaped}"' if isinstance(value, str) else record.value
    name = record.channel.translate(SPECIAL)
    return f"{name},device={record.device} value={text} {record.ts * 1_000_000}\n"


@given(st.lists(RECORDS, max_size=6), st.integers(0, 400), st.integers(0, 6))
def test_line_protocol_cut_anywhere_and_gone_on_with(records, cut, place) -> None:
    """What is cut is never taken for whole; where an item ends another may begin."""
    data = "".join(map(as_line, records)).encode()
    found = list(items(io.BytesIO(data), "line", NOW))
    assert [r for each in found for r in each.records] == records
    values, _ = read(data[:cut], "line")
    assert values == records[: len(values)]
    if place < len(found):
        start = Place(found[place].end, found[place].line)
        assert read(data, "line", start=start)[0] == records[place + 1 :]
