"""Payloads to values: valid JSON comes out as it went in, and nothing but `Untranslatable` is
raised.
"""

import base64
import json
import math
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Untranslatable
from gateway.frames import MAX_TS
from gateway.payloads import CODECS, Decode, Reading, one_value, plain_members, readings
from gateway.payloads.json_text import MAX_DEPTH
from gateway.payloads.plain import MAX_NUMBER
from gateway.payloads.reading import DAY, timestamp

HOW: list[Decode] = list(CODECS)
TEXT = st.text(st.characters(exclude_categories=("Cs",)))
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
PIECES = st.sampled_from(
    [
        *rb'" \ [ ] { } : , "ts" "values" "a" 1 - . e9 null \ud800 \u0000 NaN true'.split(),
        *(b"\n", b"\r", b" ", b"\xff", b"\xed\xa0\x80", b"\x00", b"\xef\xbb\xbf"),
    ]
)
PAYLOADS = st.binary(max_size=60) | st.lists(PIECES, max_size=20).map(b"".join)


NOW = 1_763_673_303_125


def one_line_json(text: str) -> object:
    """Decode what goes into a frame, as strictly as the strictest reader."""
    assert "\n" not in text
    assert "\r" not in text
    return json.loads(text.encode(), parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


@given(PAYLOADS, st.sampled_from(HOW))
def test_anything_is_one_line_of_json_or_untranslatable(payload: bytes, how: Decode) -> None:
    """No payload raises anything else, and no frame is ever broken by its value."""
    try:
        one_line_json(one_value(payload, how))
    except Untranslatable:
        assert how not in {"auto", "raw"}
    try:
        for channel, value, ts in readings(payload, NOW, how):
            one_line_json(value)
            assert channel
            assert ts is None or 0 <= ts <= NOW + DAY
    except Untranslatable:
        pass


@given(JSON, st.sampled_from([None, 2, "\t"]), st.booleans(), st.sampled_from(["auto", "json"]))
def test_json_is_what_it_was(
    value: object, indent: int | str | None, ascii_only: bool, how: Decode
) -> None:
    """Valid JSON, however it is spaced and escaped, is the same value afterwards."""
    payload = json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode()
    assert one_line_json(one_value(payload, how)) == value


@pytest.mark.parametrize(
    "text", ["21.40", "1E5", "-0", "-0.0", "1e-7", "123456789012345678901234567890", '"\\u00e9"']
)
def test_numbers_keep_their_digits(text: str) -> None:
    """A payload on one line goes in as it came; nothing is rounded or written anew."""
    assert one_value(f" {text}\t".encode()) == text


def test_several_lines_become_one() -> None:
    """Only the white space goes; a line break inside a string is an escape and stays."""
    assert one_value(b'[1.50,\r\n  "a\\nb c",\n{}]\n') == '[1.50,"a\\nb c",{}]'


@pytest.mark.parametrize(
    ("payload", "value"),
    [
        (b"", ""),
        (b"on", "on"),
        (b"nan", "nan"),
        (b"1e400", "1e400"),
        (b"a\0b", "a\0b"),
        (b'"\\ud800"', '"\\ud800"'),
        (b"\xff\x00", {"base64": "/wA="}),
        (b'"\xff"', {"base64": "Iv8i"}),
    ],
)
def test_auto_falls_back(payload: bytes, value: object) -> None:
    """JSON, else UTF-8 text as a string, else base64."""
    assert one_line_json(one_value(payload)) == value
    assert readings(payload, NOW) == [Reading("value", one_value(payload))]


@pytest.mark.parametrize(
    ("payload", "number"),
    [
        (b"21.4", "21.4"),
        (b"  21.40\r\n", "21.40"),
        (b"+5", "5.0"),
        (b".5", "0.5"),
        (b"-.5", "-0.5"),
        (b"5.", "5.0"),
        (b"007", "7.0"),
        (b"1e3", "1e3"),
        (b"9007199254740993", "9007199254740993"),
    ],
)
def test_number(payload: bytes, number: str) -> None:
    """A number as sketches print it: padded, signed, with leading zeros; JSON numbers keep their
    digits.
    """
    assert one_value(payload, "number") == number


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"nan",
        b"inf",
        b"-Infinity",
        b"1e400",
        b"true",
        b'"5"',
        b"1_000",
        b"0x10",
        b"5 C",
        b"\xff",
        b"-",
    ],
)
def test_no_number(payload: bytes) -> None:
    """What is no finite number is refused, also where Python would read one."""
    with pytest.raises(Untranslatable, match=r"number|UTF-8"):
        one_value(payload, "number")


