"""When one filter covers another."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.access.grants import covers, is_pattern
from gateway.errors import InvalidTopic
from gateway.topics import TopicFilter, check_filter

levels = st.sampled_from(["a", "b", "", "$x", "+", "#"])
filters = st.lists(levels, min_size=1, max_size=4).map("/".join)
topics = st.lists(st.sampled_from(["a", "b", "", "$x"]), min_size=1, max_size=4).map("/".join)


def valid(text: str) -> bool:
    """Tell whether a text is a topic filter."""
    try:
        check_filter(text)
    except InvalidTopic:
        return False
    return True


@given(wide=filters.filter(valid), narrow=filters.filter(valid), topic=topics)
def test_what_the_narrow_one_matches_the_wide_one_matches(wide, narrow, topic):
    """Covering is never wider than matching."""
    assume(topic)
    if covers(wide, narrow) and TopicFilter(narrow).matches(topic):
        assert TopicFilter(wide).matches(topic)


@given(wide=filters.filter(valid), topic=topics.filter(bool))
def test_a_topic_is_covered_exactly_if_it_is_matched(wide, topic):
    """A filter without wildcards is a topic."""
    assert covers(wide, topic) == TopicFilter(wide).matches(topic)


@given(text=filters.filter(valid))
def test_each_filter_covers_itself(text):
    """`devices/kitchen/#` may be subscribed to by whom it is granted."""
    assert covers(text, text)


@pytest.mark.parametrize(
    ("wide", "narrow", "expected"),
    [
        ("a/#", "a/b/+", True), ("a/#", "a", True), ("a/+", "a/#", False), ("a/b", "a/+", False),
        ("+/b", "a/b", True), ("#", "$SYS/#", False), ("a/#", "+/b", False), ("a/+/c", "a/+/c", True),
    ],
)  # fmt: skip
def test_examples(wide, narrow, expected):
    """The cases that matter, by name."""
    assert covers(wide, narrow) is expected


def test_patterns_have_wildcards():
    """`+` and `#` make a pattern."""
    assert is_pattern("a/+")
    assert is_pattern("#")
    assert not is_pattern("a/b")
