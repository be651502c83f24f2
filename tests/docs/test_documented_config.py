"""docs/configuration.md says of every setting what the model says, and its examples load."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway import config
from gateway.config.load import build

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"
TEXT = PAGE.read_text(encoding="utf-8")


def documented() -> Iterator[tuple[str, str, str, str, str]]:
    """Table, key, type, default and help of each row under a heading that names a table."""
    table = ""
    for line in TEXT.splitlines():
        if heading := re.fullmatch(r"#+ `(\[.*\])`", line):
            table = heading[1]
        elif row := re.fullmatch(r"\| `(\w+)` \| (.*) \| (.*) \| (.+) \|", line):
            yield table, row[1], row[2], row[3].strip("`"), row[4]


def test_settings_are_documented() -> None:
    """Every setting is there with its type, default and help, in the model's order, and no
    other.
    """
    assert list(documented()) == [
        (key.table, key.name, key.type, key.default, key.help) for key in config.reference()
    ]


@pytest.mark.parametrize("example", re.findall(r"```toml\n(.*?)```", TEXT, flags=re.DOTALL))
def test_examples_load(example: str, tmp_path: Path) -> None:
    """Each example is a file that the gateway would start with."""
    for pem in re.findall(r'"(\w+\.pem)"', example):
        (tmp_path / pem).write_text("PEM")
    file = tmp_path / "gateway.toml"
    file.write_text(example)
    assert config.load(file, {}) != build({}, {}, file)


def test_shown_problems_are_real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The complaints on the page are word for word what `gateway check` prints."""
    rule = '[[rules]]\nname = "{}"\nfilter = "a/b"\nabove = 1\ncommand = {}\n'
    good, bad = rule.format("a", '{ name = "fan" }'), rule.format("b", "{}")
    (tmp_path / "gateway.toml").write_text(f'[history]\nkeep = "0d"\n[http]\nprot = 1\n{good}{bad}')
    monkeypatch.chdir(tmp_path)
    with pytest.raises(config.ConfigError) as caught:
        config.load(None, {"GATEWAY_MQTT__PORT": "99999"})
    (shown,) = re.findall(r"```text\n(.*?)```", TEXT, flags=re.DOTALL)
    assert sorted(shown.splitlines()) == sorted(caught.value.problems)
