"""`gateway tail`, `send` and `command`: lines for people, from frames that strangers may have
made.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cli import clients

FRAME = {"type": "telemetry", "seq": 7, "device": "kitchen", "channel": "t", "ts": 0, "value": 1}


@pytest.fixture
def shown(capsys):
    """Return a function that shows a frame and returns what stands on the terminal."""

    def show(**frame) -> str:
        clients._show({**FRAME, **frame})
        printed: str = capsys.readouterr().out
        return printed

    return show


def test_a_frame_is_a_line_with_its_time(shown):
    """The day too, where it is not today."""
    assert shown().endswith("        7 kitchen/t 1\n")
    assert shown().startswith(("1970-01-01 ", "1969-12-31 "))
    assert shown(type="command", state="queued").endswith(" kitchen/t command queued 1\n")


def test_what_looks_like_markup_is_shown_as_it_is(shown):
    """A channel may be called as it likes."""
    assert shown(channel="[bold]x[/bold]").endswith(" kitchen/[bold]x[/bold] 1\n")


@given(text=st.text())
def test_no_frame_acts_on_the_terminal(text):
    """Nor is it more than a line."""
    lines: list[str] = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(clients.out, "print", lambda line, **_: lines.append(str(line)))
        clients._show({**FRAME, "channel": text, "value": text})
    (line,) = lines
    assert line.isprintable()


def test_a_command_without_reply_says_how_to_ask_again():
    """By its id; another refusal is its detail alone."""
    refusal = clients._refusal({"detail": "no reply to command c1", "id": "c1"}, 504)
    assert refusal == "no reply to command c1: gateway command show c1"
    assert clients._refusal({"detail": "there is no device"}, 404) == "there is no device"
    assert clients._refusal({}, 500) == "the gateway answered 500"
