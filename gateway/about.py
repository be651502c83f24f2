"""What a device is: its name, its channels with their units, its commands with their controls.

Three sources tell it: what the convention knows of such devices, what the device says of itself,
and what a person has set. They are kept apart and merged field by field; a later source wins. The
form is that of docs/about.md.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from gateway.errors import Invalid, InvalidTopic
from gateway.topics import check_channel

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_BYTES = 16 * 1024  # of one source's JSON
MAX_NAMED = 1000  # channels, and commands, of a device

About: TypeAlias = dict[str, Any]
"""What one source says, or all of them together: JSON as in docs/about.md, checked."""

Text: TypeAlias = Annotated[str, Meta(max_length=200)]
Short: TypeAlias = Annotated[str, Meta(max_length=64)]
Number: TypeAlias = int | float
Positive: TypeAlias = Annotated[int, Meta(gt=0)] | Annotated[float, Meta(gt=0)]

# As people and firmware write them -> as Home Assistant spells them.
_UNITS = {
    "C": "°C",
    "degC": "°C",
    "℃": "°C",
    "º C": "°C",
    "ºC": "°C",
    "F": "°F",
    "degF": "°F",
    "℉": "°F",
    "lux": "lx",
    "VAr": "var",
    "kVAr": "kvar",
    "percent": "%",
    "μg/m³": "µg/m³",
    "ug/m3": "µg/m³",
    "µg/m3": "µg/m³",
    "m3": "m³",
    "m3/h": "m³/h",
    "l": "L",
    "uS/cm": "µS/cm",
    "W/m2": "W/m²",
    "deg": "°",
    "kmh": "km/h",
}
# What turns the direction of the text around it: with these a name could pose as another.
_TURNING = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


class _Channel(msgspec.Struct, omit_defaults=True):
    name: Text | UnsetType | None = UNSET
    unit: Short | UnsetType | None = UNSET
    kind: Short | UnsetType | None = UNSET
    min: Number | UnsetType | None = UNSET
    max: Number | UnsetType | None = UNSET
    digits: Annotated[int, Meta(ge=0, le=10)] | UnsetType | None = UNSET
    event: bool | UnsetType | None = UNSET


class _Command(msgspec.Struct, omit_defaults=True):
    name: Text | UnsetType | None = UNSET
    type: Literal["boolean", "number", "choice", "text", "button"] | UnsetType | None = UNSET
    channel: Annotated[str, Meta(max_length=256)] | UnsetType | None = UNSET
    unit: Short | UnsetType | None = UNSET
    min: Number | UnsetType | None = UNSET
    max: Number | UnsetType | None = UNSET
    step: Positive | UnsetType | None = UNSET
    options: Annotated[list[str | Number | bool], Meta(max_length=200)] | UnsetType | None = UNSET


class _Device(msgspec.Struct, omit_defaults=True):
    name: Text | UnsetType | None = UNSET
    manufacturer: Text | UnsetType | None = UNSET
    model: Text | UnsetType | None = UNSET
    version: Text | UnsetType | None = UNSET
    interval: Positive | UnsetType | None = UNSET
    tags: Annotated[list[Short], Meta(max_length=32)] | UnsetType | None = UNSET
    channels: dict[str, _Channel | None] | UnsetType | None = UNSET
    commands: dict[str, _Command | None] | UnsetType | None = UNSET


def announced(payload: bytes) -> About:
    """Return what a device says of itself; unknown keys are left out. Raises `Invalid`.

    An empty payload withdraws all of it.
    """
    if not payload.strip():
        return {}
    if len(payload) > MAX_BYTES:
        raise Invalid(f"about: at most {MAX_BYTES:,} bytes, this has {len(payload):,}")
    try:
        value = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid(f"about: not JSON: {error}") from None
    return _patched({}, checked(value))


def edited(edits: About, patch: Any) -> About:
    """Return a person's edits after a JSON merge patch (RFC 7396). Raises `Invalid`.

    null takes an edit back, so that what the device says shows again.
    """
    known = unknown_key(patch)
    if known is not None:
        raise Invalid(f"about: {known}: no such key")
    after = _without_empty(_patched(edits, checked(patch)))
    if len(msgspec.json.encode(after)) > MAX_BYTES:
        raise Invalid(f"about: at most {MAX_BYTES:,} bytes of edits")
    return after


def merged(*sources: About) -> About:
    """Return all sources as one, the later winning field by field."""
    about: About = {}
    for source in sources:
        about = _patched(about, source)
    return about


def unit(text: str) -> str:
    """Return a unit as Home Assistant spells it."""
    text = text.strip()
    return _UNITS.get(text, text)


def plain(text: str) -> str:
    """Return a name without control characters and without marks that turn the text around."""
    text = _TURNING.sub("", unicodedata.normalize("NFC", text))
    return "".join(" " if unicodedata.category(c) in {"Cc", "Zl", "Zp", "Cs"} else c for c in text)


def checked(value: Any) -> About:
    """Return what of a JSON value is about a device, with names and units made plain.

    Raises `Invalid` with the place of what does not fit. null stays, as a merge patch needs it.
    """
    try:
        form = msgspec.convert(value, _Device)
    except msgspec.ValidationError as error:
        raise Invalid(f"about: {_in_words(str(error))}") from None
    about: About = _plain(msgspec.to_builtins(form))
    for table in ("channels", "commands"):
        names = about.get(table) or {}
        if len(names) > MAX_NAMED:
            raise Invalid(f"about: {table}: at most {MAX_NAMED}, these are {len(names)}")
        for name in names:
            try:
                check_channel(name)
            except InvalidTopic as error:
                raise Invalid(f"about: {table}: {error}") from None
    return about


def _without_empty(about: About) -> About:
    """Return edits without objects that hold none any more."""
    pruned = {k: _without_empty(v) if isinstance(v, dict) else v for k, v in about.items()}
    return {key: value for key, value in pruned.items() if value != {}}


def fitting(value: Mapping[str, Any]) -> About:
    """Return what of a convention's words is about a device; what does not fit is left out.

    What a convention makes of other people's announcements is not to be lost for one bad name.
    """
    about: About = {}
    for key, member in value.items():
        if key in ("channels", "commands"):
            named = member.items() if isinstance(member, dict) else ()
            parts: list[About] = [{key: {name: fields}} for name, fields in named][:MAX_NAMED]
        else:
            cut = member[:200] if isinstance(member, str) else member
            parts = [{key: cut}]
        for part in parts:
            try:
                about = _patched(about, checked(part))
            except Invalid:
                continue
    return about


def unknown_key(value: Any) -> str | None:
    """Return the first key that about does not have, as a path; None where all are known."""
    return next(_unknown(value), None)


def _unknown(value: Any) -> Iterator[str]:
    for key, member in value.items() if isinstance(value, dict) else ():
        if key not in _Device.__struct_fields__:
            yield str(key)[:64]
        form = {"channels": _Channel, "commands": _Command}.get(key)
        if form is not None and isinstance(member, dict):
            for name, fields in member.items():
                for field in fields if isinstance(fields, dict) else ():
                    if field not in form.__struct_fields__:
                        yield f"{key}.{name[:64]}.{str(field)[:64]}"


def _patched(target: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    after = dict(target)
    for key, value in patch.items():
        if value is None:
            after.pop(key, None)
        elif isinstance(value, dict):
            inner = after.get(key)
            after[key] = _patched(inner if isinstance(inner, dict) else {}, value)
        else:
            after[key] = value
    return after


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: unit(plain(inner)) if key == "unit" and isinstance(inner, str) else _plain(inner)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return plain(value) if isinstance(value, str) else value


_FORMS = {
    "str | null": "a text",
    "str": "a text",
    "int | float | null": "a number",
    "int | float": "a number",
    "bool | null": "true or false",
    "object | null": "an object",
    "array | null": "a list",
    "int": "a number",
    "float": "a number",
    "bool": "true or false",
    "object": "an object",
    "array": "a list",
}


def _in_words(error: str) -> str:
    what, _, place = error.partition(" - at ")
    what = re.sub(r"`([^`]*)`", lambda m: _FORMS.get(m[1], m[0]), what)
    place = place.strip("`").removeprefix("$.").removeprefix("$")
    return f"{place}: {what[:1].lower()}{what[1:]}" if place else what[:1].lower() + what[1:]
