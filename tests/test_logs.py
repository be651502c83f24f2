"""The log's lines."""

import json
import logging
import sys

import pytest

from gateway.logs import JsonLines, TextLines, announce, set_up

FORGED = "x\n2026-11-27 22:00:00 CRITICAL forged\x1b[31m"


@pytest.fixture
def record():
    """A record with a stranger's text in its message and in its traceback."""
    try:
        raise ValueError(FORGED)
    except ValueError:
        error = sys.exc_info()
    return logging.LogRecord("gateway", logging.ERROR, "f", 1, "refused %s", (FORGED,), error)


def test_a_stranger_s_text_forges_no_line(record):
    """The message is one line, and the traceback is indented."""
    lines = TextLines("%(asctime)s %(levelname)-7s %(message)s").format(record).split("\n")
    assert lines[0].endswith(r"refused x\n2026-11-27 22:00:00 CRITICAL forged\x1b[31m")
    assert len(lines) > 3
    assert all(line.startswith("    ") for line in lines[1:])
    assert all(line.isprintable() for line in lines)


def test_json_lines_hold_printable_text(record):
    """Halves of characters included, which no JSON has."""
    record.args = (FORGED + "\ud800",)
    line = JsonLines().format(record)
    assert line.isprintable()
    assert json.loads(line)["message"].endswith(r"forged\x1b[31m\ud800")
    assert "    2026" in json.loads(line)["error"]


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_log_is_set_up_with_printable_lines(form, capsys):
    """In either form."""
    before = logging.root.handlers[:], logging.root.level
    try:
        set_up("info", form)
        logging.getLogger("gateway").warning("from %s", FORGED)
        written = capsys.readouterr().err
    finally:
        logging.root.handlers[:], logging.root.level = before
    assert written.count("\n") == 1
    assert "\x1b" not in written


@pytest.mark.parametrize("level", [logging.DEBUG, logging.CRITICAL])
def test_an_announcement_is_said_at_every_level(level, capsys, caplog):
    """The link that makes the admin is there however quiet the log is."""
    caplog.set_level(level)
    announce("gateway is running: http://localhost:8080", "text")
    assert capsys.readouterr().out == "gateway is running: http://localhost:8080\n"


def test_an_announcement_among_json_lines_is_one(capsys):
    """A collector that reads stdout too finds nothing that is not JSON."""
    announce("  http://localhost:8080/sign-in?link=x", "json")
    line = json.loads(capsys.readouterr().out)
    assert (line["level"], line["message"]) == ("info", "http://localhost:8080/sign-in?link=x")
