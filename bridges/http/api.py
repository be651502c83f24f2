"""The whole API: every part that has routes, given what it calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from gateway.bridges.http.abouts import Abouts
from gateway.bridges.http.accounts import Accounts
from gateway.bridges.http.authentication import Permission
from gateway.bridges.http.claiming import Claiming
from gateway.bridges.http.commands import CommandRoutes
from gateway.bridges.http.devices import Devices
from gateway.bridges.http.documentation import Documentation
from gateway.bridges.http.frames import Frames
from gateway.bridges.http.health import HealthChecks
from gateway.bridges.http.history import History
from gateway.bridges.http.journals import Journals
from gateway.bridges.http.metrics import Measure, Metrics, of_core
from gateway.bridges.http.series import Charts
from gateway.bridges.http.telemetry import Telemetry
from gateway.bridges.http.tokens import Tokens
from gateway.bridges.http.turns import AT_ONCE, Turns
from gateway.bridges.http.usage import UsageRoutes
from gateway.bridges.http.users import Users
from gateway.bridges.http.values import Values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from gateway.access.passwords import Passwords
    from gateway.access.policy import Policy
    from gateway.access.registry import Registry
    from gateway.access.sign_in import SignIn
    from gateway.asking import Asking
    from gateway.bridges.http.asyncapi import Servers
    from gateway.bridges.http.routes import Route
    from gateway.catalog import Catalog
    from gateway.commands import Commands
    from gateway.hub import Hub
    from gateway.intake import Intake
    from gateway.pace import Pace
    from gateway.presence import Presence
    from gateway.store.audit import AuditStore
    from gateway.store.history import HistoryStore
    from gateway.store.keeping import Keeping
    from gateway.store.series import SeriesStore


def api(
    *,
    history: HistoryStore,
    series: SeriesStore,
    kept: Keeping,
    audit: AuditStore,
    trouble: Callable[[], str | None],
    catalog: Catalog,
    hub: Hub,
    intake: Intake,
    presence: Presence,
    commands: Commands,
    registry: Registry,
    policy: Policy,
    sign_in: SignIn,
    passwords: Passwords,
    asking: Asking,
    clock: Callable[[], int],
    broker: Callable[[], Mapping[str, int]],
    sign_up: Literal["invite", "open"],
    secure: bool,
    version: str,
    servers: Callable[[int], Servers],
    pace: Pace,
    measures: Iterable[Measure] = (),
    others: Iterable[Route] = (),
) -> list[Route]:
    """Return the table of routes.

    `servers(port)`: where the gateway is, see `Documentation`; `trouble()`: why the store can take
    nothing, if so.
    `broker()`: the broker's statistics; `secure`: it is reached by HTTPS only; `kept`: how long
    what is kept; `pace`: of one device's messages; `measures`: more of them for `/metrics`;
    `others`: routes of other bridges, see `listening`.
    """
    permission = Permission(policy, registry, clock=clock)
    turns = Turns(AT_ONCE)
    documentation = Documentation(version, servers)
    measured = [
        *of_core(intake=intake, hub=hub, catalog=catalog, presence=presence, registry=registry),
        *measures
    ]  # fmt: skip
    parts: list[Any] = [
        Devices(registry, permission, presence, catalog),
        Abouts(registry, permission),
        Claiming(registry, sign_in, permission),
        Telemetry(intake, catalog, permission, pace, seen=presence.seen, clock=clock),
        CommandRoutes(commands, permission, asking),
        Frames(hub, catalog, permission, turns),
        History(history, catalog, permission, turns),
        Charts(series, catalog, registry, permission, turns),
        UsageRoutes(series, kept, permission, turns, clock),
        Journals(history, audit, permission, registry),
        Accounts(registry, sign_in, passwords, permission, sign_up=sign_up, secure=secure),
        Users(registry, permission),
        Tokens(registry, permission),
        HealthChecks(intake, trouble),
        Metrics(measured, broker, permission),
        Values(catalog, permission),
        documentation,
    ]
    table = [*(route for part in parts for route in part.routes()), *others]
    documentation.describe(table)
    return table
