"""`gateway check` finds what a start would not look at, or only find on its way."""

from __future__ import annotations

import os

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from gateway.cli import concerns as looked_at
from gateway.store.sqlite.database import open_sync

RULE = (
    '[[rules]]\nname = "warm"\nfilter = "a/b"\nabove = 1\n'
    'command = {{ name = "fan", device = "{}" }}\n'
)
ROUTES = "".join(
    f'[[routes]]\ntopic = "tele/{{device}}/SENSOR"\ndecode = "{decode}"\n'
    for decode in ("json", "text")
)


@pytest.fixture
def check(tmp_path, monkeypatch):
    """Return a function that checks a config file and returns the problems without its name."""
    monkeypatch.chdir(tmp_path)

    def checked(text: str) -> list[str]:
        (tmp_path / "gateway.toml").write_text(text)
        result = CliRunner().invoke(app, ["check"])
        lines = result.stderr.splitlines()
        assert result.exit_code == (2 if lines else 0)
        return [line.removeprefix("gateway.toml: ") for line in lines]

    return checked


@pytest.mark.parametrize("host", ["300.1.2.3", "192.0.2.1", "nowhere.invalid"])
@pytest.mark.parametrize("table", ["http", "mqtt"])
def test_a_host_that_nothing_can_listen_on(check, table, host):
    """No address, one of another machine, and a name that nobody has."""
    (problem,) = check(f'[{table}]\nhost = "{host}"')
    assert problem.startswith(f'[{table}] host: cannot listen on "{host}": ')


def test_the_host_for_boards_does_not_matter_beside_an_external_broker(check):
    """Nothing listens there."""
    url = '[broker]\nengine = "external"\nurl = "mqtt://localhost"\n'
    assert check(f'{url}[mqtt]\nhost = "300.1.2.3"') == []


def test_a_database_where_none_can_be(check, tmp_path):
    """Below a file, and in place of a directory."""
    (tmp_path / "file").touch()
    assert check('[store]\npath = "file/gateway.db"') == [
        f"[store] path: {tmp_path / 'file'} is no directory"
    ]
    (tmp_path / "folder").mkdir()
    assert check('[store]\npath = "folder"') == [
        f"[store] path: {tmp_path / 'folder'} is a directory"
    ]


def test_a_disk_that_cannot_be_written(check, tmp_path, monkeypatch):
    """The nearest directory that is there is named."""
    monkeypatch.setattr(looked_at.os, "access", lambda place, _mode: os.fspath(place) == "/")
    (problem,) = check('[store]\npath = "a/b/gateway.db"')
    assert problem.startswith(f"[store] path: {tmp_path} cannot be written")


def test_two_routes_of_one_topic(check):
    """The second would never be asked."""
    assert check(ROUTES) == ['[[routes]] #2 topic: "tele/{device}/SENSOR" is mapped by #1 already']


def test_a_rule_that_names_a_device_which_is_not_registered(check, tmp_path):
    """Where there is a database to look it up in; nothing is made for the look."""
    store = '[store]\npath = "gateway.db"\n'
    assert check(store + RULE.format("lamp")) == []
    assert not (tmp_path / "gateway.db").exists()
    open_sync(tmp_path / "gateway.db").close()
    (problem,) = check(store + RULE.format("lamp"))
    assert problem.startswith('[[rules]] #1 command.device: rule "warm" names "lamp"')
    assert CliRunner().invoke(app, ["device", "add", "lamp"]).exit_code == 0
    assert check(store + RULE.format("lamp")) == []


def test_a_certificate_whose_days_are_over(check, tmp_path, monkeypatch):
    """It is said by its table; a gateway whose clock is wrong starts with it all the same."""
    for name in ("cert.pem", "key.pem"):
        (tmp_path / name).write_text("PEM")
    monkeypatch.setattr(looked_at, "out_of_date", lambda _cert, _key: "has expired")
    problems = check('[http]\ntls = { cert = "cert.pem", key = "key.pem" }')
    assert f"[http.tls] cert: {tmp_path / 'cert.pem'} has expired" in problems


def test_a_database_that_does_not_open_is_for_the_start_to_say(check, tmp_path):
    """The check of the configuration goes on."""
    (tmp_path / "gateway.db").write_bytes(b"no database" * 100)
    assert check('[store]\npath = "gateway.db"\n' + RULE.format("lamp")) == []
    assert (tmp_path / "gateway.db").read_bytes() == b"no database" * 100
