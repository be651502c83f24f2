"""What `gateway check` looks at beyond what stops a start: dates, hosts, disks, and what is named
but not there.
"""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

from gateway.config.complaints import shown
from gateway.errors import GatewayError
from gateway.stores import look_direct
from gateway.tls import out_of_date

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gateway.config import Config


def concerns(config: Config) -> Iterator[str]:
    """Yield a line for each, beginning with its table and key."""
    yield from _certificates(config)
    yield from _hosts(config)
    yield from _disk(config.store.path)
    yield from _topics(config)
    yield from _devices(config)


def _certificates(config: Config) -> Iterator[str]:
    for table, tls in (("[http.tls]", config.http.tls), ("[mqtt.tls]", config.mqtt.tls)):
        if tls is None:
            continue
        try:
            why = out_of_date(tls.cert, tls.key)
        except GatewayError:  # a start says it
            continue
        if why is not None:
            yield f"{table} cert: {tls.cert} {why}"


def _hosts(config: Config) -> Iterator[str]:
    tables = {"[http]": config.http.host}
    if config.broker.engine != "external":
        tables["[mqtt]"] = config.mqtt.host
    for table, host in tables.items():
        try:
            _listen(host)
        except OSError as error:
            yield f"{table} host: cannot listen on {shown(host)}: {error.strerror or error}"


def _listen(host: str) -> None:
    """Bind any free port of the address, and let it go."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.bind(address)


def _disk(database: Path) -> Iterator[str]:
    """Look at the file, or at the nearest directory above it that is there."""
    place = next(place for place in (database, *database.parents) if place.exists())
    if place.is_dir() == (place == database):
        what = "a directory" if place.is_dir() else "no directory"
        yield f"[store] path: {place} is {what}"
    elif not os.access(place, os.W_OK):
        yield f"[store] path: {place} cannot be written: look at its owner and permissions"


def _topics(config: Config) -> Iterator[str]:
    first: dict[str, int] = {}
    for number, route in enumerate(config.routes, 1):
        if (before := first.setdefault(route.topic, number)) != number:
            yield f"[[routes]] #{number} topic: {shown(route.topic)} is mapped by #{before} already"


def _devices(config: Config) -> Iterator[str]:
    named = [
        (number, rule.name, rule.command.device)
        for number, rule in enumerate(config.rules, 1)
        if rule.command is not None and rule.command.device is not None
    ]
    known = _registered(config.store.path) if named else None
    for number, rule, device in named:
        if known is not None and device not in known:
            yield (
                f"[[rules]] #{number} command.device: rule {shown(rule)} names {shown(device)},"
                " which is not registered: `gateway device add` does it"
            )


def _registered(database: Path) -> set[str] | None:
    """The ids of all devices; None where no database is there, or none that can be read."""
    if not database.is_file() or not database.stat().st_size:
        return None
    try:
        with look_direct(database) as store:
            return {device.id for device in store.tables.devices.all()}
    except GatewayError:  # a start says it
        return None
