"""Metrics for Prometheus: what the parts count anyway, read when somebody asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from aiohttp import web
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from gateway.access.policy import Action
from gateway.bridges.http.routes import Route

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from gateway.access.registry import Registry
    from gateway.bridges.http.authentication import Permission
    from gateway.catalog import Catalog
    from gateway.hub import Hub
    from gateway.intake import Intake
    from gateway.presence import Presence

GAUGES = frozenset(
    {"connections", "sessions", "subscriptions", "retained", "messages_waiting", "connected"}
)
"""Which of a broker's statistics may fall; the others only grow."""


class Measure(NamedTuple):
    """One metric: `read` gives its value now."""

    kind: Literal["counter", "gauge"]
    name: str
    help: str
    read: Callable[[], float]


def of_core(
    *, intake: Intake, hub: Hub, catalog: Catalog, presence: Presence, registry: Registry
) -> list[Measure]:
    """Return what is measured of the core."""
    return [
        Measure(
            "counter",
            "frames_stored",
            "The newest seq: frames stored since the database began",
            lambda: hub.seq,
        ),
        Measure(
            "counter",
            "frames_shown",
            "Frames given to live listeners since the start",
            lambda: hub.frames_out,
        ),
        Measure(
            "counter",
            "batches_committed",
            "Transactions of the intake since the start",
            lambda: intake.committed,
        ),
        Measure(
            "gauge", "intake_waiting", "Frames accepted and not yet stored", lambda: intake.waiting
        ),
        Measure("gauge", "intake_full", "1 while devices are slowed", lambda: intake.full),
        Measure(
            "gauge",
            "storage_refused",
            "1 while the disk takes nothing",
            lambda: intake.refusal is not None,
        ),
        Measure("gauge", "listeners", "Live listeners", lambda: hub.listeners),
        Measure("gauge", "series", "Channels known", lambda: len(catalog)),
        Measure("gauge", "devices", "Devices registered", lambda: len(registry.devices)),
        Measure(
            "gauge",
            "devices_online",
            "Devices that are online",
            lambda: sum(1 for _ in presence.online()),
        ),
    ]


class _Measures(Collector):
    def __init__(
        self, measures: Iterable[Measure], broker: Callable[[], Mapping[str, int]]
    ) -> None:
        self._measures = list(measures)
        self._broker = broker

    def collect(self) -> Iterator[Metric]:
        for measure in self._measures:
            yield _metric(measure.kind, measure.name, measure.help, measure.read())
        for name, value in self._broker().items():
            kind: Literal["counter", "gauge"] = "gauge" if name in GAUGES else "counter"
            yield _metric(kind, f"broker_{name}", f"The broker's {name.replace('_', ' ')}", value)


def _metric(kind: Literal["counter", "gauge"], name: str, help_: str, value: float) -> Metric:
    family = CounterMetricFamily if kind == "counter" else GaugeMetricFamily
    return family(f"gateway_{name}", help_, value=value)


class Metrics:
    """Shows the measures, and the broker's statistics, to who sees the whole gateway."""

    def __init__(
        self,
        measures: Iterable[Measure],
        broker: Callable[[], Mapping[str, int]],
        permission: Permission,
    ) -> None:
        self._permission = permission
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(_Measures(measures, broker))
        ProcessCollector(registry=self._registry)

    def routes(self) -> list[Route]:
        return [
            Route(
                method="GET",
                path="/metrics",
                handler=self.get,
                summary="Metrics for Prometheus (an admin's token of any scope)",
                answer={"type": "string"},
                media=("text/plain",),
            )
        ]

    async def get(self, request: web.Request) -> web.Response:
        # As for the topics of $SYS: who sees the whole gateway.
        self._permission.demand(request, Action.SUBSCRIBE, "$SYS/#")
        encode, kind = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(self._registry), headers={"Content-Type": kind})
