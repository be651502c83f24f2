"""Shapes: the plain functions that parts are given, by name. `SendCommand` is in `gateway.asking`,
`Reach` in `gateway.links`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

Clock: TypeAlias = "Callable[[], int]"
"""The time, in ms since 1970 UTC."""

Seconds: TypeAlias = "Callable[[], float]"
"""A time in seconds that only goes forward; where it starts means nothing."""

Exists: TypeAlias = "Callable[[str], bool]"
"""Whether there is a device of this id."""

TellOfDevice: TypeAlias = "Callable[[str], None]"
"""Tells that something has happened with a device: it was seen, it is ready for commands."""
