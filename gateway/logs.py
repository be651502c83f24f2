"""Logging: lines for people, or JSON lines for a collector."""

from __future__ import annotations

import logging
import sys
from typing import Any, Literal

from gateway.frames import to_json
from gateway.printable import printable, printable_lines

Form = Literal["text", "json"]


class TextLines(logging.Formatter):
    """One line for each record; a traceback follows it, indented. Nothing in them can end a line
    or steer a terminal, whoever sent it.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - its name in logging
        record.message = printable(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:  # noqa: N802 - its name in logging
        return "    " + printable_lines(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:  # noqa: N802 - its name in logging
        return "    " + printable_lines(stack_info)


class JsonLines(logging.Formatter):
    """One JSON object a line: `time` (RFC 3339), `level`, `logger`, `message`, `error` where there
    is one.
    """

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": printable(record.getMessage()),
        }
        if record.exc_info:
            line["error"] = printable_lines(self.formatException(record.exc_info))
        return to_json(line)


def set_up(level: str, form: Form) -> None:
    """Write to stderr, from `level` on."""
    handler = logging.StreamHandler(sys.stderr)
    text = TextLines("%(asctime)s %(levelname)-7s %(message)s", "%Y-%m-%d %H:%M:%S")
    handler.setFormatter(JsonLines() if form == "json" else text)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for chatty in ("aiosqlite", "asyncio", "amqtt", "transitions"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def announce(text: str, form: Form) -> None:
    """Say something to whoever started the gateway, on stdout, whatever the level of the log."""
    if form == "json":
        record = logging.LogRecord("gateway", logging.INFO, "", 0, text.strip(), (), None)
        text = JsonLines().format(record)
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
