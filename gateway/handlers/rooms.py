"""Rooms: names under which handlers reach several devices at once."""

from __future__ import annotations


class Rooms:
    """Which devices are in which room. A room exists while somebody is in it."""

    def __init__(self) -> None:
        self._members: dict[str, dict[str, None]] = {}
        self._of: dict[str, set[str]] = {}

    def join(self, device: str, room: str) -> None:
        self._members.setdefault(room, {})[device] = None
        self._of.setdefault(device, set()).add(room)

    def leave(self, device: str, room: str) -> None:
        members, rooms = self._members.get(room, {}), self._of.get(device, set())
        members.pop(device, None)
        rooms.discard(room)
        if not members:
            self._members.pop(room, None)
        if not rooms:
            self._of.pop(device, None)

    def leave_all(self, device: str) -> None:
        for room in self.of(device):
            self.leave(device, room)

    def members(self, room: str) -> list[str]:
        return list(self._members.get(room, ()))

    def close(self, room: str) -> None:
        for device in self.members(room):
            self.leave(device, room)

    def of(self, device: str) -> frozenset[str]:
        return frozenset(self._of.get(device, ()))
