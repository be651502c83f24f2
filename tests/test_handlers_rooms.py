"""Rooms of handlers: who is in which, and what is left of an empty one."""

from gateway.handlers.rooms import Rooms


def test_members_in_the_order_of_their_coming() -> None:
    """A device is in a room once, however often it joins."""
    rooms = Rooms()
    for device in ("kitchen", "hall", "kitchen"):
        rooms.join(device, "warm")
    assert rooms.members("warm") == ["kitchen", "hall"]
    assert rooms.of("kitchen") == {"warm"}


def test_leaving() -> None:
    """A device leaves one room or all; leaving what it is not in does nothing."""
    rooms = Rooms()
    for room in ("a", "b"):
        rooms.join("kitchen", room)
    rooms.leave("kitchen", "a")
    rooms.leave("kitchen", "nowhere")
    assert rooms.of("kitchen") == {"b"}
    rooms.leave_all("kitchen")
    assert (rooms.of("kitchen"), rooms.members("b")) == (frozenset(), [])


def test_a_closed_room_is_empty_and_forgotten() -> None:
    """Nothing stays behind of rooms and devices that were there once."""
    rooms = Rooms()
    rooms.join("kitchen", "warm")
    rooms.join("hall", "warm")
    rooms.join("hall", "big")
    rooms.close("warm")
    assert (rooms.members("warm"), rooms.of("hall")) == ([], {"big"})
    rooms.leave_all("hall")
    assert (rooms._members, rooms._of) == ({}, {})
