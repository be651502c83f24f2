"""What all tests share: the event loop that the gateway runs on, and a hypothesis without a
stopwatch.
"""

import asyncio
import signal
from collections.abc import Callable

import pytest
import uvloop
from hypothesis import HealthCheck, settings

settings.register_profile("gateway", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("gateway")

# Where pytest was started in the background of a shell, SIGINT is ignored, and what tests start
# would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run tests on uvloop, as the gateway runs."""
    return {"uvloop": uvloop.new_event_loop}
