"""Cursors as listeners show them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.bridges.edge.cursors import Cursor
from gateway.errors import Invalid


@given(st.integers(0, 10**18 - 1), st.none() | st.from_regex("[0-9a-f]{1,32}", fullmatch=True))
def test_a_cursor_is_read_as_it_was_given(seq: int, epoch: str | None) -> None:
    """A seq, or what an event's `id` says."""
    text = str(seq) if epoch is None else f"{epoch}-{seq}"
    assert Cursor.parse(text) == Cursor(seq, epoch)


@pytest.mark.parametrize("text", ["", "-", "-1", "a", "a-", "1-2-3", "١", "1\n", "9" * 19, " 1"])
def test_no_cursor(text: str) -> None:
    """What is none is refused with words that say what to give."""
    with pytest.raises(Invalid, match="give the id of the last event you have, or its seq"):
        Cursor.parse(text)


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Whatever a client sends."""
    try:
        cursor = Cursor.parse(text)
    except Invalid:
        return
    assert text.endswith(str(cursor.seq)) or text[-1] in "0123456789"
