"""Where devices and programs find the gateway: what sketches and snippets are filled with."""

from __future__ import annotations

import msgspec


class Place(msgspec.Struct, frozen=True):
    """`url`: what `[http] url` says, or nothing; `mqtt` and `mqtts`: the ports, 0 where there is
    none.
    """

    url: str
    mqtt: int
    mqtts: int
