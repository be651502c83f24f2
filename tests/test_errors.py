"""The tree of errors: each says itself in HTTP, WebSocket and MQTT."""

from gateway import errors
from gateway.errors import GatewayError


def classes(of: type[GatewayError] = GatewayError) -> list[type[GatewayError]]:
    """Every class of the tree that `gateway.errors` defines."""
    found = [of]
    for inner in of.__subclasses__():
        if inner.__module__ == errors.__name__:
            found += classes(inner)
    return found


def test_every_class_stands_in_the_picture() -> None:
    """The module's docstring draws the tree as it is."""
    assert errors.__doc__ is not None
    assert {each.__name__ for each in classes()} <= set(errors.__doc__.split())


def test_every_class_says_itself_three_ways() -> None:
    """An HTTP error, a WebSocket close code that may be sent, and an MQTT reason that is an
    error.
    """
    for each in classes():
        assert 400 <= each.status < 600
        assert 1002 <= each.close_code <= 1013 or 4000 <= each.close_code < 5000
        assert each.reason_code >= 0x80


def test_an_error_carries_what_is_wrong() -> None:
    """Fields name each wrong part; the message is what `str` gives."""
    error = errors.Invalid("two fields are wrong", fields={"id": "too long"})
    assert (str(error), error.detail, error.fields) == (
        "two fields are wrong",
        "two fields are wrong",
        {"id": "too long"},
    )
    assert errors.NotFound("x").fields == {}
