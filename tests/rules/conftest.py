"""A running core whose rules are watched."""

import pytest

from tests.rig import running
from tests.rules.watched import Watched


@pytest.fixture
async def watched(tmp_path):
    """A running core."""
    async with running(tmp_path / "a.db") as rig:
        yield Watched(rig)
