"""Programs and packages that some tests need and that pip does not bring.

Where one is missing its tests skip and say so; with `GATEWAY_ALL_TESTS=1`, as in `.ci/run`, they
fail instead.
"""

import os
import shutil
from pathlib import Path

import pytest

NODE_MODULES = Path(
    os.environ.get("GATEWAY_NODE_MODULES", Path.home() / ".cache/gateway-tests/node_modules")
)
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
_ALL = os.environ.get("GATEWAY_ALL_TESTS") == "1"


def _needs(found: bool, name: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(not found and not _ALL, reason=f"{name} is not installed")


def program(name: str) -> pytest.MarkDecorator:
    """A mark for tests that run this program."""
    return _needs(shutil.which(name) is not None, name)


def package(name: str) -> pytest.MarkDecorator:
    """A mark for tests that need this package of npm."""
    there = shutil.which("node") is not None and (NODE_MODULES / name).exists()
    return _needs(there, f"npm's {name}")


needs_chromium = _needs(CHROMIUM is not None, "Chromium")
