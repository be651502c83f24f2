"""Values of devices whose protocol names them freely: into channels, and back to the device's own
name.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

import msgspec

from gateway.access.fields import device_id
from gateway.frames import to_json
from gateway.topics import check_channel

if TYPE_CHECKING:
    from gateway.catalog import Catalog
    from gateway.intake import Intake
    from gateway.shapes import Clock

# What no channel may hold; a slash where it would leave a level empty; what would read as an
# escape.
_UNFIT = re.compile(r"[+#\x00-\x1f\x7f-\x9f]|^/|/$|/(?=/)|%(?=[0-9A-Fa-f]{2})")
_decode = msgspec.json.Decoder().decode
_NOT_IN_ID = re.compile(r"[^A-Za-z0-9_:-]+")
_NOT_IN_LINE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_READABLE = 51  # characters of a name that its id shows, before a dot and 12 of its hash


def channel_of(name: str) -> str:
    """Return a name as a channel: what a channel may not hold is percent-encoded. Raises
    `InvalidTopic` if too long.
    """
    return check_channel(_UNFIT.sub(lambda found: quote(found[0], safe=""), name))


def name_of(channel: str) -> str:
    """Return the name that a channel stands for."""
    return unquote(channel)


def device_of(name: str) -> str:
    """Return a name as a device id: as it is where it can be one, else what of it can, and a hash.

    The same name has the same id for ever: `living room` is `living_room.4c1666c3ad86`.
    """
    if device_id(name) is None:
        return name
    mark = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{_NOT_IN_ID.sub('_', name)[:_READABLE]}.{mark}"


def line_of(name: str) -> str:
    """Return a name as people are shown it: one line of at most 200 characters."""
    return _NOT_IN_LINE.sub("\ufffd", name)[:200]


class Values:
    """Takes telemetry in. `clock`: ms since 1970 UTC."""

    def __init__(self, *, intake: Intake, catalog: Catalog, clock: Clock) -> None:
        self._intake = intake
        self._catalog = catalog
        self._clock = clock

    async def take(self, device: str, name: str, value: str) -> None:
        """Take in one value (JSON text); returns at once unless more waits than is good.

        Raises `InvalidTopic`, and `TooMany` where the device has its fill of channels.
        """
        series = self._catalog.series("telemetry", device, channel_of(name))
        self._intake.submit([(series, self._clock(), value, "")], size=len(value))
        if self._intake.full:
            await self.stored()

    def last(self, device: str, name: str) -> str | None:
        """Return the latest value of a device under a name, as JSON text."""
        channel = channel_of(name)
        for series in self._catalog.of_device(device):
            known = series.type == "telemetry" and series.channel == channel
            if known and series.latest is not None:
                return to_json(_decode(series.latest)["value"])
        return None

    async def stored(self) -> None:
        """Return when what was taken in so far is stored and shown; the sender's socket is not read
        meanwhile.
        """
        if not self._intake.idle:
            stored = asyncio.Event()
            self._intake.submit((), stored.set)
            await stored.wait()
