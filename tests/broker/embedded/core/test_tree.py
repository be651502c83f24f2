"""The two trees against the plain matching of one filter with one topic."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.broker.embedded.core.tree import FilterTree, TopicTree
from gateway.topics import covers

names = (
    st.lists(st.sampled_from(["a", "b", "", "$a"]), min_size=1, max_size=4)
    .map("/".join)
    .filter(bool)
)
filters = (
    st.tuples(
        st.lists(st.sampled_from(["a", "b", "", "$a", "+"]), max_size=3),
        st.sampled_from([["a"], ["+"], ["#"]]),
    )
    .map(lambda parts: "/".join(parts[0] + parts[1]))
    .filter(bool)
)


@given(
    st.lists(st.tuples(filters, st.integers(0, 3))),
    st.lists(st.tuples(filters, st.integers(0, 3))),
    names,
)
def test_filters_found_by_topic(
    added: list[tuple[str, int]], removed: list[tuple[str, int]], topic: str
) -> None:
    """A topic finds the values under exactly the filters that match, whatever was added and removed
    before.
    """
    tree: FilterTree[int, tuple[str, int]] = FilterTree()
    for topic_filter, key in added:
        tree.add(topic_filter, key, (topic_filter, key))
    for topic_filter, key in removed:
        tree.remove(topic_filter, key)
    left = set(added) - set(removed)
    assert len(tree) == len(left)
    assert sorted(tree.match(topic)) == sorted(value for value in left if covers(value[0], topic))


@given(st.lists(names), st.lists(names), filters)
def test_topics_found_by_filter(added: list[str], removed: list[str], topic_filter: str) -> None:
    """A filter finds the values of exactly the topics that it matches, whatever was set and removed
    before.
    """
    tree: TopicTree[str] = TopicTree()
    for topic in added:
        tree.set(topic, topic)
    for topic in removed:
        tree.remove(topic)
    left = set(added) - set(removed)
    assert len(tree) == len(left)
    assert sorted(tree.match(topic_filter)) == sorted(
        topic for topic in left if covers(topic_filter, topic)
    )
    assert all(
        tree.get(topic) == (topic if topic in left else None) for topic in (*added, *removed)
    )


def test_an_empty_tree_holds_nothing() -> None:
    """When the last value of a branch goes, so does the branch."""
    tree: FilterTree[int, int] = FilterTree()
    tree.add("a/b/c", 1, 1)
    tree.add("a", 1, 1)
    tree.remove("a/b/c", 1)
    tree.remove("a", 1)
    assert not tree._root.children


def test_the_cost_of_a_match_is_that_of_what_matches() -> None:
    """Ten thousand filters of other devices are not looked at."""
    tree: FilterTree[int, int] = FilterTree()
    for number in range(10_000):
        tree.add(f"devices/{number}/commands/#", number, number)
    seen: list[str] = []

    class Spy(dict):  # type: ignore[type-arg]
        def get(self, level: str, default: object = None) -> object:
            seen.append(level)
            return super().get(level, default)

        def values(self) -> object:
            raise AssertionError("walked over all branches")

    root = tree._root.children
    assert root is not None
    devices = root["devices"]
    devices.children = Spy(devices.children or {})
    assert tree.match("devices/77/commands/led") == [77]
    assert seen == ["77", "+", "#"]
