"""Engines: each that the config names is one module with all its parts."""

from typing import get_args, get_type_hints

from gateway.config.model import Broker
from gateway.root.engines import ENGINES


def test_what_the_config_names_is_there() -> None:
    """`[broker] engine` and the table of engines have the same names."""
    assert set(get_args(get_type_hints(Broker)["engine"])) == set(ENGINES)


def test_only_who_is_elsewhere_is_reached_by_the_broker() -> None:
    """Behind an external broker any device may be listening; the others know whom they have."""
    broker = object()
    reached = {name: len(engine.links(broker, "kitchen")) for name, engine in ENGINES.items()}
    assert reached == {"embedded": 0, "amqtt": 0, "external": 1}
