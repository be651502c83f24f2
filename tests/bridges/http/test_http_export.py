"""Files of history: what a spreadsheet may not take for a formula, and how each form stands."""

import pytest
from msgspec import Raw

from gateway.bridges.http import export


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@a", "\tx", "\rx"])
def test_no_text_is_a_formula(text: str) -> None:
    """Whoever sent it: a quote stands before it. Numbers stay numbers."""
    assert export.cell_of_text(text) == f"'{text}"
    assert export.cell("-1") == "-1"


def test_cells() -> None:
    """A string comes without its quotes, anything else as its JSON."""
    assert export.cell('"a \\"b\\""') == 'a "b"'
    assert export.cell('{"a":1}') == '{"a":1}'


def test_buckets_as_csv() -> None:
    """A head with the functions, a row a bucket; text is unquoted and an absent value is empty."""
    form = export.buckets("csv", ["count", "last"])
    assert (form.media, form.head) == ("text/csv", b"time,ts,count,last\r\n")
    page = [{"ts": 0, "count": 2, "last": Raw(b'"on"')}, {"ts": 1000, "count": 0, "last": None}]
    assert form.lines(page) == (
        b"1970-01-01T00:00:00.000Z,0,2,on\r\n1970-01-01T00:00:01.000Z,1000,0,\r\n"
    )


def test_buckets_as_lines_of_json() -> None:
    """One object a line, and no head."""
    form = export.buckets("ndjson", ["count"])
    assert (form.head, form.lines([{"ts": 1, "count": 2}])) == (b"", b'{"ts":1,"count":2}\n')
