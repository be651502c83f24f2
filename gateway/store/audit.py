"""The audit: who did what to what, from where, when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence


class By(msgspec.Struct, frozen=True):
    """Who does something: a principal's key or `command line`, the address it comes from, and when
    (ms).

    `demand`: asks once more, in the turn of the change, for the rights that were there when the
    change was requested; it raises where they are gone.
    """

    actor: str
    address: str
    at: int
    demand: Any = None  # Callable[[], None]; msgspec looks at annotations


class Deed(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the audit. `object`: `device:kitchen`, `user:7`, ...; `detail` never holds a
    secret.
    """

    at: int
    actor: str
    action: str
    object: str = ""
    address: str = ""
    detail: dict[str, Any] = {}


class Entry(Deed, frozen=True, kw_only=True):
    """A deed as it was read back, with its number."""

    id: int


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which deeds are requested: by one of these actors, by or about a device, with a text in what
    was done. None is any.
    """

    actors: tuple[str, ...] | None = None
    device: str | None = None
    action: str | None = None


ALL = Wanted()


class AuditStore(Protocol):
    """Keeps the audit. Raises `StoreError` where it cannot."""

    async def append(self, deeds: Sequence[Deed]) -> None:
        """Note deeds such as anybody causes at any rate; they never push out the others."""

    async def read(self, before: int | None, limit: int, wanted: Wanted = ALL) -> list[Entry]:
        """Return the newest entries first, those with an id below `before` if given."""

    async def trim(self, keep: int) -> None:
        """Keep the newest routine entries and the newest others, `keep` of each."""
