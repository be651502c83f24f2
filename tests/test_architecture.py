"""The rooms of the project: imports point down, a bridge knows no other bridge, and nothing goes in
a circle.

Imports are read, not run; those for the type checker alone count as any other: what a module names,
it knows.
"""

import ast
import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def layers(document: str) -> dict[str, set[str]]:
    """The table for contributors: each layer's modules, from the top down. A row without a layer
    belongs to the one above it.
    """
    table = document.partition("\n## Layers\n")[2].partition("\n\n`gateway.config`")[0]
    found: dict[str, set[str]] = {}
    layer = ""
    for name, room in re.findall(r"^\| *([\w ]*?) *\| `([\w.]+)` \|", table, re.MULTILINE):
        layer = name or layer
        found.setdefault(layer, set()).add(room)
    return found


LAYERS = layers((ROOT / "CONTRIBUTING.md").read_text("utf-8"))
PURE = [
    "gateway.errors",
    "gateway.topics",
    "gateway.frames",
    "gateway.payloads",
    "gateway.about",
    "gateway.printable",
    "gateway.signing",
    "gateway.rules.form",
    "gateway.rules.check",
    "gateway.rules.evaluation",
]
PURE_ROOMS = ("gateway.broker.embedded.codec.", "gateway.broker.embedded.core.")
WITHOUT_CIRCLES = "gateway.broker.embedded."  # here imports for the type checker count, too
EMBEDDED = ["codec", "core", ""]  # the embedded broker from below: bytes, machine, shell
READ_CONFIG = {"gateway.cli", "gateway.daemon", "gateway.root"}


def sources() -> dict[str, Path]:
    """Every module of ours by name."""
    files = [
        path
        for folder in ("gateway", "bridges", "config")
        for path in (ROOT / folder).rglob("*.py")
    ]
    return {_name(path.relative_to(ROOT).with_suffix("").parts): path for path in files}


def _name(parts: tuple[str, ...]) -> str:
    """The name to import a file by; `bridges/` and `config/` are packages of `gateway`."""
    inside = parts if parts[0] == "gateway" else ("gateway", *parts)
    return ".".join(inside[:-1] if inside[-1] == "__init__" else inside)


def imports(module: str, path: Path) -> set[str]:
    """What a module imports, as full names; of `from package import module` the module."""
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            names = {f"{origin}.{alias.name}" for alias in node.names}
            found |= {name if name in SOURCES else origin for name in names}
    return found


SOURCES = sources()
IMPORTS = {module: imports(module, path) for module, path in SOURCES.items()}
OURS = {
    module: {name for name in found if name in SOURCES and name != module}
    for module, found in IMPORTS.items()
}
ROOMS = {room: number for number, rooms in enumerate(LAYERS.values()) for room in rooms}


def room(module: str) -> str:
    """The entry of the table that a module belongs to."""
    while module not in ROOMS and "." in module:
        module = module.rpartition(".")[0]
    return module


def test_the_table_for_contributors() -> None:
    """Every row names one module that exists, and none stands twice."""
    rows = [room for rooms in LAYERS.values() for room in rooms]
    assert len(rows) == len(set(rows))
    assert {room for room in rows if not any(name.startswith(room) for name in SOURCES)} == set()
    assert list(LAYERS)[:3] == ["entry", "command line", "root"]


def test_every_module_has_its_place() -> None:
    """A new module of the core gets a line in the table before anything else."""
    homeless = [name for name in SOURCES if name.startswith("gateway.") and room(name) == "gateway"]
    assert homeless == [], "give these a row in CONTRIBUTING.md"


def test_imports_point_down() -> None:
    """No module knows one above it."""
    upward = [
        f"{module} imports {name}"
        for module, found in OURS.items()
        for name in found
        if not {room(module), room(name)} & {"gateway.config"}
        and ROOMS[room(name)] < ROOMS[room(module)]
    ]
    assert sorted(upward) == []


def test_a_bridge_knows_no_other_bridge() -> None:
    """What two bridges share belongs to the core, or where it is HTTP's to the line below them."""
    bridge = {
        name: ".".join(name.split(".")[:3])
        for name in SOURCES
        if name.startswith("gateway.bridges.")
    }
    sideways = [
        f"{module} imports {name}"
        for module in bridge
        for name in OURS[module]
        if name in bridge and bridge[name] != bridge[module] and room(name) == "gateway.bridges"
    ]
    assert sorted(sideways) == []


def in_order(graph: dict[str, set[str]]) -> None:
    """Fail where things know each other in a circle."""
    for name, known in graph.items():
        known.discard(name)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" <- ".join(error.args[1]))


def test_no_circle_of_rooms() -> None:
    """Rooms can be understood one after the other, each after those it knows."""
    graph: dict[str, set[str]] = {}
    for module, found in OURS.items():
        graph.setdefault(room(module), set()).update(map(room, found))
    in_order(graph)


def test_no_circle_of_modules() -> None:
    """Modules can be read one after the other, imports for the type checker counted."""
    graph = {
        module: {name for name in found if not module.startswith(f"{name}.")}
        for module, found in OURS.items()
    }
    in_order(graph)


