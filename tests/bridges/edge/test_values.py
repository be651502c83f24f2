"""Names to channels and back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.bridges.edge.values import channel_of, name_of
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
