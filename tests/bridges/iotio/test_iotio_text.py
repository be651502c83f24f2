"""Packets of iot.io 0.2."""

from __future__ import annotations

import contextlib
import json
import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.bridges.iotio.packets import Packet
from gateway.bridges.iotio.text import arguments, decode, encode
from gateway.errors import Invalid

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)
EVENT = TEXT.filter(lambda text: '"/][/"' not in text and not text.endswith('"/][/'))


def test_the_exact_bytes():
    """A message and a handshake as their client writes them."""
    assert decode('[/"message"/][/"hi"/]') == Packet("message", '"hi"')
    assert decode('[/"state"/][/"{"on": true}"/]') == Packet("state", '{"on": true}')
    assert arguments('[/"e1"/][/"echo"/][/"{}"/]', 3) == ["e1", "echo", "{}"]


@pytest.mark.parametrize(
    ("payload", "value"), [("1", 1), ("1.5", 1.5), ("True", "True"), ("", ""), ("[1]", [1])]
)
def test_a_payload_is_json_or_text(payload, value):
    """What parses as JSON is that, and anything else is a string; brackets are no matter."""
    assert json.loads(decode(f'[/"e"/][/"{payload}"/]').value) == value


@given(EVENT, TEXT)
def test_any_payload_is_read(event, payload):
    """A payload may hold brackets, quotes and separators."""
    found = decode(f'[/"{event}"/][/"{payload}"/]')
    assert found.event == event
    try:
        expected = msgspec.json.decode(payload)
    except msgspec.DecodeError:  # NaN is none either, whatever Python's json says
        expected = payload
    assert json.loads(found.value) == expected


@given(TEXT)
def test_strings_arrive_at_their_client(value):
    """Their client's parser, which drops brackets, gets every string that is not by chance JSON as
    it was.
    """
    found = re.findall(r"\[/\"([^[\]]*)\"/\]", encode("e", json.dumps(value)))
    assert len(found) == 2
    assert _read_as_they_do(found[1]) == _read_as_they_do(value)


@given(st.dictionaries(TEXT, TEXT | st.integers(-5, 5) | st.none(), max_size=4))
def test_objects_arrive_at_their_client(value):
    """Their client gets every object without arrays, whatever its strings hold."""
    found = re.findall(r"\[/\"([^[\]]*)\"/\]", encode("e", json.dumps(value)))
    assert len(found) == 2
    assert json.loads(found[1]) == value


def _read_as_they_do(text):
    try:
        return json.loads(text, parse_constant=str)  # NaN is not even equal to itself
    except ValueError:
        return text


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused(text):
    """No text does anything but give a packet or `Invalid`."""
    with contextlib.suppress(Invalid):
        json.loads(decode(text).value)


@pytest.mark.parametrize("text", ["", "hi", '[/"event"/]', '[/"', '[/"/]', '"/][/"'])
def test_what_is_no_packet_is_refused(text):
    """Fewer arguments than two, or none, are refused."""
    with pytest.raises(Invalid):
        decode(text)
