"""`gateway run` and `gateway check`: the daemon, in the foreground."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from typing import TYPE_CHECKING, Annotated

import typer
import uvloop

from config import ConfigError, load
from gateway.cli.app import WRONG, ConfigFile, configured, err, fail, out

if TYPE_CHECKING:
    from config import Config
    from gateway.daemon import Gateway
