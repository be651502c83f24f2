"""The README is true: its commands, snippets and tables are tried on a running gateway."""

import asyncio
import json
import os
import re
import shlex
import sys
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import typer
from typer.testing import CliRunner

from gateway import config
from gateway.cli import app, simulate
from tests.browser import browsing
from tests.end_to_end.conftest import BY, WAIT, House, house
from tests.programs import needs_chromium, program

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text("utf-8")
COMMANDS = typer.main.get_command(app).commands


def snippets(language: str) -> list[str]:
    """The examples in a language."""
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def lines(word: str) -> list[str]:
    """Lines of shell examples that begin with a program, without their comments."""
    found = [line for block in snippets("sh") for line in block.splitlines()]
    return [line.split("  #")[0].strip() for line in found if line.startswith(word)]


def run(here: House, line: str) -> str:
    """Run a line of `gateway` on the database of the running one; return its last word, which may
    be a secret.
    """
    environment = {"GATEWAY_STORE__PATH": str(here.gateway.config.store.path)}
    result = CliRunner(env=environment).invoke(
        app, shlex.split(line.removeprefix(".venv/bin/gateway "))
    )
    assert result.exit_code == 0, result.output
    return result.stdout.split()[-1]


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[House]:
    """The gateway as `make run` has it, and the kitchen that the README adds on the command
    line.
    """
    async with house(tmp_path) as running:
        await running.gateway.access.registry.apply(simulate.demonstration, BY)
        (add,) = [line for line in lines(".venv/bin/gateway") if " device add " in line]
        running.keys["kitchen"] = run(running, add)
        (token,) = re.findall(r"`(\.venv/bin/gateway token add[^`]*)`", TEXT)
        running.token = run(running, token)
        async with asyncio.timeout(WAIT):
            while "kitchen" not in running.gateway.access.registry.devices or not await knows(
                running
            ):
                await asyncio.sleep(0.05)
        yield running


async def knows(running: House) -> bool:
    """Whether the gateway has taken the token in."""
    headers = {"Authorization": f"Bearer {running.token}"}
    async with running.http.get(f"{running.url}/api/v1/me", headers=headers) as answer:
        return answer.status == 200


async def mosquitto_pub(running: House) -> None:
    """Publish as the README says."""
    (line,) = lines("mosquitto_pub")
    words = shlex.split(line.replace("KEY", running.keys["kitchen"]))
    process = await asyncio.create_subprocess_exec(
        *words, "-h", "127.0.0.1", "-p", str(running.gateway.ports["mqtt"])
    )
    assert await process.wait() == 0


async def publish(running: House) -> None:
    """Publish the same with paho, where Mosquitto's client is not needed."""
    device = await running.device("kitchen")
    await device.publish("devices/kitchen/telemetry", '{"temperature":21.4}')


def test_what_it_is() -> None:
    """Five lines say what it is."""
    first = TEXT.split("\n\n")[1]
    assert len(first.splitlines()) == 5
    assert all(line.endswith(".") for line in first.splitlines())


