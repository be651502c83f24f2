"""What trials have found is held by tests that are there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "findings.md").read_text("utf-8")


def test_every_named_test_is_there() -> None:
    """By its name, in whatever module."""
    sources = (path.read_text("utf-8") for path in (ROOT / "tests").rglob("*.py"))
    there = {name for text in sources for name in re.findall(r"def (test_\w+)", text)}
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    assert named
    assert named <= there


def test_every_finding_has_its_row() -> None:
    """None was passed over."""
    rows = set(re.findall(r"^\| ([A-Z]?\d+) \|", PAGE, re.MULTILINE))
    last = {"P": 31, "F": 17, "S": 28, "M": 17, "N": 31, "": 8}
    assert rows == {f"{kind}{n}" for kind, most in last.items() for n in range(1, most + 1)}