def test_the_root_only_assembles() -> None:
    """A part of the root that grows beyond two screens does more than build."""
    lengths = {
        name: len(path.read_text("utf-8").splitlines())
        for name, path in SOURCES.items()
        if room(name) in {"gateway.daemon", "gateway.root"}
    }
    assert {name for name, length in lengths.items() if length > 120} == set()


def test_config_stays_at_the_root() -> None:
    """`config` knows nothing of ours, and only the composition root and the command line know
    it.
    """
    assert {
        name for module in OURS if room(module) == "gateway.config" for name in OURS[module]
    } <= {name for name in SOURCES if room(name) == "gateway.config"}
    readers = {
        room(module)
        for module, found in OURS.items()
        for name in found
        if room(name) == "gateway.config"
    }
    assert readers - {"gateway.config"} <= READ_CONFIG


def test_the_embedded_broker_points_down() -> None:
    """Its codec knows no machine, and its machine no shell."""

    def height(module: str) -> int:
        folder = module.removeprefix(WITHOUT_CIRCLES).rpartition(".")[0]
        return EMBEDDED.index(folder)

    upward = [
        f"{module} imports {name}"
        for module, found in OURS.items()
        for name in found
        if module.startswith(WITHOUT_CIRCLES) and name.startswith(WITHOUT_CIRCLES)
        if height(name) > height(module)
    ]
    assert sorted(upward) == []


@pytest.mark.parametrize(
    "module", [*PURE, *(name for name in SOURCES if name.startswith(PURE_ROOMS))]
)
def test_pure_values_do_nothing(module: str) -> None:
    """No event loop, no clock, no sockets, no files: what is in these modules needs no stand-in to
    be tested.
    """
    doing = {
        "asyncio",
        "time",
        "datetime",
        "socket",
        "threading",
        "os",
        "pathlib",
        "logging",
        "sqlite3",
        "aiohttp",
        "random",
        "secrets",
        "uuid",
        "ssl",
    }
    assert {name.split(".")[0] for name in IMPORTS[module]} & doing == set()


SQL = re.compile(
    r"\b(SELECT .+ FROM|INSERT .*INTO|UPDATE \w+ SET|DELETE FROM|PRAGMA|CREATE TABLE)\b"
)


def test_sql_stays_in_its_folder() -> None:
    """A second store is a second folder: nobody else speaks SQL or names one of them.

    The device library has a file of its own on somebody else's machine.
    """
    wrong = []
    for module, path in SOURCES.items():
        if module.startswith(("gateway.store.sqlite", "gateway.device")):
            continue
        named = {"sqlite3", "aiosqlite"} & {name.split(".")[0] for name in IMPORTS[module]}
        stores = {name for name in IMPORTS[module] if name.startswith("gateway.store.sqlite")}
        if named or SQL.search(path.read_text("utf-8")) or (stores and module != "gateway.stores"):
            wrong.append(module)
    assert sorted(wrong) == []


def test_mqtt_and_http_stay_outside_the_core() -> None:
    """Of the core only the broker's engines speak MQTT, and nobody HTTP but who calls out."""
    core = {room for rooms in list(LAYERS.values())[list(LAYERS).index("core") :] for room in rooms}
    outside = {"amqtt": {"gateway.broker"}, "paho": {"gateway.broker", "gateway.device"}}
    outside["aiohttp"] = {"gateway.webhooks", "gateway.listener"}
    wrong = [
        f"{module} imports {name}"
        for module, found in IMPORTS.items()
        for name in found
        if room(module) in core and room(module) not in outside.get(name.split(".")[0], core)
    ]
    assert sorted(wrong) == []


def functions(path: Path) -> bool:
    """Tell whether a module does anything: a function with more in it than words and dots."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = [s for s in node.body if not isinstance(getattr(s, "value", None), ast.Constant)]
            if body:
                return True
    return False


def mirrors(module: str, tests: set[str]) -> bool:
    """Tell whether a test module has the module's name: `test_NAME` or `test_ROOM_NAME`."""
    name = module.rpartition(".")[2]
    return any(test == f"test_{name}" or test.endswith(f"_{name}") for test in tests)


def test_every_module_has_its_test_module() -> None:
    """By the rule in CONTRIBUTING.md; the list of those still without may only get shorter."""
    tests = {path.stem for path in (ROOT / "tests").rglob("test_*.py")}
    without = {
        module
        for module, path in SOURCES.items()
        if not path.name.startswith("__")
        and not module.startswith("gateway.root.")
        and functions(path)
        and not mirrors(module, tests)
    }
    still = set((ROOT / "tests" / "without_tests.txt").read_text("utf-8").split())
    assert sorted(without - still) == [], "give these a test module of their own name"
    assert sorted(still - without) == [], "these have one now: take them from without_tests.txt"


def test_the_reading_of_imports(tmp_path: Path) -> None:
    """Relative imports, imports inside functions and those for the type checker are all seen."""
    path = tmp_path / "x.py"
    path.write_text(
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n"
        "    from gateway.store import history\n"
        "def f():\n    import gateway.errors\n    from . import topics\n"
        "    from .hub import Hub, listener\n"
    )
    loaded = {"typing", "gateway.errors", "gateway.topics", "gateway.hub", "gateway.hub.listener"}
    assert imports("gateway.x", path) == {*loaded, "gateway.store.history"}
