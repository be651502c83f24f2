"""What handlers work on: the gateway's parts, reached from any thread."""

from __future__ import annotations

import base64
import concurrent.futures
import logging
import threading
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import msgspec

from gateway.errors import GatewayError, NotFound, Unavailable
from gateway.frames import to_json

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator

    from gateway.catalog import Catalog
    from gateway.commands import Commands
    from gateway.handlers.rooms import Rooms
    from gateway.intake import Intake
    from gateway.presence import Presence
    from gateway.shapes import Clock

T = TypeVar("T")
log = logging.getLogger(__name__)

NOW = 1.0  # s that a "now or never" command is tried
MOST_OWN = 10_000  # ids of commands that handlers sent and the hub has not shown yet


class Described(Protocol):
    """What is known of a device."""

    @property
    def type(self) -> str: ...

    @property
    def name(self) -> str: ...


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """The parts that handlers reach; all of it belongs to the event loop's thread.

    `own`: ids of commands that handlers have sent.
    """

    loop: asyncio.AbstractEventLoop
    thread: int
    commands: Commands
    presence: Presence
    intake: Intake
    catalog: Catalog
    clock: Clock
    describe: Callable[[str], Described | None]
    rooms: Rooms
    own: dict[str, None]

    def call(self, work: Callable[[], T]) -> T:
        """Run `work` on the event loop's thread, whichever this one is, and return what it
        returns.
        """
        if threading.get_ident() == self.thread:
            return work()
        future: concurrent.futures.Future[T] = concurrent.futures.Future()

        def run() -> None:
            try:
                future.set_result(work())
            except Exception as error:
                future.set_exception(error)

        self.loop.call_soon_threadsafe(run)
        return future.result()

    def send(self, device: str, name: str, text: str, sender: str, ttl: float | None) -> bool:
        """Send a command; with a `ttl` of 0 now or never. Return whether it is on its way."""
        if ttl == 0:
            if not self.presence.links(device):
                return False
            ttl = NOW
        command = self.commands.submit(device, name, text, sender=sender, ttl=ttl)
        self.own[command.id] = None
        if len(self.own) > MOST_OWN:
            del self.own[next(iter(self.own))]
        return True

    def tell(self, device: str, name: str, text: str, sender: str, ttl: float | None) -> bool:
        """Send a command to one of many: what goes wrong is logged, and false."""
        try:
            return self.send(device, name, text, sender, ttl)
        except GatewayError as error:
            log.warning("%s: %s for %s is not sent: %s", sender, name, device, error)
            return False

    def publish(self, device: str, channel: str, text: str) -> None:
        """Take a value in as telemetry of a device; raises `GatewayError`."""
        if self.describe(device) is None:
            raise NotFound(f"there is no device {device}")
        if self.intake.refusal is not None or self.intake.full:
            raise Unavailable(self.intake.refusal or "more arrives than can be stored")
        series = self.catalog.series("telemetry", device, channel)
        self.intake.submit([(series, self.clock(), text, "")], size=len(text))

    def latest(self, device: str, channel: str) -> Any:
        """Return the latest value of a channel of a device, None if it never had one."""
        for series in self.catalog.of_device(device):
            known = series.type == "telemetry" and series.channel == channel
            if known and series.latest is not None:
                return msgspec.json.decode(series.latest)["value"]
        return None

    def online(self, room: str | None, type_: str | None) -> Iterator[str]:
        """Yield the devices that are online: all, those in a room, of a type, or both."""
        members = self.rooms.members(room) if room is not None else list(self.presence.online())
        for device in members:
            described = self.describe(device)
            if (
                described is not None
                and self.presence.is_online(device)
                and type_ in {None, described.type}
            ):
                yield device

    def join(self, device: str, room: str) -> None:
        """Put a device into a room; one that is gone stays out."""
        if self.describe(device) is not None:
            self.rooms.join(device, room)


def json_of(value: Any) -> str:
    """Return a value as JSON text; bytes are `{"base64": "..."}`, as everywhere in the gateway.

    Raises TypeError for what JSON cannot hold.
    """
    if isinstance(value, bytes | bytearray | memoryview):
        return to_json({"base64": base64.b64encode(value).decode()})
    return to_json(value)
