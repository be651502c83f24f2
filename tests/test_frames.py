"""Frames: the JSON of the contract, key by key."""

import json

from hypothesis import given
from hypothesis import strategies as st

from gateway.frames import (
    MAX_TS,
    Frame,
    Series,
    command_extra,
    is_new_command,
    is_of_rule,
    received_extra,
    reply_extra,
    rule_extra,
    session_extra,
    to_json,
)

TEXT = st.text(st.characters(exclude_categories=("Cs",)))
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
KEYS = {"type", "seq", "device", "channel", "ts", "value"}


def test_the_contracts_frame() -> None:
    """Keys stand in the order of the contract, without spaces."""
    series = Series(1, "telemetry", "kitchen", "temperature")
    assert Frame(1042, series, 1763673303125, "21.4", "").json == (
        b'{"type":"telemetry","seq":1042,"device":"kitchen","channel":"temperature","ts":1763673303125,"value":21.4}'
    )
    assert series.json(1, 5, "true", ',"received":7').endswith(b'"ts":5,"value":true,"received":7}')


@given(channel=TEXT, seq=st.integers(0, 2**62), ts=st.integers(0, MAX_TS), value=JSON)
def test_any_frame_is_json_on_one_line(channel: str, seq: int, ts: int, value: object) -> None:
    """Whatever channel and value are, a frame is one line of JSON that says them again."""
    data = Series(3, "telemetry", "k", channel).json(seq, ts, to_json(value), "")
    assert b"\n" not in data
    assert b"\r" not in data
    assert list(json.loads(data).items()) == [
        ("type", "telemetry"),
        ("seq", seq),
        ("device", "k"),
        ("channel", channel),
        ("ts", ts),
        ("value", value),
    ]


def test_a_new_series() -> None:
    """A series begins without a latest frame, and says where filters find it."""
    series = Series(7, "reply", "k", "a/b")
    assert (series.path, series.latest, series.latest_ts, series.latest_seq) == (
        "k/a/b",
        None,
        -1,
        0,
    )
    assert repr(series) == "Series(7, reply, k/a/b)"


@given(TEXT, st.sampled_from(["queued", "sent", "failed"]), st.none() | TEXT)
def test_the_ends_of_frames(rule: str, state: str, error: str | None) -> None:
    """Whatever a rule is called and an error says, the frame is JSON, and is known again by its
    end.
    """
    series = Series(1, "telemetry", "a", "b")

    def members(extra: str) -> dict[str, object]:
        frame = json.loads(series.json(1, 2, "3", extra))
        return {key: value for key, value in frame.items() if key not in KEYS}

    assert members(rule_extra(rule)) == {"rule": rule}
    assert members(received_extra(7)) == {"received": 7}
    assert members(reply_extra("c1")) == {"id": "c1"}
    why = {} if error is None else {"error": error}
    ended = command_extra("c1", state, error)
    assert members(ended) == {"id": "c1", "state": state, **why}
    assert members(session_extra(3)) == {"session": 3}
    assert members(session_extra(3, "restart", 9)) == {"session": 3, "reason": "restart", "seen": 9}
    assert is_of_rule(rule_extra(rule))
    assert not is_of_rule(ended)
    assert is_new_command(command_extra("c1", "queued"))
    assert not is_new_command(command_extra("c1", "sent"))