@given(st.binary(max_size=200))
def test_raw(payload: bytes) -> None:
    """Raw bytes come back from their base64."""
    value = one_line_json(one_value(payload, "raw"))
    assert isinstance(value, dict)
    assert base64.b64decode(value["base64"]) == payload


def test_text() -> None:
    """Text is a string even where it is JSON, and must be UTF-8."""
    assert one_value(b'{"a":1}', "text") == '"{\\"a\\":1}"'
    with pytest.raises(Untranslatable, match="byte 1"):
        one_value(b"a\xff", "text")


@pytest.mark.parametrize("payload", [b"", b"on", b"[1", b"NaN", b'"\xff"', b"1 2"])
def test_json_only(payload: bytes) -> None:
    """A route that says JSON refuses everything else, and says why."""
    for translate in (one_value, partial(readings, now=NOW)):
        with pytest.raises(Untranslatable, match="not JSON"):
            translate(payload, how="json")


@pytest.mark.parametrize("payload", [b'{"a":', b" \n{'a':1}", b"[1,", b"[1]]", b'{"a":nan}'])
def test_what_begins_like_json_is_meant_to_be(payload: bytes) -> None:
    """Where the channels are in the payload, a broken object or array is a mistake and no text;
    one value may be any text.
    """
    with pytest.raises(Untranslatable, match="not JSON"):
        readings(payload, NOW)
    assert one_line_json(one_value(payload)) == payload.decode()


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 900, 990, 995, 1_000, 100_000])
@pytest.mark.parametrize(
    ("before", "opening", "closing", "after"),
    [
        (b"", b"[", b"\n]", b""),
        (b"", b'{"a":', b"}", b""),
        (b'{"ts":', b"[", b"]", b',"values":{}}'),
    ],
)
def test_too_deep(depth: int, before: bytes, opening: bytes, closing: bytes, after: bytes) -> None:
    """Deep nesting is refused whatever the stack has left, before anyone runs out of it."""
    payload = (
        before + opening * depth + (b"" if opening == b"[" else b"1") + closing * depth + after
    )
    for translate in (one_value, partial(readings, now=NOW)):
        with pytest.raises(Untranslatable, match="nested"):
            translate(payload)


def test_deep_enough() -> None:
    """Up to the bound JSON is JSON; brackets side by side or inside a string do not count."""
    deepest = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH
    wide = b"[" + b"[]," * 1_000 + b'"' + b"[" * 1_000 + b'\\"["]'
    for payload in (deepest, wide):
        assert one_value(payload).encode() == payload


def test_object_of_channels() -> None:
    """Each key of an object is a channel, its value as it came; the last of equal keys counts."""
    assert readings(b'{"a": 1.0, "b/c": [1, 2],\n "d": null, "a": 2.50}', NOW) == [
        Reading("a", "2.50"),
        Reading("b/c", "[1, 2]"),
        Reading("d", "null"),
    ]
    assert readings(b"{}", NOW) == []


def test_the_devices_own_time() -> None:
    """`ts` and `values`, alone or in an array, carry the time of measuring."""
    assert readings(b'{"ts":5,"values":{"a":1,"b":2}}', NOW) == [
        Reading("a", "1", 5),
        Reading("b", "2", 5),
    ]
    assert readings(b'[{"ts":5.9,"values":{"a":1}},{"ts":6,"values":{"a":2}}]', NOW) == [
        Reading("a", "1", 5),
        Reading("a", "2", 6),
    ]


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b'{"ts":5,"values":7}', [Reading("ts", "5"), Reading("values", "7")]),
        (
            b'{"ts":5,"values":{},"x":1}',
            [Reading("ts", "5"), Reading("values", "{}"), Reading("x", "1")],
        ),
        (b"[]", [Reading("value", "[]")]),
        (b'[{"ts":5,"values":{}},1]', [Reading("value", '[{"ts":5,"values":{}},1]')]),
        (b"21.4", [Reading("value", "21.4")]),
    ],
)
def test_nearly_the_devices_own_time(payload: bytes, expected: list[Reading]) -> None:
    """What only resembles the timed form is channels, or the channel `value`."""
    assert readings(payload, NOW) == expected


