"""What is built: a wheel with one top-level package, and a source archive with everything in it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HANDLER = """
import {0}
from gateway.handlers import DeviceType
class Thermostat(DeviceType):
    type = "thermostat"
    assert {0}.WIFI == "home"
"""
BUILD = "import setuptools.build_meta as b; b.build_{}('dist')"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a copy of the repository without what tools have left in it."""
    pytest.importorskip("setuptools", minversion="77")
    copy = tmp_path_factory.mktemp("source") / "gateway"
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True
    )
    if listed.returncode:
        pytest.skip("this is no clone")
    for name in listed.stdout.splitlines():
        if (ROOT / name).exists():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name, follow_symlinks=False)
    return copy


def build(source: Path, kind: str) -> Path:
    """Build it; return the file."""
    done = subprocess.run(
        [sys.executable, "-c", BUILD.format(kind)], cwd=source, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    (built,) = (source / "dist").glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return built


def test_the_wheel_has_one_top_level_package(source: Path) -> None:
    """A user's own `config.py` or `bridges.py` is not hidden by ours, nor ours by it."""
    names = zipfile.ZipFile(build(source, "wheel")).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"gateway"}
    for needed in ("gateway/config/template.toml", "gateway/bridges/web/html/account.html"):
        assert needed in names
    ours = {
        str(Path("gateway", *file.relative_to(source).parts))
        for folder in ("bridges", "config")
        for file in (source / folder).rglob("*")
        if file.is_file()
    }
    assert ours - set(names) == set()


def test_the_source_archive_is_complete(source: Path) -> None:
    """Tests, documentation, examples and all else that a packager needs."""
    with tarfile.open(build(source, "sdist")) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    there = {
        str(file.relative_to(source))
        for file in source.rglob("*")
        if file.is_file() and not file.relative_to(source).parts[0].startswith(".")
    }
    built = {name for name in there if name.startswith(("build", "dist")) or ".egg-info" in name}
    assert there - built - names == set()


@pytest.mark.parametrize("name", ["config", "bridges"])
def test_a_module_of_the_user_s_own_harms_nothing(tmp_path: Path, name: str) -> None:
    """Beside gateway.toml it is what handlers import, and the gateway does not."""
    (tmp_path / f"{name}.py").write_text("WIFI = 'home'\n")
    (tmp_path / "thermostat.py").write_text(HANDLER.format(name))
    (tmp_path / "gateway.toml").write_text('[handlers]\nmodules = ["thermostat"]\n')
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "check"], cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
