"""The HTTP application over the core, and a client on a real socket."""

from __future__ import annotations

import pytest

from bridges.http.application import application
from bridges.http.authentication import Authentication, Permission
from bridges.http.claiming import Claiming
from bridges.http.devices import Devices
from bridges.http.frames import Frames
from bridges.http.health import HealthChecks
from bridges.http.history import History
from bridges.http.telemetry import Telemetry

BODY_LIMIT = 4096


@pytest.fixture
def troubles():
    """Reasons why the gateway is not ready."""
    return []


@pytest.fixture
def app(core, troubles):
    """The application."""
    permission = Permission(core.policy, core.registry, clock=core.clock)
    parts = [
        Devices(
            core.registry,
            permission,
            core.catalog,
            core.intake,
            online=lambda device: False,
            last_seen=lambda device: None,
        ),
        Claiming(core.registry, core.sign_in, clock=core.clock),
        Telemetry(core.intake, core.catalog, permission, seen=lambda device: None, clock=core.clock),
        Frames(core.hub, core.catalog, permission),
        History(core.database, core.catalog, permission),
        HealthChecks(lambda: troubles),
    ]
    routes = [route for part in parts for route in part.routes()]
    return application(routes, Authentication(core.sign_in), body_limit=BODY_LIMIT)


@pytest.fixture
async def client(app, aiohttp_client):
    """A client that is nobody."""
    return await aiohttp_client(app)