@pytest.mark.parametrize(
    "payload", [b'{"a+":1}', b'{"":1}', b'{"/a":1}', b'{"a\\n":1}', b'{"ts":1,"values":{"#":1}}']
)
def test_no_channel(payload: bytes) -> None:
    """A key that is no channel makes the payload untranslatable, whole."""
    with pytest.raises(Untranslatable, match="not a channel"):
        readings(payload, NOW)


@pytest.mark.parametrize(
    "ts", ["-1", "null", "true", '"5"', "[]", "1e300", str(MAX_TS + 1), "9" * 4_000, '"2025-11-20"']
)
def test_no_time(ts: str) -> None:
    """A time is a number of ms that an RFC 3339 date can say, or such a date."""
    with pytest.raises(Untranslatable, match="ts"):
        readings(f'{{"ts":{ts},"values":{{"a":1}}}}'.encode(), NOW)


def test_time() -> None:
    """Whole ms at both ends of the range."""
    assert (timestamp(0, NOW), timestamp(MAX_TS, MAX_TS), timestamp(1.9, NOW)) == (0, MAX_TS, 1)


def test_a_time_as_text() -> None:
    """RFC 3339 with any zone is the same moment as its milliseconds."""
    for text in ("2025-11-20T21:15:03.125Z", "2025-11-20T22:15:03.125+01:00"):
        payload = f'[{{"ts":"{text}","values":{{"a":1}}}}]'.encode()
        assert readings(payload, NOW) == [Reading("a", "1", NOW)]


def test_a_time_too_far_ahead() -> None:
    """A clock may be wrong by a day; what is further ahead would be the latest value for years."""
    assert timestamp(NOW + DAY, NOW) == NOW + DAY
    for late in (NOW + DAY + 1, "2025-11-21T21:15:03.126Z"):
        with pytest.raises(Untranslatable, match="more than a day ahead"):
            timestamp(late, NOW)


def test_so_long_ago() -> None:
    """A board without a clock says how many ms ago it measured, alone or in an array."""
    payload = (
        b'[{"ago":1500,"values":{"a":1}},{"ts":5,"values":{"a":2}},{"ago":0,"values":{"a":3}}]'
    )
    assert readings(payload, NOW) == [
        Reading("a", "1", NOW - 1500),
        Reading("a", "2", 5),
        Reading("a", "3", NOW),
    ]
    assert plain_members(b'{"ago":1500,"values":{"a":1}}') is None


@pytest.mark.parametrize("ago", ["-1", "null", "true", '"5"', "1e300", str(NOW + 1)])
def test_no_length_of_time(ago: str) -> None:
    """Nothing is measured after it has come, or before 1970."""
    with pytest.raises(Untranslatable, match="ago"):
        readings(f'{{"ago":{ago},"values":{{"a":1}}}}'.encode(), NOW)


@given(st.text("0123456789.eE+-x", max_size=70))
def test_a_number_is_what_python_reads(text: str) -> None:
    """The pattern takes what `float` takes of decimal notation, up to its bound."""
    try:
        number = float(text) if set(text) <= set("0123456789.eE+-") else None
    except ValueError:
        number = None
    if number is None or math.isinf(number) or len(text) > MAX_NUMBER:
        with pytest.raises(Untranslatable, match="not a number"):
            one_value(text.encode(), "number")
    else:
        assert float(one_value(text.encode(), "number")) == number


def test_a_long_number() -> None:
    """Sixty thousand digits are refused before anything is matched."""
    with pytest.raises(Untranslatable, match="more than 64 characters"):
        one_value(b"1" * 60_000 + b"x", "number")
