"""A store as a command uses it: on the command's own thread, beside a gateway that may be
running.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from contextlib import AbstractContextManager
    from pathlib import Path

    from gateway.store.audit import Entry
    from gateway.store.history import Row, Span
    from gateway.store.registry import Tables
    from gateway.store.usage import Usage


class Direct(Protocol):
    """An open store. Raises `StoreError` where it refuses."""

    @property
    def tables(self) -> Tables:
        """The registry, to read."""

    def transaction(self) -> AbstractContextManager[Tables]:
        """Give the registry for changes: all of them, or none."""

    def audit(self, limit: int) -> list[Entry]:
        """Return the newest entries of the audit first."""

    def series(self, device: str, channel: str) -> list[tuple[int, str, str, str]]:
        """Return what is kept of a channel: (id, type, device, channel)."""

    def by_time(
        self, series: Collection[int], span: Span, limit: int, *, newest_first: bool = False
    ) -> list[Row]:
        """Read frames as `HistoryStore.by_time` does."""

    def usage(self, now: int) -> Usage:
        """Count what history takes of the disk."""

    def revision(self) -> int:
        """Return the number of the newest change of the registry; it never goes back."""

    def empty(self) -> bool:
        """Tell whether there is no user, no device and no frame."""

    def damage(self) -> list[str]:
        """Read everything once; return what is wrong with the file, nothing where all is well."""

    def copy(self, file: Path, progress: Callable[[int, int], None]) -> None:
        """Copy everything into a new file; `progress` is told what is left of how much.

        The copy is checked; raises `StoreError` where it is damaged. It has an epoch of its own: a
        cursor of what came later here means nothing there.
        """
