"""The clock of frames counts milliseconds since 1970."""

import time

import pytest

from gateway.clock import now_ms


def test_whole_milliseconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fractions are cut off, not rounded into the future."""
    monkeypatch.setattr(time, "time_ns", lambda: 1_763_673_303_125_999_999)
    assert now_ms() == 1_763_673_303_125
