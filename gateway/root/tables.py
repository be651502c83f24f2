"""What tables of gateway.toml mean, and what only the parts themselves can tell of them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import msgspec

from gateway.bridges.mqtt.routes import Route
from gateway.config import place
from gateway.errors import Invalid
from gateway.handlers import loading
from gateway.rules import check, form
from gateway.tls import ServerTls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from gateway.config import Config
    from gateway.config.model import HttpTls, MqttTls
    from gateway.config.model import Route as RouteTable
    from gateway.config.rules import Rule as RuleTable
    from gateway.rules.form import Rule


def mqtt_tls(files: MqttTls | None) -> ServerTls | None:
    """Read the certificate of MQTT; raises `Invalid`."""
    return None if files is None else _tls("[mqtt.tls]", files.cert, files.key, files.client_ca)


def http_tls(files: HttpTls | None) -> ServerTls | None:
    """Read the certificate of HTTP; raises `Invalid`."""
    return None if files is None else _tls("[http.tls]", files.cert, files.key)


def _tls(table: str, cert: Path, key: Path, client_ca: Path | None = None) -> ServerTls:
    try:
        return ServerTls(cert, key, client_ca)
    except Invalid as error:
        raise Invalid(f"{table} {error}") from error


def routes(config: Config) -> list[Route]:
    """Return the user's own routes; raises `Invalid`."""
    return [_route(number, route) for number, route in enumerate(config.routes, 1)]


def _route(number: int, route: RouteTable) -> Route:
    try:
        return Route(
            route.topic,
            decode=route.decode,
            retain=route.retain,
            device=route.device,
            channel=route.channel,
        )
    except Invalid as error:
        raise Invalid(f"[[routes]] #{number}: {error}") from error


def rules(config: Config) -> list[Rule]:
    """Return the rules; raises `Invalid`."""
    for problem in rule_problems(config):
        raise Invalid(problem)
    return [_rule(table) for table in config.rules]


def rule_problems(config: Config) -> Iterator[str]:
    """Yield what is wrong with the rules, by table and key."""
    for number, table in enumerate(config.rules):
        for fault in check.faults(_rule(table)):
            yield f"{place(('rules', number, *fault.path))}: {fault.problem}"


def _rule(table: RuleTable) -> Rule:
    return form.read(msgspec.to_builtins(table))


def examine(config: Config) -> Iterator[str]:
    """Yield what is wrong with a config that only the parts themselves can tell."""
    tables: list[Callable[[], object]] = [
        *(partial(_route, number, route) for number, route in enumerate(config.routes, 1)),
        partial(mqtt_tls, config.mqtt.tls),
        partial(http_tls, config.http.tls),
        partial(loading.load, config.handlers.modules, config.directory),
    ]
    for read in tables:
        try:
            read()
        except Invalid as error:
            yield str(error)
    yield from rule_problems(config)
