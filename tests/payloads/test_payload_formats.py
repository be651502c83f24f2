"""All binary and line formats together: objects, what is refused, and how a format is chosen."""

import json
import struct
from datetime import UTC, datetime
from typing import Any, get_args, get_type_hints

import cbor2
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.model import Route
from gateway.errors import Untranslatable
from gateway.payloads import CODECS, CONTENT_TYPES, Decode, by_content_type, one_value, readings

NOW = 1_763_673_303_125
PACK = (
    b'[{"bn":"urn:dev:ow:10e2073a01080063:","bt":1763673300,"bu":"A","bver":5,"n":"voltage",'
    b'"u":"V","v":120.1},{"n":"current","t":-5,"v":1.2},{"n":"on","vb":true},'
    b'{"n":"label","vs":"x"},{"n":"data","vd":"AP-_"}]'
)


def found(payload: bytes, how: Decode) -> dict[str, Any]:
    """Return values by channel."""
    return {r.channel: json.loads(r.value) for r in readings(payload, NOW, how)}


@pytest.mark.parametrize(
    ("how", "encode"), [("cbor", cbor2.dumps), ("msgpack", msgspec.msgpack.encode)]
)
@pytest.mark.parametrize(
    ("value", "channels"),
    [
        ({"t": 21.5, "on": True, "n": None}, {"t": 21.5, "on": True, "n": None}),
        ({"b": b"\x00\xff"}, {"b": {"base64": "AP8="}}),
        ({1: 2, "list": [1, "a"]}, {"1": 2, "list": [1, "a"]}),
        ({"at": datetime(2026, 1, 2, tzinfo=UTC)}, {"at": "2026-01-02T00:00:00Z"}),
        (5, {"value": 5}),
    ],
)
def test_objects_of_binary_formats_are_read_as_json(
    how: Decode, encode: Any, value: Any, channels: dict[str, Any]
) -> None:
    """Both formats mean the JSON object that they stand for; bytes and times have one form."""
    assert found(encode(value), how) == channels


@pytest.mark.parametrize(
    ("how", "encode"), [("cbor", cbor2.dumps), ("msgpack", msgspec.msgpack.encode)]
)
def test_their_own_time_is_taken(how: Decode, encode: Any) -> None:
    """`ts` and `ago` mean what they mean in JSON."""
    payload = encode([{"ts": NOW - 5, "values": {"t": 1}}, {"ago": 1500, "values": {"t": 2}}])
    assert [r.ts for r in readings(payload, NOW, how)] == [NOW - 5, NOW - 1500]


