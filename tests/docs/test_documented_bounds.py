"""docs/architecture.md: every bound in its table is the code's, and every path it names is
there.
"""

import importlib
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "architecture.md").read_text("utf-8")
ROWS = re.findall(r"^\|[^|]*\| ([^|]+) \|[^|]*\| `(gateway\.[\w.]+)` \|$", TEXT, re.MULTILINE)


def value(name: str) -> Any:
    """The constant of that name, or the default of a struct's field."""
    owner, _, attribute = name.rpartition(".")
    try:
        return getattr(importlib.import_module(owner), attribute)
    except ModuleNotFoundError:
        return getattr(value(owner)(), attribute)


def written(number: int, text: str) -> str:
    """A number as the page writes it: with commas, or as KB and MB where the text counts so."""
    for unit, size in (("MB", 1 << 20), ("KB", 1 << 10)):
        if f" {unit}" in text:
            return f"{number // size} {unit}"
    return f"{number:,}"


@pytest.mark.parametrize(("bound", "name"), ROWS)
def test_bounds(bound: str, name: str) -> None:
    """The number in the table is the one in the code."""
    assert re.match(rf"{written(value(name), bound)}\b", bound)


def test_the_table_is_read() -> None:
    """The broker's bounds are all there; a change of the table's form does not go unnoticed."""
    limits = {name for _, name in ROWS if ".Limits." in name}
    assert len(limits) > 8
    assert len(ROWS) > 35


@pytest.mark.parametrize(
    "path", sorted(set(re.findall(r"`((?:tests|gateway|bridges)/[\w/.]+)`", TEXT)))
)
def test_named_files_are_there(path: str) -> None:
    """Tests and modules that the page names exist."""
    assert (ROOT / path).exists()
