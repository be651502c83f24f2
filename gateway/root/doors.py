"""The bridges for the tools of data: line protocol in, Prometheus' API out."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from gateway.bridges.http.turns import Turns
from gateway.bridges.influx import Influx
from gateway.bridges.prometheus import Prometheus
from gateway.clock import now_ms

if TYPE_CHECKING:
    from gateway.bridges.edge.door import Door
    from gateway.config import Config
    from gateway.pace import Pace
    from gateway.root.parts import Parts

QUERIES = 1  # of one user that are worked on

Doors: TypeAlias = "tuple[Influx, Prometheus]"


def doors(parts: Parts, config: Config, door: Door, pace: Pace) -> Doors:
    """Return them."""
    core = parts.core
    influx = Influx(
        door=door,
        registry=parts.access.registry,
        intake=core.intake,
        catalog=core.catalog,
        pace=pace,
        seen=core.presence.seen,
        clock=now_ms,
        max_size=config.limits.packet_size,
    )
    prometheus = Prometheus(
        door=door,
        catalog=core.catalog,
        history=parts.store.history,
        turns=Turns(QUERIES),
        clock=now_ms,
    )
    return influx, prometheus