@pytest.mark.parametrize(
    ("how", "payload", "reason"),
    [
        ("cbor", b"\xa1\x61t\xf9\x7e\x00", "nan is not a number"),
        ("cbor", b"\xa1\x61t\xf9\x7c\x00", "inf is not a number"),
        ("cbor", b"\x81" * 10_000 + b"\x00", "not CBOR"),
        ("cbor", b"\xd8\x23\x63(a)", "only times and big numbers"),
        ("cbor", b"\xc5\x82\x1a\x7f\xff\xff\xff\x01", "only times and big numbers"),
        ("cbor", b"\xd8\x63\x01", "only times and big numbers"),
        ("cbor", b"\xc2\x49" + b"\xff" * 9, "more than 64 bits"),
        ("cbor", b"\x00\x00", "bytes after its end"),
        ("cbor", b"\xa2\x61t\x01\x61t\x02", "not CBOR"),
        ("cbor", b"\xa1\xf5\x01", "cannot be the name"),
        ("cbor", b"\xf8\x20", "no form in JSON"),
        ("cbor", b"", "not CBOR"),
        ("msgpack", b"\xd4\x05\x00", "no form in JSON"),
        ("msgpack", b"\x91" * 10_000 + b"\x00", "not MessagePack"),
        ("msgpack", b"\x81\xc2\x01", "cannot be the name"),
        ("msgpack", b"\x81\xa1t\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00", "nan is not a number"),
        ("msgpack", b"\x01\x02", "not MessagePack"),
        ("senml", b"{}", "a list of records"),
        ("senml", b"[1]", "record 1: an object"),
        ("senml", b'[{"n":"a","v":1,"x_":1}]', "'x_' has to be understood"),
        ("senml", b'[{"bver":11,"n":"a","v":1}]', "version 11"),
        ("senml", b'[{"n":"a","v":"1"}]', "'v' has the wrong type"),
        ("senml", b'[{"n":"a","v":true}]', "'v' has the wrong type"),
        ("senml", b'[{"n":"a","v":1,"vs":"b"}]', "more than one value"),
        ("senml", b'[{"n":"a+","v":1}]', "is not a channel"),
        ("senml", b'[{"n":"a","v":1,"t":99999999999}]', "more than a day ahead"),
        ("senml", b'[{"n":"a","vd":"***"}]', "base64url"),
        ("senml", b"[" + b"{}," * 10_000 + b"{}]", "at most 10,000 records"),
        ("senml-cbor", cbor2.dumps([{0: "a", 2: float("nan")}]), "is not a number"),
        ("line", b"m", "line 1: fields are missing"),
        ("line", b"m f=1\nm f=", "line 2: 'f='"),
        ("line", b'm f="open', "is not a field"),
        ("line", b"m,t= f=1", "not escaped"),
        ("line", b"m f=nan", "neither a number"),
        ("line", b"m f=99999999999999999999i", "more than 64 bits"),
        ("line", b"m f=1 12x", "neither a field nor a time"),
        ("line", b"m f=1e999", "neither a number"),
        ("line", b"m\\+ f=1\nm# f=1", "is not a channel"),
        ("line", b"\xff", "not UTF-8"),
        ("cayenne", b"\x01\x67\x01", "in the middle of a value, at byte 2"),
        ("cayenne", b"\x01\xfe\x01", "type 254 at byte 1"),
        ("cayenne", b"\x01", "in the middle of a value"),
        ("cayenne", b"", "is empty"),
    ],
)
def test_what_does_not_fit_is_told(how: Decode, payload: bytes, reason: str) -> None:
    """A message that cannot be read is refused with a reason that a person understands."""
    with pytest.raises(Untranslatable) as caught:
        readings(payload, NOW, how)
    assert reason in str(caught.value)


def test_a_content_type_chooses() -> None:
    """Parameters and case do not matter; what is not known says nothing."""
    assert by_content_type("Application/CBOR; x=1") == "cbor"
    assert by_content_type("application/hal+json") == "json"
    assert by_content_type("text/plain") is None
    assert set(CONTENT_TYPES.values()) <= CODECS.keys()


def test_the_configuration_knows_every_codec() -> None:
    """What `decode` of a route may be is what there is."""
    annotated = get_type_hints(Route, include_extras=True)["decode"]
    assert set(get_args(get_args(annotated)[0])) == CODECS.keys()


def test_one_value_of_a_format_that_names_channels() -> None:
    """Where a topic names the channel, a payload with one value fits, with several it does not."""
    assert one_value(b'[{"n":"a","v":1}]', "senml") == "1"
    with pytest.raises(Untranslatable, match="one value is expected here, these are 2"):
        one_value(b"m a=1,b=2", "line")


FORMATS: list[Decode] = ["cbor", "msgpack", "senml", "senml-cbor", "line", "cayenne"]
SAMPLES = [
    cbor2.dumps({"a": [1, 2.5, b"x", None], "b": {"c": "d"}}),
    msgspec.msgpack.encode({"a": [1, 2.5, b"x", None], "b": {"c": "d"}}),
    PACK,
    b'm,t=1 a=1,b="x\\"",c=3i 1\n',
    b"\x03\x67\x01\x10\x01\x88\x06\x76\x5f\xf2\x96\x0a\x00\x03\xe8",
]


@given(st.sampled_from(FORMATS), st.sampled_from(SAMPLES) | st.binary(max_size=40), st.data())
def test_anything_is_read_or_untranslatable(how: Decode, payload: bytes, data: Any) -> None:
    """Cut, changed or made up: values of strict JSON come out, or `Untranslatable`."""
    cut = data.draw(st.integers(0, len(payload)))
    changed = payload[:cut] + data.draw(st.binary(max_size=3)) + payload[cut + 1 :]
    try:
        result = readings(changed, NOW, how)
    except Untranslatable:
        return
    for reading in result:
        json.loads(reading.value, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
        assert "\n" not in reading.value


@given(st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_numbers_come_through_messagepack(number: float) -> None:
    """A float of a board is the same number in the frame."""
    payload = b"\xca" + struct.pack(">f", number)
    assert json.loads(one_value(payload, "msgpack")) == number
