"""Logging: lines for people, or JSON lines for a collector."""

from __future__ import annotations

import logging
import sys
from typing import Literal

from gateway.frames import to_json


class JsonLines(logging.Formatter):
    """One JSON object a line: `time` (RFC 3339), `level`, `logger`, `message`, `error` where there
    is one.
    """

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return to_json(line)


def set_up(level: str, form: Literal["text", "json"]) -> None:
    """Write to stderr, from `level` on."""
    handler = logging.StreamHandler(sys.stderr)
    text = logging.Formatter("%(asctime)s %(levelname)-7s %(message)s", "%Y-%m-%d %H:%M:%S")
    handler.setFormatter(JsonLines() if form == "json" else text)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for chatty in ("aiosqlite", "asyncio", "amqtt", "transitions"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
