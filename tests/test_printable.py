"""Text from outside, fit for logs and terminals."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.printable import printable, printable_lines


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Küche 21.5 °C", "Küche 21.5 °C"),
        ("a\nb\r", r"a\nb\r"),
        ("\x1b[31m", r"\x1b[31m"),
        ("\x9b2J\x7f", r"\x9b2J\x7f"),
        ("\u202eabc\u2028", r"\u202eabc\u2028"),
        ("\ud800", r"\ud800"),
    ],
)
def test_what_is_not_printable_is_escaped(text, shown):
    """Line breaks, escapes, C1, what turns text around, and halves of characters."""
    assert printable(text) == shown


@given(st.text(st.characters()))
def test_any_text_is_printable(text):
    """It stays on its line, and can be encoded."""
    shown = printable(text)
    assert shown.isprintable()
    assert shown.encode().decode() == shown


@given(st.text(st.characters()))
def test_lines_after_the_first_are_indented(text):
    """Whatever breaks a line in it."""
    first, *others = printable_lines(text).split("\n")
    assert first.isprintable()
    assert all(line.startswith("    ") and line.isprintable() for line in others)
