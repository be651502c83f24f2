"""Valid JSON goes into a frame as it came, on one line."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Untranslatable
from gateway.payloads.json_text import MAX_DEPTH, NotJson, json_readings, one_json, plain_members


def test_text_is_kept() -> None:
    """Numbers as written, keys twice if they were; only line breaks go."""
    assert one_json(b' {"a": 1.50} ') == '{"a": 1.50}'
    assert "\n" not in one_json(b'{\n "a": [1,\r\n2]}')
    assert json.loads(one_json(b'{\n "a": [1,\r\n2]}')) == {"a": [1, 2]}


def test_depth() -> None:
    """As deep as is allowed, and one more."""
    deep = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH
    assert one_json(deep) == deep.decode()
    with pytest.raises(Untranslatable, match="levels deep"):
        one_json(b"[" + deep + b"]")
    assert one_json(b'"' + b"[" * 999 + b'"')


@given(st.binary(max_size=30))
def test_any_bytes_are_json_or_not(payload: bytes) -> None:
    """What is taken is what a strict reader takes, with the same meaning."""
    try:
        found = one_json(payload)
    except NotJson:
        return
    assert json.loads(found) == json.loads(payload)


@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), st.integers()))
def test_the_short_way_says_what_the_long_one_says(value: dict[str, int]) -> None:
    """For an object of channels both give the same."""
    payload = json.dumps(value).encode()
    assert plain_members(payload) == [(r.channel, r.value) for r in json_readings(payload, 0)]
    assert plain_members(payload + b"\n") is None
