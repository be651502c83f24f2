"""The libraries alone: the distribution in `clients/` has all that they import, and needs one
package each.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
CLIENTS = tomllib.loads((ROOT / "clients" / "pyproject.toml").read_text("utf-8"))
GATEWAY = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def installed(folder: Path) -> Path:
    """Copy what the distribution has, as pip would put it into a new environment."""
    parts = CLIENTS["tool"]["setuptools"]
    for module in parts["py-modules"]:
        path = Path(*module.split(".")).with_suffix(".py")
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, folder / path)
    for package in parts["packages"]:
        shutil.copytree(ROOT / Path(*package.split(".")), folder / Path(*package.split(".")))
    return folder


def needed(requirement: str) -> set[str]:
    """Return a package and all that it needs here."""
    found: set[str] = set()
    waiting = [Requirement(requirement)]
    while waiting:
        one = waiting.pop()
        if one.name.replace("_", "-").lower() in found or (
            one.marker and not one.marker.evaluate({"extra": ""})
        ):
            continue
        found.add(one.name.replace("_", "-").lower())
        waiting += map(Requirement, distribution(one.name).requires or ())
    return found


def linked(names: set[str], folder: Path) -> Path:
    """Make a folder in which these packages can be imported, and no others."""
    folder.mkdir()
    for found in map(distribution, sorted(names)):
        tops = {file.parts[0]: found.locate_file(file.parts[0]) for file in found.files or ()}
        for top in tops.keys() - {"..", "__pycache__"}:
            (folder / top).symlink_to(tops[top])
    return folder


@pytest.mark.parametrize(
    ("extra", "program"),
    [
        ("device", "from gateway.device import Device; Device('kitchen', 'key').send('t', 1)"),
        (
            "listener",
            "from gateway.listener import Listener; Listener('http://127.0.0.1', 'token')",
        ),
    ],
)
def test_a_library_needs_one_package(tmp_path: Path, extra: str, program: str) -> None:
    """With its one package, and what that needs, a library is imported and used."""
    (requirement,) = CLIENTS["project"]["optional-dependencies"][extra]
    path = [installed(tmp_path / "ours"), linked(needed(requirement), tmp_path / "theirs")]
    start = f"import sys; sys.path += {[str(each) for each in path]!r}; "
    end = "; assert not {'msgspec', 'amqtt', 'typer'} & set(sys.modules)"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", start + program + end],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_both_distributions_ask_for_the_same_versions() -> None:
    """What the libraries need is what the gateway needs of it, so that both can be tested at
    once.
    """
    asked = [each for (each,) in CLIENTS["project"]["optional-dependencies"].values()]
    assert set(asked) <= set(GATEWAY["project"]["dependencies"])


@pytest.mark.parametrize("page", ["device", "listener"])
def test_the_page_says_how_to_install_it(page: str) -> None:
    """Each library's page names the distribution with the library's own extra."""
    text = (ROOT / "docs" / f"{page}-library.md").read_text("utf-8")
    assert re.search(
        rf'pip install "device-gateway-client\[{page}\] @ git\+\S+#subdirectory=clients"', text
    )
