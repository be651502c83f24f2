"""Two trees over topic levels: one holds filters and is searched by topic, the other topics and is
searched by filter.

Both walk only the branches that can still match, so what does not match costs nothing, however much
of it there is.
"""

from __future__ import annotations

from typing import Final, Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

MAX_LEVELS: Final = 200
"""Levels of a filter that is subscribed to or a topic that is retained: each level takes memory of
its own.
"""


_LEVEL: Final = 300  # bytes of a level: a node, its dictionary and its text
_ENTRY: Final = 500  # bytes of what stands at the end of the levels


def tree_size(path: str) -> int:
    """Return the bytes that a filter or a topic takes in its tree, about; others may share
    levels.
    """
    return _ENTRY + len(path) + _LEVEL * (path.count("/") + 1)


class _Node(Generic[K, V]):
    __slots__ = ("children", "values")

    def __init__(self) -> None:
        self.children: dict[str, _Node[K, V]] | None = None
        self.values: dict[K, V] | None = None


def _grown(root: _Node[K, V], levels: list[str]) -> _Node[K, V]:
    """Return the node of these levels, made if it is not there."""
    node = root
    for level in levels:
        if node.children is None:
            node.children = {}
        child = node.children.get(level)
        if child is None:
            child = node.children[level] = _Node()
        node = child
    return node


def _path(root: _Node[K, V], levels: list[str]) -> list[_Node[K, V]]:
    """Return the nodes from the root to that of these levels; none, where it is not there."""
    path = [root]
    for level in levels:
        child = (path[-1].children or {}).get(level)
        if child is None:
            return []
        path.append(child)
    return path


class FilterTree(Generic[K, V]):
    """Values by topic filter and key, found by topic name."""

    __slots__ = ("_root", "_size")

    def __init__(self) -> None:
        self._root: _Node[K, V] = _Node()
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def add(self, topic_filter: str, key: K, value: V) -> bool:
        """Put a value under a checked filter, and tell whether it is new or replaces that of the
        same key.
        """
        node = _grown(self._root, topic_filter.split("/"))
        if node.values is None:
            node.values = {}
        new = key not in node.values
        self._size += new
        node.values[key] = value
        return new

    def remove(self, topic_filter: str, key: K) -> bool:
        """Take a value out, and every branch that is left without one; tell whether it was
        there.
        """
        levels = topic_filter.split("/")
        path = _path(self._root, levels)
        values = path[-1].values if path else None
        if values is None or key not in values:
            return False
        del values[key]
        self._size -= 1
        path[-1].values = values or None
        _prune(path, levels)
        return True

    def match(self, topic: str) -> list[V]:
        """Return the values of every filter that matches a topic name (4.7.1)."""
        found: list[V] = []
        nodes = [self._root]
        for depth, level in enumerate(topic.split("/")):
            # [MQTT-4.7.2-1] a wildcard in the first level does not match a topic that begins with $
            wild = depth > 0 or level[:1] != "$"
            following: list[_Node[K, V]] = []
            for node in nodes:
                if node.children is not None:
                    _step(node.children, level, wild, following, found)
            if not following:
                return found
            nodes = following
        for node in nodes:
            if node.values is not None:
                found += node.values.values()
            # 4.7.1.2: # stands for the parent level too
            if node.children is not None and (rest := node.children.get("#")) is not None:
                found += (rest.values or {}).values()
        return found


def _step(
    children: dict[str, _Node[K, V]],
    level: str,
    wild: bool,
    following: list[_Node[K, V]],
    found: list[V],
) -> None:
    child = children.get(level)
    if child is not None:
        following.append(child)
    if not wild:
        return
    child = children.get("+")
    if child is not None:
        following.append(child)
    child = children.get("#")
    if child is not None and child.values is not None:
        found += child.values.values()


def _prune(path: list[_Node[K, V]], levels: list[str]) -> None:
    for depth in range(len(levels), 0, -1):
        node, children = path[depth], path[depth - 1].children
        if node.values is not None or node.children or children is None:
            return
        del children[levels[depth - 1]]


class TopicTree(Generic[V]):
    """One value a topic name, found by topic filter."""

    __slots__ = ("_root", "_size")

    def __init__(self) -> None:
        self._root: _Node[None, V] = _Node()
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def get(self, topic: str) -> V | None:
        """Return the value of a topic."""
        path = _path(self._root, topic.split("/"))
        return path[-1].values[None] if path and path[-1].values else None

    def set(self, topic: str, value: V) -> None:
        """Put the value of a topic in place of the one before."""
        node = _grown(self._root, topic.split("/"))
        self._size += not node.values
        node.values = {None: value}

    def remove(self, topic: str) -> bool:
        """Take a topic's value out, and tell whether there was one."""
        levels = topic.split("/")
        path = _path(self._root, levels)
        if not path or not path[-1].values:
            return False
        path[-1].values = None
        self._size -= 1
        _prune(path, levels)
        return True

    def match(self, topic_filter: str) -> list[V]:
        """Return the values of every topic that a checked filter matches."""
        nodes = [self._root]
        for depth, level in enumerate(topic_filter.split("/")):
            following: list[_Node[None, V]] = []
            for node in nodes:
                if level == "#":
                    following += _below(node, depth)
                elif level == "+":
                    following += _children(node, depth)
                elif (child := (node.children or {}).get(level)) is not None:
                    following.append(child)
            nodes = following
        return [node.values[None] for node in nodes if node.values]


def _children(node: _Node[None, V], depth: int) -> list[_Node[None, V]]:
    children = node.children or {}
    # [MQTT-4.7.2-1]
    return [child for level, child in children.items() if depth or level[:1] != "$"]


def _below(node: _Node[None, V], depth: int) -> list[_Node[None, V]]:
    """Return a node and all nodes under it."""
    found = [node]
    last = _children(node, depth)
    while last:
        found += last
        last = [child for parent in last for child in (parent.children or {}).values()]
    return found
