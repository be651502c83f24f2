"""Topic names, filters, device ids, channels and route patterns."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import InvalidTopic
from gateway.topics import (
    MAX_CHANNEL,
    Matcher,
    TopicFilter,
    TopicPattern,
    check_channel,
    check_device,
    check_filter,
    check_topic,
    covers,
    is_pattern,
)

LEVELS = st.sampled_from(["", "a", "b", "$a", "ab", "a.b", "a\nb", "(", "ü", "*"])
TOPICS = st.lists(LEVELS, min_size=1, max_size=4).map("/".join).filter(bool)
FILTERS = (
    st.tuples(
        st.lists(LEVELS | st.just("+"), max_size=3),
        st.sampled_from([[], ["#"], ["+"], ["a"], [""]]),
    ).map(lambda parts: "/".join([*parts[0], *parts[1]]))
).filter(bool)


def naive_match(pattern: list[str], topic: list[str], *, first: bool = True) -> bool:
    """MQTT 5 section 4.7, level by level."""
    if first and topic[0].startswith("$") and pattern[0] in {"+", "#"}:
        return False
    if not pattern:
        return not topic
    if pattern[0] == "#":
        return True
    if not topic:
        return False
    return pattern[0] in {"+", topic[0]} and naive_match(pattern[1:], topic[1:], first=False)


@given(FILTERS, TOPICS)
def test_filter_matches_as_the_standard_says(text: str, topic: str) -> None:
    """One filter, any of several, and a filter that covers a topic are the same rule."""
    expected = naive_match(text.split("/"), topic.split("/"))
    assert TopicFilter(text).matches(topic) is expected
    assert Matcher([TopicFilter("no/such"), TopicFilter(text)]).matches(topic) is expected
    assert covers(text, topic) is expected


@given(texts=st.lists(FILTERS, max_size=8), topic=TOPICS)
def test_many_filters_match_what_one_of_them_does(texts: list[str], topic: str) -> None:
    """However they are put together."""
    filters = [TopicFilter(text) for text in texts]
    assert Matcher(filters).matches(topic) is any(each.matches(topic) for each in filters)


@given(wide=FILTERS, narrow=FILTERS, topic=TOPICS)
def test_what_the_narrow_one_matches_the_wide_one_matches(
    wide: str, narrow: str, topic: str
) -> None:
    """Covering is never wider than matching, and each filter covers itself."""
    assert covers(wide, wide)
    if covers(wide, narrow) and TopicFilter(narrow).matches(topic):
        assert TopicFilter(wide).matches(topic)


@pytest.mark.parametrize(
    ("wide", "narrow", "expected"),
    [
        ("a/#", "a/b/+", True), ("a/#", "a", True), ("a/+", "a/#", False), ("a/b", "a/+", False),
        ("+/b", "a/b", True), ("#", "$SYS/#", False), ("a/#", "+/b", False),
        ("a/+/c", "a/+/c", True),
        ("a/+/#", "a/#", False), ("+/+", "a/#", False), ("a/b/#", "a", False),
    ],
)  # fmt: skip
def test_one_filter_covers_another(wide: str, narrow: str, expected: bool) -> None:
    """The cases that matter, by name."""
    assert covers(wide, narrow) is expected


def test_patterns_have_wildcards() -> None:
    """`+` and `#` make a pattern."""
    assert is_pattern("a/+")
    assert is_pattern("#")
    assert not is_pattern("a/b")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("+/" * 32_000 + "+", "a filter has at most 1,024 characters, and 128 levels"),
        ("a" * 1_025, "a filter has at most 1,024 characters"),
        ("/" * 128, "and 128 levels"),
    ],
)
def test_a_filter_of_ours_is_short(text: str, why: str) -> None:
    """What one listener asks for costs the others nothing; MQTT's own filters may be longer."""
    with pytest.raises(InvalidTopic, match=why):
        TopicFilter(text)
    assert check_filter(text) == text


def test_the_longest_filters() -> None:
    """At the bounds a filter is a filter."""
    assert TopicFilter("a" * 1_024).matches("a" * 1_024)
    assert TopicFilter("/".join(["+"] * 128)).matches("/".join("a" * 128))


@pytest.mark.parametrize(
    ("text", "topic", "matches"),
    [
        ("sport/tennis/player1/#", "sport/tennis/player1", True),
        ("sport/#", "sport", True),
        ("sport/+", "sport", False),
        ("sport/+", "sport/", True),
        ("+/+", "/finance", True),
        ("/+", "/finance", True),
        ("+", "/finance", False),
        ("/#", "/finance", True),
        ("/#", "/", True),
        ("/#", "finance", False),
        ("/#", "finance/a", False),
        ("#", "$SYS/broker", False),
        ("+/broker", "$SYS/broker", False),
        ("$SYS/#", "$SYS/broker", True),
        ("a.c", "abc", False),
        ("+/value", "a\nb/value", True),
    ],
)
def test_the_examples_of_the_standard(text: str, topic: str, matches: bool) -> None:
    """The examples of MQTT 5 section 4.7, and what a regular expression may get wrong."""
    assert TopicFilter(text).matches(topic) is matches


