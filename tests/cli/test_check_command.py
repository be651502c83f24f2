"""`gateway check` and `gateway run` name the file and the table of what is wrong with a config."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway import __version__
from gateway.access import devices
from gateway.cli import app
from gateway.store.audit import By
from gateway.stores import open_direct

RULE = '[[rules]]\nname = "warm"\nfilter = "{}"\nabove = 1\n{}\n'
WEBHOOK = 'webhook = {{ url = "https://example.org/", secret = "{}" }}'
MISTAKES = {
    '[[routes]]\ntopic = "tele/{devic}"': (
        "[[routes]] #1: 'tele/{devic}': '{devic}' is neither a literal nor"
    ),
    RULE.format("a/##", 'command = { name = "fan" }'): "[[rules]] #1 filter: 'a/##' is no filter",
    RULE.format(
        "a/b", 'command = { name = "fan/#" }'
    ): "[[rules]] #1 command.name: 'fan/#' is not a channel",
    RULE.format(
        "a/b", WEBHOOK.format("whsec_" + "." * 16)
    ): "[[rules]] #1 webhook.secret: what follows whsec_",
    RULE.format("a/b", ""): "[[rules]] #1: expected something to do: command, publish or webhook",
    RULE.format("a/b", 'clear = 2\ncommand = { name = "fan" }'): (
        "[[rules]] #1 clear: expected 1 (above) or less, got 2"
    ),
    '[handlers]\nmodules = ["nowhere"]': "[handlers] modules: cannot import nowhere",
    '[http]\ntls = { cert = "x.pem", key = "x.pem" }': "[http.tls] ",
    '[mqtt]\ntls = { cert = "x.pem", key = "x.pem" }': "[mqtt.tls] ",
}


@pytest.mark.parametrize("text", MISTAKES)
@pytest.mark.parametrize("command", ["check", "run"])
def test_mistakes_of_meaning(command: str, text: str, tmp_path: Path) -> None:
    """Both end with status 2 and one line that names the file, the table and what is wrong."""
    (tmp_path / "x.pem").write_text("no certificate")
    file = tmp_path / "gateway.toml"
    free = "" if "[http]" in text or "[mqtt]" in text else "[http]\nport = 0\n[mqtt]\nport = 0\n"
    file.write_text(f"{free}{text}\n")
    environment = {f"GATEWAY_{name}__PORT": "0" for name in ("HTTP", "MQTT")}
    result = CliRunner(env=environment).invoke(app, [command, "--config", str(file)])
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert f"{file}: {MISTAKES[text]}" in line


def test_all_is_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is right is named; where there is none, that is said."""
    monkeypatch.chdir(tmp_path)
    assert "not there" in CliRunner().invoke(app, ["check"]).stdout
    Path("gateway.toml").write_text("[http]\nport = 0\n")
    result = CliRunner().invoke(app, ["check"])
    assert (result.exit_code, result.stdout) == (0, "gateway.toml: fine\n")


def test_version() -> None:
    """`--version` prints it and nothing else."""
    assert CliRunner().invoke(app, ["--version"]).stdout == f"{__version__}\n"


@pytest.mark.parametrize("damaged", [False, True])
def test_the_whole_database_is_read(damaged: bool, tmp_path: Path) -> None:
    """A damaged page is said, with what to do; a good file is fine."""
    path = tmp_path / "gateway.db"
    with open_direct(path) as store, store.transaction() as tables:
        for number in range(300):
            by = By("test", "", number)
            devices.create(tables, by, id=f"d{number}", name="x" * 60)
    if damaged:
        data = bytearray(path.read_bytes())
        at = data.rindex(b"d299")
        data[at // 4096 * 4096 : at // 4096 * 4096 + 4096] = b"\xff" * 4096
        path.write_bytes(data)
    file = tmp_path / "gateway.toml"
    file.write_text('[store]\npath = "gateway.db"\n')
    result = CliRunner().invoke(app, ["check", "--database", "--config", str(file)])
    assert result.exit_code == int(damaged), result.output
    assert ("go back to a backup" in result.stderr) == damaged


@pytest.mark.parametrize("whole", [False, True])
def test_a_check_changes_nothing_in_the_database(whole: bool, tmp_path: Path) -> None:
    """One of an older version is looked at as it is: a migration is the start's, after a backup."""
    path = tmp_path / "gateway.db"
    with open_direct(path) as store, store.transaction() as tables:
        devices.create(tables, By("test", "", 1), id="kitchen")
    with closing(sqlite3.connect(path)) as db:
        (newest,) = db.execute("PRAGMA user_version").fetchone()
        db.execute(f"PRAGMA user_version={newest - 1}")
    before = path.read_bytes()
    file = tmp_path / "gateway.toml"
    rule = RULE.format("kitchen/x", 'command = { device = "hall", name = "fan" }')
    file.write_text('[store]\npath = "gateway.db"\n' + ("" if whole else rule))
    options = ["--database"] if whole else []
    result = CliRunner().invoke(app, ["check", *options, "--config", str(file)])
    assert ('"hall", which is not registered' in result.stderr) != whole
    assert result.exit_code == (0 if whole else 2)
    assert path.read_bytes() == before
