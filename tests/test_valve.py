"""The valve: readers pause while it is closed, whenever they came."""

from gateway.valve import Valve


def test_readers_follow_it() -> None:
    """Each reader hears once of each turn, in order."""
    valve, heard = Valve(), []
    for name in "ab":
        valve.subscribe(
            lambda name=name: heard.append(f"{name} pauses"), lambda: heard.append("on")
        )
    for _ in range(2):
        valve.close()
    assert (valve.closed, heard) == (True, ["a pauses", "b pauses"])
    for _ in range(2):
        valve.open()
    assert (valve.closed, heard[2:]) == (False, ["on", "on"])


def test_who_comes_while_it_is_closed_pauses_at_once() -> None:
    """A gateway fills up before its broker is there: at its start, after a crash."""
    valve, heard = Valve(), []
    valve.close()
    valve.subscribe(lambda: heard.append("pauses"), lambda: heard.append("goes on"))
    assert heard == ["pauses"]
    valve.open()
    assert heard == ["pauses", "goes on"]
