"""SenML (RFC 8428): packs of records with base values, as JSON and as CBOR."""

from __future__ import annotations

import base64
import binascii
import math
import re
from typing import Any

import msgspec

from gateway.errors import InvalidTopic, Untranslatable
from gateway.frames import to_json
from gateway.payloads import cbor
from gateway.payloads.reading import Reading, timestamp
from gateway.topics import check_channel

MAX_RECORDS = 10_000
VERSION = 10
RELATIVE = 1 << 28  # s; a smaller time counts from now (RFC 8428 section 4.5.3)

# Section 6, table 6: the labels of CBOR.
_LABELS = {
    -1: "bver",
    -2: "bn",
    -3: "bt",
    -4: "bu",
    -5: "bv",
    -6: "bs",
    0: "n",
    1: "u",
    2: "v",
    3: "vs",
    4: "vb",
    5: "s",
    6: "t",
    7: "ut",
    8: "vd",
}
_FORMS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("bn", "bu", "n", "u", "vs"), (str,)),
    **dict.fromkeys(("bt", "bv", "bs", "v", "s", "t", "ut"), (int, float)),
    "bver": (int,),
    "vb": (bool,),
    "vd": (str, bytes),
}
# What names the device, which the sign-in has named already: `urn:dev:mac:0024befffe804ff1:`.
_URN = re.compile(r"urn:dev:[a-z]+:[^:_/;]*[:_/;]?")


def senml_json_readings(payload: bytes, now: int) -> list[Reading]:
    """Return the values of a pack in JSON. Raises `Untranslatable`."""
    try:
        records = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Untranslatable(f"not SenML: not JSON: {str(error)[:200]}") from None
    return _readings(records, now)


def senml_cbor_readings(payload: bytes, now: int) -> list[Reading]:
    """Return the values of a pack in CBOR. Raises `Untranslatable`."""
    return _readings(cbor.decode(payload), now)


def _readings(records: Any, now: int) -> list[Reading]:
    if not isinstance(records, list) or not records:
        raise Untranslatable("not SenML: a list of records is expected")
    if len(records) > MAX_RECORDS:
        raise Untranslatable(f"SenML: at most {MAX_RECORDS:,} records, these are {len(records):,}")
    base: dict[str, Any] = {}
    found = []
    for number, record in enumerate(records, 1):
        try:
            fields = _fields(record)
            base |= {key: value for key, value in fields.items() if key in _BASE}
            found += _of_record(base, fields, now)
        except (InvalidTopic, Untranslatable) as error:
            raise Untranslatable(f"SenML: record {number}: {error}") from None
    return found


_BASE = {"bn", "bt", "bu", "bv", "bs", "bver"}


def _fields(record: Any) -> dict[str, Any]:
    if not isinstance(record, dict):
        raise Untranslatable("an object is expected")
    fields = {}
    for key, value in record.items():
        name = _LABELS.get(key, key) if isinstance(key, int) else key
        if name in _FORMS:
            fields[name] = _checked(name, value)
        elif isinstance(name, str) and name.endswith("_"):  # section 4.4: must be understood
            raise Untranslatable(f"{name[:40]!r} has to be understood, and is not")
    if fields.get("bver", VERSION) > VERSION:
        raise Untranslatable(f"version {fields['bver']}; at most {VERSION} is understood")
    return fields


def _checked(name: str, value: Any) -> Any:
    forms = _FORMS[name]
    if not isinstance(value, forms) or (isinstance(value, bool) and bool not in forms):
        raise Untranslatable(f"{name!r} has the wrong type")
    if isinstance(value, int | float) and not (
        math.isfinite(value) and abs(value) < 1e300  # before any conversion: whole numbers are wide
    ):
        raise Untranslatable(f"{name!r} is not a number that JSON can hold")
    return value


def _of_record(base: dict[str, Any], fields: dict[str, Any], now: int) -> list[Reading]:
    ts = _time(base, fields, now)
    found = []
    value = _value(base, fields)
    if value is not None:
        found.append(Reading(_channel(base, fields), to_json(value), ts))
    if "s" in fields or ("bs" in base and value is None and "n" in fields):
        total = fields.get("s", 0) + base.get("bs", 0)
        found.append(Reading(f"{_channel(base, fields)}/sum", to_json(total), ts))
    if not found and fields.keys() - _BASE - {"n", "u", "t", "ut"}:
        raise Untranslatable("a value is missing")
    return found


def _value(base: dict[str, Any], fields: dict[str, Any]) -> Any:
    given = [key for key in ("v", "vs", "vb", "vd") if key in fields]
    if len(given) > 1:
        raise Untranslatable(f"more than one value: {', '.join(given)}")
    if not given:
        return base["bv"] if "bv" in base and "n" in fields and "s" not in fields else None
    if given == ["v"]:
        return fields["v"] + base.get("bv", 0)
    value = fields[given[0]]
    return {"base64": _base64(value)} if given == ["vd"] else value


def _base64(value: str | bytes) -> str:
    """Return data as ordinary base64; in JSON it comes in the alphabet for URLs, without
    padding.
    """
    if isinstance(value, str):
        try:
            value = base64.b64decode(value + "=" * (-len(value) % 4), b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise Untranslatable("'vd' is not base64url") from None
    return base64.b64encode(value).decode()


def _channel(base: dict[str, Any], fields: dict[str, Any]) -> str:
    name = _URN.sub("", base.get("bn", "") + fields.get("n", ""), count=1)
    return check_channel(name.strip("/:_") or "value")


def _time(base: dict[str, Any], fields: dict[str, Any], now: int) -> int | None:
    if "bt" not in base and "t" not in fields:
        return None
    seconds = base.get("bt", 0) + fields.get("t", 0)
    if seconds == 0:
        return None
    ms = seconds * 1000 if seconds >= RELATIVE else now + seconds * 1000
    return timestamp(max(ms, 0), now)
