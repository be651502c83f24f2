"""The catalog: every series there is, with its latest frame, in memory.

A new series is written by the batch that holds its first frame.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from gateway.errors import TooMany
from gateway.frames import Series
from gateway.store.facts import SeriesAdded, SeriesHidden

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from gateway.store.facts import Fact
    from gateway.store.history import Opened

MAX_SERIES = 1_000  # of one device: a sketch that makes up channel names must not fill the memory
MAX_OF_USER = 50_000  # of one user's devices together

Name = tuple[str, str]
"""type, channel."""


class Owners(Protocol):
    """Whose devices are whose."""

    def owner_of(self, device: str) -> int | None:
        """Return the user who owns a device; None where none does, or it is not there."""

    def of_owner(self, user: int | None) -> Collection[str]:
        """Return the ids of a user's devices."""


class Catalog:
    """Series by device, then by type and channel. With `owners`, those of a user are bounded."""

    owners: Owners | None = None

    def __init__(self, opened: Opened) -> None:
        self._devices: dict[str, dict[Name, Series]] = {}
        self._unsaved: list[Fact] = []
        self._of_user: dict[int, int] = {}
        self._by_id: dict[int, Series] = {}
        self._last = 0
        self.changes = 0  # grows with every series that comes or goes
        for number, type_, device, channel in opened.series:
            self._add(Series(number, type_, device, channel))
        for seq, number, ts, value, extra in opened.latest:
            series = self._by_id[number]
            series.latest, series.latest_ts, series.latest_seq = (
                series.json(seq, ts, value, extra),
                ts,
                seq,
            )
        self._last = max(self._last, opened.last_series)

    def __len__(self) -> int:
        return len(self._by_id)

    def series(self, type_: str, device: str, channel: str) -> Series:
        """Return the series, a new one if need be; `TooMany` where the device has its fill of
        them.
        """
        known = self._devices.get(device)
        found = known.get((type_, channel)) if known else None
        if found is not None:
            return found
        if known and len(known) >= MAX_SERIES:
            raise TooMany(
                f"{device} has {MAX_SERIES} channels already: put what varies into the value"
            )
        self._demand_room(device)
        series = Series(self._last + 1, type_, device, channel)
        self._add(series)
        self._unsaved.append(SeriesAdded(series.id, type_, device, channel))
        return series

    def _demand_room(self, device: str) -> None:
        user = None if self.owners is None else self.owners.owner_of(device)
        if self.owners is None or user is None:
            return
        if user not in self._of_user:
            devices = self.owners.of_owner(user)
            self._of_user[user] = sum(len(self._devices.get(each, ())) for each in devices)
        if self._of_user[user] >= MAX_OF_USER:
            raise TooMany(f"this user's devices have {MAX_OF_USER:,} channels already, the most")
        self._of_user[user] += 1

    def recount(self) -> None:
        """Count anew how many series each user has: devices have come, gone or changed hands."""
        self._of_user.clear()

    def _add(self, series: Series) -> None:
        self._devices.setdefault(series.device, {})[series.type, series.channel] = series
        self._by_id[series.id] = series
        self._last = max(self._last, series.id)
        self.changes += 1

    def take_unsaved(self) -> list[Fact]:
        """Return what makes the new series durable; the caller commits it with their first
        frames.
        """
        taken, self._unsaved = self._unsaved, []
        return taken

    def get(self, number: int) -> Series | None:
        """Return a series by its id; None where its device was removed."""
        return self._by_id.get(number)

    def devices(self) -> Iterable[str]:
        """Return the devices that have a series."""
        return self._devices

    def of_device(self, device: str) -> Collection[Series]:
        """Return a device's series."""
        return self._devices.get(device, {}).values()

    def newest_reading(self, device: str) -> bytes | None:
        """Return the JSON of a device's latest telemetry frame, whichever its channel."""
        known = [
            s for s in self.of_device(device) if s.type == "telemetry" and s.latest is not None
        ]
        return (
            max(known, key=lambda series: (series.latest_ts, series.latest_seq)).latest
            if known
            else None
        )

    def all(self) -> Iterable[Series]:
        """Every series."""
        return self._by_id.values()

    def hide(self, device: str) -> Fact:
        """Forget a removed device's series; return what makes that durable.

        It also goes with the next batch, before the series of a new device of that name, and leaves
        those alone.
        """
        for series in self._devices.pop(device, {}).values():
            del self._by_id[series.id]
        self.changes += 1
        self.recount()
        hidden = SeriesHidden(device, self._last)
        self._unsaved.append(hidden)
        return hidden
