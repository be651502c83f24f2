"""`gateway init`: a config file and a database to begin with."""

import os
import shlex
from importlib import resources
from pathlib import Path

from gateway.cli.administration import making
from gateway.cli.app import AsJson, ConfigFile, config_file, configured, fail, out, show_json
from gateway.config.load import DEFAULT

NEXT = """
Next:
  gateway user add you@example.com --admin{option}    an account, to sign in with
  gateway device add kitchen{option}                  a device, and its key
  gateway run{option}                                 the gateway
"""


def init(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Write gateway.toml and make the database; what is there already stays as it is."""
    file = config_file(config)
    written = _write(file)
    with making(file) as store:
        accounts = any(store.tables.users.all())
    database = configured(file).store.path
    if as_json:
        show_json({"config": str(file), "database": str(database)})
        return
    out.print(
        f"{file}: {'written' if written else 'is there already, left as it is'}", markup=False
    )
    out.print(f"{database}: ready", markup=False)
    if not accounts:
        option = "" if file == DEFAULT else f" --config {shlex.quote(str(file))}"
        out.print(NEXT.format(option=option), markup=False)


def _write(file: Path) -> bool:
    """Write the config file if it is not there; tell whether it was not."""
    text = resources.files("gateway.config").joinpath("template.toml").read_text("utf-8")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with open(file, "x", encoding="utf-8", opener=_private) as new:
            new.write(text)
    except FileExistsError:
        return False
    except OSError as error:
        fail(f"{file}: {error.strerror or error}")
    return True


def _private(path: str, flags: int) -> int:
    """Make a file that its owner alone can read: it may come to hold passwords and secrets."""
    return os.open(path, flags, 0o600)
