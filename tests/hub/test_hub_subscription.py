"""A subscription knows what it is due and what it has been given."""

from gateway.frames import Series
from gateway.hub.subscription import Subscription
from gateway.topics import TopicFilter

KITCHEN = Series(1, "telemetry", "kitchen", "t")
HALL = Series(2, "telemetry", "hall", "t")


def test_given_is_what_matches_up_to_sent() -> None:
    """Nothing at or before the start counts as given, nor another device's frames."""
    one = Subscription(TopicFilter("kitchen/#"))
    one.begin(5, newest=9)
    one.sent = 8
    assert [seq for seq in range(1, 11) if one.has(seq, KITCHEN)] == [6, 7, 8]
    assert not one.has(7, HALL)
    assert not one.late


def test_the_present_replaces_what_was_due() -> None:
    """A late `latest` counts nothing before the replacement as given, and all that comes after."""
    one = Subscription(TopicFilter("#"), mode="latest")
    one.begin(5, newest=9)
    assert one.late
    one.replaced(9)
    assert (one.late, one.has(8, KITCHEN)) == (False, False)
    one.sent = 10
    assert one.has(10, KITCHEN)


def test_only_newer_latest_frames_are_due() -> None:
    """A series whose latest frame is older than the start is not shown."""
    one = Subscription(TopicFilter("#"), mode="latest")
    one.begin(5, newest=9)
    KITCHEN.latest_seq, HALL.latest_seq = 6, 5
    assert (one.shows(KITCHEN), one.shows(HALL)) == (True, False)
