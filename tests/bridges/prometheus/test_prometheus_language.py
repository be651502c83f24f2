"""PromQL to a tree: what is spoken, what is refused and how it says so."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.bridges.prometheus.language import (
    AGGREGATES,
    MAX_DEPTH,
    MAX_LENGTH,
    MAX_PARTS,
    OVER_TIME,
    Aggregate,
    Arithmetic,
    Matcher,
    Number,
    OverTime,
    Selector,
    is_number,
    milliseconds,
    parse,
    parse_selector,
)
from gateway.errors import Invalid

VALUE = Selector((Matcher("__name__", "=", "value"),))


def test_selectors() -> None:
    """A name, labels, or both; the four ways to match; three kinds of quotes."""
    assert parse("value") == VALUE
    assert parse(
        r'value{device="a\"b", channel!=`\d`, x=~ "a\\.b",y!~\'c\',}'.replace(r"\'", "'")
    ) == Selector(
        (
            Matcher("__name__", "=", "value"),
            Matcher("device", "=", 'a"b'),
            Matcher("channel", "!=", "\\d"),
            Matcher("x", "=~", "a\\.b"),
            Matcher("y", "!~", "c"),
        )
    )
    assert parse_selector('{device="k"}') == Selector((Matcher("device", "=", "k"),))


def test_functions_of_a_range() -> None:
    """All five, and durations of several parts."""
    for name in OVER_TIME:
        assert parse(f"{name}(value[1h30m])") == OverTime(name, VALUE, 5_400_000)
    assert milliseconds("1d2h3m4s5ms") == 93_784_005


def test_aggregates_before_and_behind() -> None:
    """`by` on either side, or none."""
    for name in AGGREGATES:
        assert parse(f"{name} by (device, channel) (value)") == Aggregate(
            name, ("device", "channel"), VALUE
        )
        assert parse(f"{name}(value) by (device)") == Aggregate(name, ("device",), VALUE)
        assert parse(f"{name}(value)") == Aggregate(name, (), VALUE)


def test_arithmetic_binds_as_at_school() -> None:
    """Multiplication first, from left to right, brackets and signs."""
    assert parse("1 - 2 - 3") == Arithmetic("-", Arithmetic("-", Number(1), Number(2)), Number(3))
    assert parse("1 + 2 * value") == Arithmetic("+", Number(1), Arithmetic("*", Number(2), VALUE))
    assert parse("(1 + 2) * .5e1 # comment") == Arithmetic(
        "*", Arithmetic("+", Number(1), Number(2)), Number(5)
    )
    assert parse("- -value") == VALUE
    assert parse("-value") == Arithmetic("*", Number(-1), VALUE)
    assert is_number(parse("1 + Inf"))
    assert not is_number(parse("1 + value"))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "ends too soon"),
        ("value{", "name of a label"),
        ('value{device"x"}', "= != =~ !~"),
        ("value{device=x}", "text in quotes"),
        ('value{device="\\d"}', "double the backslash"),
        ('value{device="x}', "cannot be read"),
        ("{}", "names something"),
        ("rate(value[5m])", "rate() is not spoken here; there are avg_over_time"),
        ("value[5m]", "a range stands in one of"),
        ("avg_over_time(value)", "'[' is expected"),
        ("avg_over_time(value[5])", "a duration such as"),
        ("avg_over_time(value[0s])", "greater than 0"),
        ("avg_over_time(avg(value)[5m:1m])", "is not expected"),
        ("value offset 5m", "'offset' is not spoken here"),
        ("value @ 1", "'@' is not spoken here"),
        ("value + value", "has to be a number"),
        ("value > 5", "only + - * /"),
        ("2 ^ 2", "only + - * /"),
        ("sum without (device) (value)", "'without' is not spoken here"),
        ("sum(1)", "is of series"),
        ("count(value)", "count() is not spoken here"),
        ("1 2", "is not expected here"),
        ("1value", "cannot be read"),
        ("\N{SNOWMAN}", "cannot be read"),
        ("(" * 10_000 + "value" + ")" * 9_000, "brackets within brackets"),
        ("(" * (MAX_DEPTH + 1) + "value" + ")" * (MAX_DEPTH + 1), "brackets within brackets"),
        ("sum(" * 10_000, "characters"),
        ("-" * 10_000 + "(" * 60, "brackets within brackets"),
        ("1" + "+1" * MAX_PARTS, "parts"),
        ("1" * (MAX_LENGTH + 1), "characters"),
        ("a" * 300 + "{" + "b='c'," * 300 + "}", "parts"),
    ],
)
def test_what_is_refused_says_why(text: str, why: str) -> None:
    """A line that names the place, and what is there instead."""
    with pytest.raises(Invalid) as refused:
        parse(text)
    assert why in str(refused.value)
    assert len(str(refused.value)) < 300


LABELS = st.sampled_from(["device", "channel"])
SELECTORS = st.lists(
    st.builds(Matcher, LABELS, st.sampled_from(["=", "!=", "=~", "!~"]), st.text(max_size=5)),
    max_size=3,
).map(lambda matchers: Selector((Matcher("__name__", "=", "value"), *matchers)))
SERIES = st.recursive(
    SELECTORS | st.builds(OverTime, st.sampled_from(OVER_TIME), SELECTORS, st.integers(1, 10**9)),
    lambda inner: (
        st.builds(
            Aggregate, st.sampled_from(AGGREGATES), st.lists(LABELS, max_size=2).map(tuple), inner
        )
        | st.builds(Arithmetic, st.sampled_from("+-*/"), inner, st.floats(0, 1e9).map(Number))
    ),
    max_leaves=6,
)


def written(tree) -> str:
    """Write a tree as PromQL."""
    if isinstance(tree, Number):
        return repr(tree.value)
    if isinstance(tree, Selector):
        inside = ",".join(f"{label}{how}{quoted(value)}" for label, how, value in tree.matchers[1:])
        return f"value{{{inside}}}"
    if isinstance(tree, OverTime):
        return f"{tree.function}({written(tree.of)}[{tree.reach}ms])"
    if isinstance(tree, Aggregate):
        return f"{tree.function}({written(tree.of)})" + (
            f" by ({','.join(tree.by)})" if tree.by else ""
        )
    return f"({written(tree.left)}) {tree.operator} ({written(tree.right)})"


def quoted(text: str) -> str:
    """Write a text in quotes."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


@given(SERIES)
def test_every_tree_can_be_written_and_read(tree) -> None:
    """Nothing is lost or bound otherwise."""
    assert parse(written(tree)) == tree


@given(st.text(max_size=80) | st.text("value{}()[]=~!\"'`+-*/,by sum 5m1.e#\\", max_size=80))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Never another exception."""
    try:
        parse(text)
    except Invalid as refused:
        assert str(refused)  # noqa: PT017 - either is right
