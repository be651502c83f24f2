"""Names to channels and back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.access.fields import device_id, text
from gateway.bridges.edge.values import channel_of, device_of, line_of, name_of
from gateway.errors import InvalidTopic
from gateway.topics import check_channel

NAMES = st.text(
    st.characters(exclude_categories=["Cs"]) | st.sampled_from("+#/%\0\x85a2F"),
    min_size=1,
    max_size=20,
)


@given(NAMES)
def test_a_name_comes_back(name):
    """Any name has a channel, and the channel gives the name."""
    assert name_of(check_channel(channel_of(name))) == name


@given(NAMES.filter(lambda name: "%" not in name))
def test_a_channel_is_its_own_name(name):
    """A name that a channel may have stays as it is."""
    try:
        check_channel(name)
    except InvalidTopic:
        return
    assert channel_of(name) == name


@given(st.text(min_size=1, max_size=300))
def test_any_name_has_a_device_id(name):
    """The id is one that a device may have, the same each time, and a device's id is its own."""
    found = device_of(name)
    assert device_id(found) is None
    assert device_of(name) == found == device_of(found)
    assert (found == name) == (device_id(name) is None)
    assert text(line_of(name)) is None


def test_names_that_look_alike_have_other_ids():
    """What an id leaves out of a name is in its hash."""
    ids = {device_of(name) for name in ("my lamp", "my/lamp", "my  lamp", "my lamp ")}
    assert len(ids) == 4
    assert all(found.startswith("my_lamp") for found in ids)
