"""The valve: whether more may come in from outside."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Valve:
    """What fills up closes it, and opens it when there is room again. Whoever reads from outside
    subscribes, before or after.
    """

    def __init__(self) -> None:
        self.closed = False
        self._readers: list[tuple[Callable[[], None], Callable[[], None]]] = []

    def subscribe(self, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        """Let a reader pause whenever the valve is closed: at once, if it is."""
        self._readers.append((pause, resume))
        if self.closed:
            pause()

    def close(self) -> None:
        """Let every reader pause."""
        if not self.closed:
            self.closed = True
            for pause, _ in self._readers:
                pause()

    def open(self) -> None:
        """Let every reader go on."""
        if self.closed:
            self.closed = False
            for _, resume in self._readers:
                resume()
