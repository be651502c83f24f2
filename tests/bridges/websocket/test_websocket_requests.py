"""What a WebSocket client sends: read as asked, or refused with what was probably meant."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.bridges.websocket.requests import MAX_ID, Ping, Subscribe, id_of, read
from gateway.errors import Invalid

JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


def test_a_subscription() -> None:
    """Each field is where it belongs."""
    asked = read('{"type":"subscribe","id":"a","filter":"k/+","since":4,"mode":"latest"}')
    assert asked == Subscribe("k/+", id="a", since=4, mode="latest")


@pytest.mark.parametrize("id_", ["", "a" * 64, 0, -1.5, 2**53, None])
def test_an_id_is_short(id_: object) -> None:
    """A string or a number, or none; the answer can give it back."""
    text = json.dumps({"type": "ping", "id": id_})
    assert read(text) == Ping(id=id_)
    assert id_of(text) == id_


@pytest.mark.parametrize("id_", ["a" * 65, True, [], {}, {"a": 1}, 10**70])
def test_no_id(id_: object) -> None:
    """Anything else is refused, and is not given back: a connection keeps the ids of its
    subscriptions.
    """
    text = json.dumps({"type": "subscribe", "filter": "#", "id": id_})
    with pytest.raises(Invalid, match="id"):
        read(text)
    assert id_of(text) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"type":"subscribe","filtr":"#"}', "filtr: no such field; 'filter' is probably meant"),
        ('{"type":"ping","xyz":1,"id":[]}', "id: expected"),
        ('{"type":"subscrib"}', "type: no such message; 'subscribe' is probably meant"),
        ('{"type":"nope"}', "type: no such message"),
        ('{"type":1}', "type: no such message"),
        ("{}", "type is missing: one of auth, subscribe, unsubscribe, command, ping"),
        ("[]", "send a JSON object"),
        ('{"type":"subscribe"}', "object missing required field filter"),
        ('{"type":"subscribe","filter":1}', "filter: expected str, got int"),
        ('{"type":"subscribe","filter":"#","since":-1}', "since: expected int >= 0"),
        ("{", "not JSON: "),
        ("[" * 100_000, "not JSON: "),
    ],
)
def test_what_is_wrong_is_said(text: str, said: str) -> None:
    """In words that name the field, and what was probably meant."""
    with pytest.raises(Invalid) as refused:
        read(text)
    assert str(refused.value).startswith(said)


def test_a_long_name_costs_nothing() -> None:
    """No near word is looked for, and the answer stays short."""
    with pytest.raises(Invalid) as refused:
        read(json.dumps({"type": "ping", "filter": "#", "i" * 200_000: 1}).replace("ping", "auth"))
    assert len(str(refused.value)) < 200


@given(
    JSON
    | st.fixed_dictionaries(
        {"type": st.sampled_from(["auth", "subscribe", "unsubscribe", "command", "ping"])},
        optional={"id": JSON, "filter": JSON, "name": JSON, "since": JSON, "wait": JSON},
    )
)
def test_any_message_is_read_or_refused(message: object) -> None:
    """Nothing else is raised, and an id that is given back is short."""
    text = json.dumps(message)
    found = id_of(text)
    assert found is None or len(str(found)) <= MAX_ID
    try:
        asked = read(text)
    except Invalid:
        return
    assert found == asked.id
