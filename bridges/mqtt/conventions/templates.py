"""Home Assistant's value templates: the common forms as a path, the others by an engine with fuel.

Source: home-assistant.io, "Templating", and minijinja. Templates come from devices: an engine
without a bound would let any of them stop the gateway. A rendered template is a text, as in Home
Assistant.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, TypeAlias

import msgspec
from minijinja import Environment, TemplateError

from gateway.errors import Untranslatable

FUEL = 2_000  # steps of the engine for one rendering
MAX_TEMPLATE = 4_096  # characters
MAX_RENDERED = 16_384

Render: TypeAlias = Callable[[bytes], str | None]
"""Makes a text of a payload; None where there is nothing to say. Raises `Untranslatable`."""

_STEP = r"""\.[A-Za-z_]\w*|\.[0-9]+|\[[0-9]+\]|\['[^'\\]*'\]|\["[^"\\]*"\]"""
_FILTER = (
    r"\|\s*(?:float|int|round|is_defined|default|string|lower|upper)"
    r"(?:\(\s*(?:-?[0-9.]+|'[^'\\]*')?\s*\))?"
)
_COMMON = re.compile(
    rf"\{{\{{-?\s*(value_json|value)((?:{_STEP})*)\s*((?:{_FILTER}\s*)*)-?\}}\}}", re.VERBOSE
)
_STEPS = re.compile(r"""\.(\w+)|\[([0-9]+)\]|\['([^']*)'\]|\["([^"]*)"\]""")
_FILTERS = re.compile(r"""\|\s*(\w+)(?:\(\s*(-?[0-9.]+|'[^']*')?\s*\))?""")

_MISSING: Any = object()


class _Undefined(Exception):
    """`is_defined` met a value that is not there: there is nothing to say."""


def compiled(template: str | None) -> Render:
    """Return what renders a template. Raises `Untranslatable` where it is not one.

    None: the payload is the text.
    """
    if not template:
        return _as_text
    if len(template) > MAX_TEMPLATE:
        raise Untranslatable(f"a template of more than {MAX_TEMPLATE:,} characters")
    common = _COMMON.fullmatch(template.strip())
    if common is not None:
        return _path(*common.groups())
    return _by_engine(template)


def rendered(template: str | None, value: Any) -> str:
    """Return the text of a command: what `command_template` makes of a value."""
    if not template:
        return shown(value)
    if len(template) > MAX_TEMPLATE:
        raise Untranslatable(f"a template of more than {MAX_TEMPLATE:,} characters")
    return _render(template, {"value": value})


def shown(value: Any) -> str:
    """Return a value as Python, and so Home Assistant, writes it: `True`, `None`, `21.5`."""
    return value if isinstance(value, str) else str(value)


def _as_text(payload: bytes) -> str | None:
    try:
        return payload.decode()
    except UnicodeDecodeError:
        raise Untranslatable("not UTF-8 text") from None


def _json(payload: bytes) -> Any:
    try:
        return msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _MISSING


# The common forms


def _path(start: str, steps: str, filters: str) -> Render:
    path = [
        int(a) if a and a.isdecimal() else int(b) if b else a or c or d
        for a, b, c, d in _STEPS.findall(steps)
    ]
    work = [(name, _argument(text)) for name, text in _FILTERS.findall(filters)]
    of_json = start == "value_json"

    def render(payload: bytes) -> str | None:
        value = _json(payload) if of_json else _as_text(payload)
        for step in path:
            value = _member(value, step)
        try:
            for name, argument in work:
                value = _APPLIED[name](value, argument)
        except _Undefined:
            return None
        return "" if value is _MISSING else shown(value)

    return render


def _argument(text: str) -> Any:
    if not text:
        return _MISSING
    if text.startswith("'"):
        return text[1:-1]
    try:
        return float(text) if "." in text else int(text)
    except ValueError:
        raise Untranslatable(f"{text[:40]!r} is not a number") from None


def _member(value: Any, step: Any) -> Any:
    if isinstance(value, dict):
        return value.get(step if isinstance(step, str) else str(step), _MISSING)
    if isinstance(value, list | str) and isinstance(step, int) and step < len(value):
        return value[step]
    return _MISSING


def _float(value: Any, default: Any) -> Any:
    try:
        return float(value) if len(str(value)) <= 64 else default
    except (TypeError, ValueError, OverflowError):
        return default


def _int(value: Any, default: Any) -> Any:
    number = _float(value, _MISSING)
    if number is _MISSING or not math.isfinite(number):
        return default
    return value if type(value) is int else int(number)


def _round(value: Any, digits: Any) -> Any:
    number = value if type(value) in (int, float) else _float(value, value)
    if not isinstance(number, int | float) or not math.isfinite(number):
        return value
    places = digits if isinstance(digits, int) and 0 <= digits <= 15 else 0
    return round(float(number), places)


def _is_defined(value: Any, _argument: Any) -> Any:
    if value is _MISSING:
        raise _Undefined
    return value


def _default(value: Any, default: Any) -> Any:
    return default if value is _MISSING else value


_APPLIED: dict[str, Callable[[Any, Any], Any]] = {
    "float": _float,
    "int": _int,
    "round": _round,
    "is_defined": _is_defined,
    "default": _default,
    "string": lambda value, _: value if value is _MISSING else shown(value),
    "lower": lambda value, _: value if value is _MISSING else shown(value).lower(),
    "upper": lambda value, _: value if value is _MISSING else shown(value).upper(),
}


# The others


@cache
def _engine() -> Environment:
    engine = Environment(fuel=FUEL)
    engine.add_filter("is_defined", _engine_defined)
    engine.add_filter("float", lambda value, default=None: _engine_number(_float, value, default))
    engine.add_filter("int", lambda value, default=None: _engine_number(_int, value, default))
    engine.add_global("float", lambda value, default=None: _engine_number(_float, value, default))
    engine.add_global("int", lambda value, default=None: _engine_number(_int, value, default))
    engine.add_filter("is_number", _is_number)
    engine.add_global("is_number", _is_number)
    return engine


def _engine_defined(value: Any) -> Any:
    if value is None:
        raise _Undefined
    return value


def _engine_number(make: Callable[[Any, Any], Any], value: Any, default: Any) -> Any:
    number = make(value, default)
    if number is None:
        raise ValueError(f"{str(value)[:40]!r} is not a number")
    return number


def _is_number(value: Any) -> bool:
    return _float(value, None) is not None


def _by_engine(template: str) -> Render:
    def render(payload: bytes) -> str | None:
        value = _json(payload)
        names: dict[str, Any] = {"value": _as_text(payload)}
        if value is not _MISSING:
            names["value_json"] = value
        try:
            return _render(template, names)
        except _Undefined:
            return None

    return render


def _render(template: str, names: dict[str, Any]) -> str:
    try:
        text = _engine().render_str(template, **names)
    except TemplateError as error:
        if isinstance(error.__cause__, _Undefined):
            raise error.__cause__ from None
        reason = str(error).partition("\n")[0]
        raise Untranslatable(f"the template {template[:80]!r}: {reason[:200]}") from None
    except (ValueError, TypeError, OverflowError) as error:
        raise Untranslatable(f"the template {template[:80]!r}: {str(error)[:200]}") from None
    if len(text) > MAX_RENDERED:
        raise Untranslatable(f"the template {template[:80]!r} makes more than 16 KB")
    return text.strip()


__all__: Sequence[str] = ("Render", "compiled", "rendered", "shown")
