"""Patterns in linear time, compared with Python's `re`."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.bridges.prometheus.patterns import MAX_DEPTH, MAX_LENGTH, Pattern
from gateway.errors import Invalid

ATOMS = st.sampled_from(
    ["a", "b", ".", r"\d", r"\W", r"\.", "[ab]", "[^a]", "[a-c-]", "[]x]", r"[\d_]", r"[\]]", "é"]
)
PATTERNS = st.recursive(
    ATOMS,
    lambda inner: (
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{1,}", "{0,2}", "{0}", "*?"])).map(
            lambda parts: f"(?:{parts[0]}){parts[1]}"
        )
        | st.lists(inner, max_size=3).map("".join)
        | st.lists(inner, max_size=3).map(lambda parts: f"({'|'.join(parts)})")
    ),
    max_leaves=8,
)


@given(PATTERNS, st.lists(st.text("abc.x1-]_é", max_size=6), max_size=5))
def test_it_matches_what_re_matches(pattern: str, texts: list[str]) -> None:
    """The same texts, whole, however often it is asked."""
    compiled = Pattern(pattern)
    expected = re.compile(pattern, re.ASCII)
    for text in texts:
        assert compiled.matches(text) is (expected.fullmatch(text) is not None)
        assert compiled.matches(text) is (expected.fullmatch(text) is not None)


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("", "", True),
        ("", "a", False),
        ("kitchen|hall", "hall", True),
        ("^kit.*$", "kitchen", True),
        ("it", "kitchen", False),
        (r"a\-b", "a-b", True),
        ("a{2,3}", "aaaa", False),
        ("(a+)+b", "a" * 250 + "c", False),
        ("(a|a)*", "a" * 250, True),
        ("(.*)(.*)(.*)(.*)x", "a" * 250, False),
    ],
)
def test_patterns_of_panels(pattern: str, text: str, matches: bool) -> None:
    """Those that Grafana makes, and those that take other engines for ever."""
    assert Pattern(pattern).matches(text) is matches


@pytest.mark.parametrize(
    "pattern",
    [
        "(",
        ")",
        "a)",
        "[a",
        "*a",
        "a**",
        "a{",
        "a{x}",
        "a{3,2}",
        "a{1001}",
        "(a{1000}){1000}",
        "\\",
        "\\b",
        "\\1",
        "(?i)a",
        "(?=a)",
        "(?P<x>a)",
        "[[:alpha:]]",
        "[z-a]",
        "a^b",
        "a$b",
        "(a",
        "(" * (MAX_DEPTH + 1) + ")" * (MAX_DEPTH + 1),
        "a" * (MAX_LENGTH + 1),
    ],
)
def test_what_is_refused(pattern: str) -> None:
    """What is no pattern, what is not spoken here, and what is too long."""
    with pytest.raises(Invalid) as refused:
        Pattern(pattern)
    assert len(str(refused.value)) < 200


def test_the_work_of_a_pattern_is_bounded() -> None:
    """One that would take long is refused, whatever the texts are."""
    pattern = Pattern("(" + "|".join(["(.?){40}"] * 20) + ")*x")
    text = "".join(chr(1_000 + number) for number in range(10_000))
    with pytest.raises(Invalid, match="takes too long"):
        pattern.matches(text)


@given(st.text("ab(|)[]*+?{},1^$\\.-:", max_size=20), st.text("ab", max_size=5))
def test_any_text_is_a_pattern_or_refused(pattern: str, text: str) -> None:
    """Never another exception."""
    try:
        Pattern(pattern).matches(text)
    except Invalid as refused:
        assert str(refused)  # noqa: PT017 - either is right
