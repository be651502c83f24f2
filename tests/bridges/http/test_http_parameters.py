"""What a request carries, as typed values."""

from contextlib import suppress
from typing import Annotated, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, Meta, UnsetType
from multidict import MultiDict

from gateway.bridges.http import parameters
from gateway.errors import Invalid, UnsupportedMedia
from gateway.times import Moment
from gateway.topics import TopicFilter


class Query(msgspec.Struct):
    """A query with a field of each kind."""

    limit: Annotated[int, Meta(ge=1, le=10)] = 5
    filter: Annotated[list[TopicFilter], Meta(max_length=2, description="any")] = []
    start: Moment | None = None
    order: Literal["asc", "desc"] = "asc"
    everywhere: bool = False


class Body(msgspec.Struct):
    """A body with a field of each kind."""

    email: str
    age: int | None = None
    name: str | UnsetType = UNSET
    expires: Moment | None = None


def test_a_query_is_read_by_its_types():
    """Numbers, lists, times and flags."""
    given_ = MultiDict(
        [("limit", "3"), ("filter", "a/+"), ("filter", "b"), ("start", "7"), ("everywhere", "true")]
    )
    query = parameters.query(given_, Query)
    assert (query.limit, query.order, query.everywhere) == (3, "asc", True)
    assert query.filter == [TopicFilter("a/+"), TopicFilter("b")]
    assert query.start is not None
    assert query.start.ms == 7


def test_every_wrong_parameter_is_named_once():
    """All at once, so that nobody has to try again for each."""
    given_ = MultiDict(
        [
            ("limit", "99"),
            ("filter", "a#"),
            ("start", "x"),
            ("order", "up"),
            ("limits", "1"),
            ("limit", "2"),
        ]
    )
    with pytest.raises(Invalid) as raised:
        parameters.query(given_, Query)
    assert raised.value.fields.keys() == {"limit", "filter", "start", "order", "limits"}
    assert "limit" in raised.value.fields["limits"]


def test_a_body_is_read_by_its_types():
    """A field that was not sent stays UNSET; a time may be a number."""
    body = parameters.body(b'{"email": "a@b", "expires": 1000}', Body)
    assert (body.email, body.age, body.name) == ("a@b", None, UNSET)
    assert body.expires is not None
    assert body.expires.ms == 1000


@pytest.mark.parametrize(
    ("data", "fields"),
    [
        (b"{}", {"email"}),
        (b"", {"email"}),
        (b'{"email": 1, "age": "x", "nmae": "n"}', {"email", "age", "nmae"}),
        (b'{"email": "a", "name": null}', {"name"}),
        (b'{"email": "a", "expires": true}', {"expires"}),
        (b"[1]", set()),
        (b"{oops", set()),
        (b'"\xff"', set()),
        (b"[" * 100_000, set()),
    ],
)
def test_every_wrong_field_of_a_body_is_named(data, fields):
    """And what is no object at all is refused."""
    with pytest.raises(Invalid) as raised:
        parameters.body(data, Body)
    assert raised.value.fields.keys() == fields


@given(st.lists(st.tuples(st.sampled_from(["limit", "filter", "start", "order", "x"]), st.text())))
def test_any_query_is_read_or_invalid(pairs):
    """Nothing else comes out."""
    with suppress(Invalid):
        assert 1 <= parameters.query(MultiDict(pairs), Query).limit <= 10


@given(st.binary())
def test_any_body_is_read_or_invalid(data):
    """Nothing else comes out."""
    with suppress(Invalid):
        assert parameters.body(data, Body).email is not None


def test_of_many_unknown_names_the_first_are_named():
    """Each costs a search for what is meant, so the rest are only counted."""
    body = {**{f"emial{number}": 1 for number in range(17_000)}, "x" * 5_000: 1}
    with pytest.raises(Invalid) as caught:
        parameters.fields_of(body, Body)
    said = caught.value.fields
    assert said["emial0"].endswith("'email' is probably meant")
    assert (len(said), said["..."]) == (12, "and 16,991 more that do not exist")
    assert said["email"] == "is missing"
    assert len(str(caught.value)) < 2_000


def test_a_long_name_is_not_compared_with_the_known_ones():
    """It is shown by its beginning."""
    with pytest.raises(Invalid) as caught:
        parameters.fields_of({"email": "a", "email" * 50_000: 1}, Body)
    assert caught.value.fields == {"email" * 8: "no such parameter"}


@given(st.binary(), st.none() | st.text())
def test_any_form_is_read_or_refused(data, charset):
    """What is read can be stored."""
    with suppress(Invalid, UnsupportedMedia):
        for text in sum(parameters.form(data, charset).items(), ()):
            text.encode()
