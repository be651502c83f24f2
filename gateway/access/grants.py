"""When one topic filter covers another (MQTT 5 section 4.7)."""

from __future__ import annotations


def covers(wide: str, narrow: str) -> bool:
    """Tell whether every topic that the filter `narrow` matches is matched by `wide`, both being
    valid.
    """
    wide_levels, narrow_levels = wide.split("/"), narrow.split("/")
    if wide_levels[0] in {"+", "#"} and narrow_levels[0].startswith("$"):  # [MQTT-4.7.2-1]
        return False
    for index, level in enumerate(wide_levels):
        if level == "#":
            return True  # the parent level, too
        if index == len(narrow_levels):
            return False
        other = narrow_levels[index]
        if other == "#" or level not in {"+", other}:
            return False
    return len(wide_levels) == len(narrow_levels)


def is_pattern(topic_filter: str) -> bool:
    """Tell whether a filter has a wildcard, so that it is not itself a topic name."""
    return "+" in topic_filter or "#" in topic_filter