@pytest.mark.parametrize(
    "text", ["", "a\0", "a/#/b", "a#", "#a", "a+", "+a/b", "a/b+/c", "##", "\ud800", "é" * 40_000]
)
def test_no_filter(text: str) -> None:
    """A wildcard shares its level with nothing, # is the last; no NUL, no surrogate, 65,535
    bytes.
    """
    with pytest.raises(InvalidTopic):
        check_filter(text)


@pytest.mark.parametrize(
    "text", ["", "a+", "#", "a\0b", "\udfff", "a" * 65_536, "é" * 32_768, "😀" * 16_384]
)
def test_no_topic(text: str) -> None:
    """A topic name has no wildcard, no NUL and no surrogate, and fits into 65,535 bytes."""
    with pytest.raises(InvalidTopic):
        check_topic(text)


@pytest.mark.parametrize(
    "text", ["/", "a//b", "a" * 65_535, "é" * 32_767, "😀" * 16_383, " ", "\x01"]
)
def test_topic_and_filter(text: str) -> None:
    """Empty levels, spaces and control characters are the sender's affair; the bound is in
    bytes.
    """
    assert check_topic(text) == text
    assert check_filter(text) == text


@given(st.text(st.characters(exclude_categories=())))
def test_checks_raise_nothing_else(text: str) -> None:
    """Whatever comes, a check returns it or raises `InvalidTopic`."""
    for check in (
        check_topic,
        check_filter,
        check_channel,
        check_device,
        TopicFilter,
        TopicPattern,
    ):
        try:
            check(text)
        except InvalidTopic as error:
            str(error).encode()  # can be said to a client


@pytest.mark.parametrize("device", ["a", "A-Z_0.9:x", "a" * 64])
def test_device(device: str) -> None:
    """Device ids of the contract."""
    assert check_device(device) == device


@pytest.mark.parametrize("device", ["", "a" * 65, "a b", "a/b", "ü", "a\n", "+", "a\0", "$a"])
def test_no_device(device: str) -> None:
    """What is no device id, a newline at the end among it."""
    with pytest.raises(InvalidTopic):
        check_device(device)


@pytest.mark.parametrize("channel", ["a", "relay/0", "Temperatur °C", "$x", "a" * MAX_CHANNEL])
def test_channel(channel: str) -> None:
    """A channel is one or more levels, in any script."""
    assert check_channel(channel) == channel


@pytest.mark.parametrize(
    "channel",
    [
        "",
        "/",
        "/a",
        "a/",
        "a//b",
        "a+",
        "#",
        "a\n",
        "a\x7f",
        "\x85",
        "\ud800",
        "a" * (MAX_CHANNEL + 1),
    ],
)
def test_no_channel(channel: str) -> None:
    """Empty levels, wildcards, control characters and surrogates are refused."""
    with pytest.raises(InvalidTopic):
        check_channel(channel)


def test_equal_filters_are_one() -> None:
    """Filters are values: groups of listeners are found by them."""
    assert len({TopicFilter("a/+"), TopicFilter("a/+"), TopicFilter("a/#")}) == 2
    assert TopicFilter("a/+") != "a/+"
    assert repr(TopicFilter("a/+")) == "TopicFilter('a/+')"


@pytest.mark.parametrize(
    ("pattern", "topic", "captures"),
    [
        ("devices/{device}/telemetry/{channel...}", "devices/k/telemetry/a/b", ("k", "a/b")),
        ("devices/{device}/telemetry/{channel...}", "devices/k/telemetry", None),
        ("devices/{device}/telemetry", "devices/k/telemetry", ("k", None)),
        ("tele/{device}/SENSOR", "tele/a b/SENSOR", ("a b", None)),
        ("tele/{device}/SENSOR", "tele/a/SENSOR/x", None),
        ("{channel}/{device}", "temperature/k", ("k", "temperature")),
        ("{channel}/{device}", "$SYS/k", None),
        ("{channel...}", "$SYS/k", None),
        ("x.y/{channel}", "xzy/a", None),
        ("fixed", "fixed", (None, None)),
    ],
)
def test_pattern(pattern: str, topic: str, captures: tuple[str | None, str | None] | None) -> None:
    """A route's pattern takes device and channel out of a topic."""
    assert TopicPattern(pattern).match(topic) == captures


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a/+",
        "a/#",
        "a/{device}x",
        "{device}/{device}",
        "{channel}/{channel...}",
        "{channel...}/a",
        "{x}",
        "a\0",
        "{",
    ],
)
def test_no_pattern(text: str) -> None:
    """A capture is a whole level, stands once, and {channel...} is the last."""
    with pytest.raises(InvalidTopic):
        TopicPattern(text)


PATTERNS = (
    st.lists(
        st.sampled_from(["a", "", "$a", "{device}", "{channel}", "{channel...}"]),
        min_size=1,
        max_size=4,
    )
    .map("/".join)
    .filter(lambda text: text and text.count("{device}") <= 1 and text.count("{channel") <= 1)
    .filter(lambda text: "{channel...}" not in text or text.endswith("{channel...}"))
)


@given(PATTERNS, TOPICS)
def test_a_patterns_filter_covers_it(text: str, topic: str) -> None:
    """Every topic of a pattern matches the filter that the gateway subscribes to for it."""
    pattern = TopicPattern(text)
    if pattern.match(topic) is not None:
        assert TopicFilter(pattern.filter).matches(topic)
