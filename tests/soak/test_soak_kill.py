"""The long runs of kill -9: a hundred cycles under QoS 1 and 2 load, a thousand commands to a
fickle device.
"""

from __future__ import annotations

import random

import pytest

from tests.end_to_end.daemon_process import daemon
from tests.end_to_end.kill_load import command_a_fickle_device, kill_under_load

pytestmark = pytest.mark.soak


async def test_a_hundred_kills(tmp_path):
    """No acknowledged message is missing and no QoS 2 message comes twice after a hundred kills."""
    async with daemon(tmp_path) as gateway:
        await kill_under_load(gateway, 100, random.Random(100))


async def test_a_thousand_commands(tmp_path):
    """A thousand commands, ten kills: each delivered in order, with a true state at the end."""
    async with daemon(tmp_path) as gateway:
        await command_a_fickle_device(gateway, 1_000, 10, random.Random(1_000))
