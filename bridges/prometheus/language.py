"""PromQL, as much of it as panels of sensors need: from text to a tree.

Selectors, `..._over_time` of a range, `sum|avg|min|max by`, and arithmetic with numbers. Everything
else is refused in words that say what is there instead.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, TypeVar

from gateway.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")

MAX_LENGTH = 20_000  # characters of a query
MAX_DEPTH = 50  # brackets within brackets
MAX_PARTS = 200  # selectors, numbers, functions and operators

OVER_TIME = ("avg_over_time", "min_over_time", "max_over_time", "last_over_time", "count_over_time")
AGGREGATES = ("sum", "avg", "min", "max")
COMPARISONS = ("=", "!=", "=~", "!~")


class Matcher(NamedTuple):
    """What a label of a series has to be: `operator` is one of `COMPARISONS`."""

    label: str
    operator: str
    value: str


class Number(NamedTuple):
    """A number."""

    value: float


class Selector(NamedTuple):
    """The series whose labels match, each with its newest value."""

    matchers: tuple[Matcher, ...]


class OverTime(NamedTuple):
    """A function over the values of the last `reach` ms."""

    function: str
    of: Selector
    reach: int


class Aggregate(NamedTuple):
    """Series made one for each combination of the labels `by`."""

    function: str
    by: tuple[str, ...]
    of: Expression


class Arithmetic(NamedTuple):
    """One of the four rules; one side at least is a number."""

    operator: str
    left: Expression
    right: Expression


Expression: TypeAlias = Number | Selector | OverTime | Aggregate | Arithmetic


def is_number(expression: Expression) -> bool:
    """Tell whether an expression is a number, whatever the series are."""
    if isinstance(expression, Arithmetic):
        return is_number(expression.left) and is_number(expression.right)
    return isinstance(expression, Number)


def parse(text: str) -> Expression:
    """Return the tree of a query; raises `Invalid`."""
    return _Parser(text).whole(_Parser.expression)


def parse_selector(text: str) -> Selector:
    """Return the selector that a `match[]` has; raises `Invalid`."""
    return _Parser(text).whole(_Parser.selector)


_DAY = 86_400_000
_UNITS = {
    "ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": _DAY, "w": 7 * _DAY, "y": 365 * _DAY,
}  # fmt: skip
_DURATION = re.compile(r"([0-9]{1,9})(ms|[smhdwy])")
_TOKEN = re.compile(
    r"""(?P<space>\s++|\#[^\n]*+)
    |(?P<duration>(?:[0-9]++(?:ms|[smhdwy]))++)(?![A-Za-z0-9_])
    |(?P<number>(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][+-]?[0-9]++)?)(?![A-Za-z0-9_.])
    |(?P<name>[A-Za-z_:][A-Za-z0-9_:]*+)
    |(?P<string>"(?:[^"\\\n]|\\.)*+"|'(?:[^'\\\n]|\\.)*+'|`[^`]*+`)
    |(?P<sign>=~|!~|!=|==|<=|>=|[-+*/^%=<>{}()\[\],@])""",
    re.VERBOSE,
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "'": "'"}
_LITERALS = {"inf": float("inf"), "nan": float("nan")}


def milliseconds(text: str) -> int:
    """Return a duration such as `5m` or `1h30m`; raises `Invalid`."""
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise Invalid(f"{text[:40]!r} is not a duration such as 30s, 5m or 1h30m")
    found = sum(int(number) * _UNITS[unit] for number, unit in parts)
    if not found:
        raise Invalid("a duration is greater than 0")
    return found


class _Token(NamedTuple):
    kind: str
    text: str
    at: int


def _tokens(text: str) -> Iterator[_Token]:
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise Invalid(f"at character {at + 1}: {text[at : at + 20]!r} cannot be read")
        if found.lastgroup != "space":
            yield _Token(str(found.lastgroup), found[0], at)
        at = found.end()
    yield _Token("end", "", at)


class _Parser:
    """Reads tokens from left to right; each method reads one thing."""

    def __init__(self, text: str) -> None:
        if len(text) > MAX_LENGTH:
            raise Invalid(f"a query has at most {MAX_LENGTH:,} characters")
        self._tokens = list(_tokens(text))
        self._at = 0
        self._depth = 0
        self._parts = 0

    def whole(self, read: Callable[[_Parser], T]) -> T:
        found = read(self)
        if self._next.kind != "end":
            raise self._unexpected()
        return found

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _take(self) -> _Token:
        token = self._next
        self._at += token.kind != "end"
        return token

    def _sees(self, *texts: str) -> bool:
        return self._next.text in texts and self._next.kind in {"sign", "name"}

    def _demand(self, text: str) -> None:
        if not self._sees(text):
            raise self._unexpected(f"{text!r} is expected")
        self._take()

    def _unexpected(self, why: str = "") -> Invalid:
        token = self._next
        if token.text in {
            "offset",
            "@",
            "bool",
            "on",
            "ignoring",
            "without",
            "and",
            "or",
            "unless",
        }:
            return Invalid(f"at character {token.at + 1}: {token.text!r} is not spoken here")
        if token.text in {"==", "!=", "<", ">", "<=", ">=", "^", "%"}:
            return Invalid(f"at character {token.at + 1}: only + - * / are spoken here")
        what = (
            f"{token.text[:20]!r} is not expected here" if token.text else "the query ends too soon"
        )
        return Invalid(f"at character {token.at + 1}: {what}" + (f": {why}" if why else ""))

    def _part(self) -> None:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise Invalid(f"a query has at most {MAX_PARTS} parts")

    def expression(self) -> Expression:
        left = self._product()
        while self._sees("+", "-"):
            left = self._arithmetic(self._take().text, left, self._product())
        return left

    def _product(self) -> Expression:
        left = self._factor()
        while self._sees("*", "/"):
            left = self._arithmetic(self._take().text, left, self._factor())
        return left

    def _factor(self) -> Expression:
        negative = False
        while self._sees("+", "-"):
            negative ^= self._take().text == "-"
        found = self._primary()
        return self._arithmetic("*", Number(-1.0), found) if negative else found

    def _arithmetic(self, operator: str, left: Expression, right: Expression) -> Expression:
        self._part()
        if not is_number(left) and not is_number(right):
            raise Invalid(
                f"one side of {operator!r} has to be a number: series with series are not "
                f"spoken here"
            )
        return Arithmetic(operator, left, right)

    def _primary(self) -> Expression:
        self._part()
        token = self._next
        if token.kind == "number":
            return Number(float(self._take().text))
        if token.kind == "name" and token.text.lower() in _LITERALS:
            return Number(_LITERALS[self._take().text.lower()])
        if self._sees("("):
            return self._bracketed()
        if token.kind == "name" and token.text in AGGREGATES:
            return self._aggregate()
        if token.kind == "name" and self._tokens[self._at + 1].text == "(":
            return self._over_time()
        found = self.selector()
        if self._sees("["):
            raise self._unexpected(f"a range stands in one of {', '.join(OVER_TIME)}")
        return found

    def _bracketed(self) -> Expression:
        self._demand("(")
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise Invalid(f"more than {MAX_DEPTH} brackets within brackets")
        found = self.expression()
        self._depth -= 1
        self._demand(")")
        return found

    def _over_time(self) -> OverTime:
        name = self._take().text
        if name not in OVER_TIME:
            raise Invalid(f"{name}() is not spoken here; there are {', '.join(OVER_TIME)}")
        self._demand("(")
        selector = self.selector()
        self._demand("[")
        if self._next.kind != "duration":
            raise self._unexpected("a duration such as 5m is expected")
        reach = milliseconds(self._take().text)
        self._demand("]")
        self._demand(")")
        return OverTime(name, selector, reach)

    def _aggregate(self) -> Aggregate:
        name = self._take().text
        by = self._by()
        of = self._bracketed()
        if is_number(of):
            raise Invalid(f"{name} is of series, not of a number")
        return Aggregate(name, by or self._by(), of)

    def _by(self) -> tuple[str, ...]:
        if not self._sees("by"):
            return ()
        self._take()
        self._demand("(")
        labels = []
        while not self._sees(")"):
            labels.append(self._name())
            if not self._sees(")"):
                self._demand(",")
        self._demand(")")
        return tuple(labels)

    def selector(self) -> Selector:
        name = self._take().text if self._next.kind == "name" else None
        matchers = [] if name is None else [Matcher("__name__", "=", name)]
        if name is None or self._sees("{"):
            self._demand("{")
            while not self._sees("}"):
                self._part()
                matchers.append(self._matcher())
                if not self._sees("}"):
                    self._demand(",")
            self._demand("}")
        if not matchers:
            raise Invalid('a selector names something, such as value{device="kitchen"}')
        return Selector(tuple(matchers))

    def _matcher(self) -> Matcher:
        label = self._name()
        if not self._sees(*COMPARISONS):
            raise self._unexpected("one of = != =~ !~ is expected")
        operator = self._take().text
        if self._next.kind != "string":
            raise self._unexpected("a text in quotes is expected")
        return Matcher(label, operator, _unquoted(self._take()))

    def _name(self) -> str:
        if self._next.kind != "name":
            raise self._unexpected("the name of a label is expected")
        return self._take().text


def _unquoted(token: _Token) -> str:
    body = token.text[1:-1]
    if token.text[0] == "`":
        return body

    def unescaped(found: re.Match[str]) -> str:
        if found[1] not in _ESCAPES:
            raise Invalid(
                f"at character {token.at + 1}: {found[0]!r} is no escape: double the backslash"
            )
        return _ESCAPES[found[1]]

    return re.sub(r"\\(.)", unescaped, body)