async def test_the_two_commands() -> None:
    """`make run` starts the demo, `make test` the tests."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    for target, expected in (("run", "gateway run --demo"), ("test", "pytest")):
        assert f"make {target} " in TEXT
        make = await asyncio.create_subprocess_exec(
            "make", "-n", target, cwd=ROOT, env=environment, stdout=asyncio.subprocess.PIPE
        )
        output, _ = await make.communicate()
        assert expected in output.decode().splitlines()[-1]


def test_commands_exist() -> None:
    """Each `gateway ...` is one."""
    said = re.findall(
        r"gateway ([a-z-]+)(?: ([a-z-]+))?", "\n".join(re.findall(r"`([^`\n]+)`", TEXT))
    )
    said += [(words[1], words[2]) for words in map(str.split, lines(".venv/bin/gateway"))]
    assert len(said) > 5
    for first, second in said:
        assert first in COMMANDS
        assert second in getattr(COMMANDS[first], "commands", {second})


@program("mosquitto_pub")
async def test_mosquitto_pub_line(here: House) -> None:
    """The line gives the frame that the README shows, field by field, with its value."""
    async with here.listen("kitchen/#") as listening:
        await mosquitto_pub(here)
        frame = await listening.frame(lambda frame: frame["type"] == "telemetry")
    shown = json.loads(snippets("json")[0])
    assert list(frame) == list(shown)
    assert {**shown, "seq": frame["seq"], "ts": frame["ts"]} == frame


async def test_listener_in_python(here: House) -> None:
    """The snippet prints what the kitchen reports."""
    (program,) = snippets("python")
    program = program.replace("http://localhost:8080", here.url).replace("TOKEN", here.token)
    await publish(here)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-u", "-c", program,
        cwd=ROOT, stdout=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    try:
        assert process.stdout is not None
        async with asyncio.timeout(WAIT):
            while await process.stdout.readline() != b"temperature 21.4\n":
                assert process.returncode is None
    finally:
        process.kill()
        await process.communicate()


async def test_command_of_the_listener(here: House) -> None:
    """`listener.command` as it stands in the text sends the command and returns the reply."""
    (call,) = re.findall(r"`await (listener\.command\([^`]*\))`", TEXT)
    device = await here.device("kitchen", subscribe="devices/kitchen/commands/#")
    program = (
        "import asyncio\nfrom gateway.listener import Listener\nasync def main():\n"
        f"    async with Listener({here.url!r}, {here.token!r}) as listener:\n"
        f"        print(await {call})\n"
        "asyncio.run(main())\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program,
        cwd=ROOT, stdout=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert (await device.message()).payload == b"1"
    await device.publish("devices/kitchen/replies/led", "1")
    async with asyncio.timeout(WAIT):
        output, _ = await process.communicate()
    assert output == b"1\n"


@needs_chromium
async def test_listener_in_the_browser(here: House) -> None:
    """The snippet runs in a page and logs what the kitchen reports."""
    (script,) = snippets("js")
    script = script.replace("ws://localhost:8080", here.url.replace("http", "ws")).replace(
        "TOKEN", here.token
    )
    await publish(here)
    async with browsing() as tab:
        await tab.page.evaluate(
            "window.said = []; console.log = (...words) => said.push(words.join(' '))"
        )
        await tab.page.evaluate(f"(() => {{ {script} }})()")
        await tab.until("said.includes('temperature 21.4')")


async def test_curl_lines(here: House) -> None:
    """The stream gives the frame, and the command is answered by the board."""
    stream, command = lines("curl")
    headers = {"Authorization": f"Bearer {here.token}"}
    device = await here.device("kitchen", subscribe="devices/kitchen/commands/led")
    async with here.http.get(here.url + path_of(stream), headers=headers) as events:
        await device.publish("devices/kitchen/telemetry", '{"temperature":21.4}')
        async with asyncio.timeout(WAIT):
            while b'"value":21.4' not in await events.content.readline():
                pass
    post = asyncio.create_task(posted(here, path_of(command), headers, shlex.split(command)))
    assert (await device.message()).payload == b"1"
    await device.publish("devices/kitchen/replies/led", "1")
    assert await post == (200, 1)


async def posted(
    here: House, path: str, headers: dict[str, str], words: list[str]
) -> tuple[int, object]:
    """Post as curl would: what -d gives is the body, and says it is a form."""
    headers = {**headers, "Content-Type": "application/x-www-form-urlencoded"}
    async with here.http.post(
        here.url + path, headers=headers, data=words[words.index("-d") + 1]
    ) as answer:
        return answer.status, (await answer.json())["reply"]


def path_of(line: str) -> str:
    """Path and query of the address that a line of curl ends with."""
    parts = urlsplit(shlex.split(line)[-1])
    return f"{parts.path}?{parts.query}"


def test_the_sketch_uses_its_own_topics() -> None:
    """The board signs in as the device whose topics it uses, at the port that is the default."""
    (sketch,) = snippets("cpp")
    client, username, key = re.search(
        r'mqtt\.connect\("(.*?)", "(.*?)", "(.*?)"\)', sketch
    ).groups()
    assert (client, key) == (username, "KEY")
    topics = re.findall(r'"(devices/[^"]*)"', sketch)
    assert topics == [f"devices/{username}/commands/led", f"devices/{username}/telemetry"]
    (port,) = re.findall(r"setServer\(.*?, (\d+)\)", sketch)
    assert {"[mqtt]", "port", port} <= {
        word for key in config.reference() for word in (key.table, key.name, key.default)
    }
    assert sketch.count("{") == sketch.count("}")


def test_config_table() -> None:
    """It has every setting of the gateway.toml that comes with it, with the default of the
    model.
    """
    defaults = {(key.table, key.name): key.default for key in config.reference()}
    rows, table = {}, ""
    for first, name, default in re.findall(
        r"^\| (`\[[\w.]+\]`)? ?\| `(\w+)` \| `([^`]*)` \|", TEXT, re.MULTILINE
    ):
        table = first.strip("`") or table
        rows[table, name] = default
    assert rows.items() <= defaults.items()
    assert set(rows) == set(settings(tomllib.loads((ROOT / "gateway.toml").read_text("utf-8"))))


def settings(tables: dict, path: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    """Every setting of a file as (table, key)."""
    found = []
    for name, value in tables.items():
        found += (
            settings(value, (*path, name))
            if isinstance(value, dict)
            else [(f"[{'.'.join(path)}]", name)]
        )
    return found


def test_promises_are_those_of_the_architecture() -> None:
    """The same six, and docs/architecture.md says where each is kept."""
    promised = re.findall(r"^(\d)\. \*\*(.*?)\.\*\*", TEXT, re.MULTILINE)
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    assert re.findall(r"^\| (\d)\. (.*?) \|", page, re.MULTILINE) == promised
    assert len(promised) == 6
