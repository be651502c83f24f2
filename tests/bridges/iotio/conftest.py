"""A whole gateway for iot.io clients."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.handlers import Device, DeviceType
from tests.end_to_end.conftest import House, house
from tests.seed_peers import RealClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


class Echo(DeviceType):
    """Answers as the handlers of iot.io do."""

    type = "echo"

    def __init__(self) -> None:
        self.seen: list[str] = []

    def on_connect(self, device: Device):
        self.seen.append(f"connect {device.id}")
        device.join("hall")

    def on_disconnect(self, device: Device):
        self.seen.append(f"disconnect {device.id}")

    def on_message(self, message, device: Device):
        return message

    def on_measure(self, message, device: Device):
        return "measured", message / 2

    def on_nothing(self, message, device: Device):
        return "null", None

    def on_trouble(self, message, device: Device):
        raise RuntimeError(message)

    def on_everyone(self, message, device: Device):
        self.gateway.emit("news", message, room="hall", type="echo")


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[House]:
    """A gateway with the device e1 of the type echo, and handlers for it."""
    async with house(tmp_path) as here:
        await here.add("e1", type="echo")
        here.echo = Echo()
        here.gateway.reactions.handlers.use({"echo": here.echo})
        yield here


@pytest.fixture
async def client(home: House) -> AsyncIterator[RealClient]:
    """Their client as e1, not yet running."""
    real = RealClient("e1", "echo", {"key": home.keys["e1"]})
    yield real
    await real.stop(home.gateway)
