"""The systemd unit of docs/operations.md: systemd accepts it, and a mistake is told, not
repeated.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text("utf-8")
UNIT, *DROP_INS = re.findall(r"```ini\n(.*?)```", PAGE, re.DOTALL)
GATEWAY = f"{sys.executable} -m gateway"
RUNS = Path("/run/systemd/system").is_dir() and os.geteuid() == 0
# Of the unit these alone are of another machine: its user, its paths, and what hides a test's
# files.
ELSEWHERE = re.compile(r"^(User|ReadWritePaths|ProtectHome|PrivateTmp)=.*\n", re.MULTILINE)


def settings(unit: str) -> dict[str, str]:
    """Give the settings of a unit, those of all sections together."""
    return dict(line.split("=", 1) for line in unit.splitlines() if "=" in line)


def here(directory: Path) -> str:
    """Give the unit with the paths of this machine in it."""
    unit = ELSEWHERE.sub("", UNIT).replace("/opt/gateway/venv/bin/gateway", GATEWAY)
    return unit.replace("/var/lib/gateway", str(directory))


@pytest.fixture
def mistaken(tmp_path: Path) -> Path:
    """Give a directory whose config file has a mistake."""
    (tmp_path / "gateway.toml").write_text("[mqtt]\nprot = 1883\n")
    return tmp_path


@pytest.mark.parametrize("drop_in", ["", *DROP_INS], ids=lambda text: text.partition("=")[0][-20:])
def test_systemd_accepts_the_unit(tmp_path: Path, drop_in: str) -> None:
    """With each addition that the page shows, there is nothing that systemd would warn of."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd-analyze here")
    unit = tmp_path / "gateway.service"
    unit.write_text(here(tmp_path) + drop_in)
    command = ["systemd-analyze", "verify", "--man=no", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True)
    about = [line for line in done.stderr.splitlines() if str(unit) in line or "gateway" in line]
    assert (done.returncode, about) == (0, [])


def test_a_mistake_in_the_configuration_is_not_repeated(mistaken: Path) -> None:
    """What the unit starts ends with the status that stops systemd; nothing runs before it that
    systemd would start again for ever.
    """
    said = settings(UNIT)
    assert "ExecStartPre" not in said
    command = said["ExecStart"].replace("/opt/gateway/venv/bin/gateway", GATEWAY).split()
    done = subprocess.run(command, cwd=mistaken, capture_output=True, text=True, timeout=60)
    assert str(done.returncode) == said["RestartPreventExitStatus"]
    assert "prot: unknown key" in done.stderr


def test_what_another_start_may_mend_is_repeated(tmp_path: Path) -> None:
    """A disk that is not there yet is no mistake in the file: another status, so another start."""
    (tmp_path / "gateway.toml").write_text('[store]\npath = "disk/gateway.db"\n')
    (tmp_path / "disk").touch()
    command = [*GATEWAY.split(), "run"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not RUNS, reason="needs a running systemd, as root")
def test_a_real_systemd_gives_up_on_a_mistake(mistaken: Path) -> None:
    """It has failed, and was not started again."""
    name = f"gateway-test-{os.getpid()}.service"
    file = Path("/run/systemd/system") / name
    file.write_text(here(mistaken))
    try:
        subprocess.run(["systemctl", "daemon-reload"], check=True)
        subprocess.run(["systemctl", "start", name], check=False)
        wanted = "ActiveState,NRestarts,ExecMainStatus"
        shown = ["systemctl", "show", name, "-p", wanted]
        # RestartSec has passed twice when a unit that waits has been started again twice.
        subprocess.run(["sleep", "5"], check=True)
        found = settings(subprocess.run(shown, capture_output=True, text=True, check=True).stdout)
        assert found == {"ActiveState": "failed", "NRestarts": "0", "ExecMainStatus": "2"}
    finally:
        subprocess.run(["systemctl", "stop", name], check=False)
        file.unlink()
        subprocess.run(["systemctl", "daemon-reload"], check=True)
