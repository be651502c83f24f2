"""All parts below the HTTP side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from gateway.root.access import Access
    from gateway.root.core import Core
    from gateway.root.mqtt import Mqtt
    from gateway.root.reactions import Reactions
    from gateway.stores import Store, Upkeep


class Parts(msgspec.Struct, frozen=True):
    """What the HTTP side is put together from."""

    store: Store
    upkeep: Upkeep
    access: Access
    core: Core
    mqtt: Mqtt
    reactions: Reactions
