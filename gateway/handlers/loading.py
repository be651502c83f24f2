"""Loading: from module names to device types, with errors that say what to mend."""

from __future__ import annotations

import importlib
import inspect
import sys
import traceback
from typing import TYPE_CHECKING, Any

from gateway.errors import Invalid
from gateway.handlers.device import DeviceType

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from types import ModuleType


def load(modules: Iterable[str], folder: Path, drop: Iterable[str] = ()) -> dict[str, DeviceType]:
    """Import modules, also from `folder`, and return an object of each device type by its name.

    `drop`: modules that were loaded before and must be read anew, with the rest of their packages.
    Raises `Invalid`, and then leaves what was loaded before in place.
    """
    if str(folder) not in sys.path:
        sys.path.append(
            str(folder)
        )  # at the end: a user's file must not hide a module that the gateway needs
    dropped = {name: module for name, module in sys.modules.items() if _within(name, drop)}
    for name in dropped:
        del sys.modules[name]
    try:
        return _collect(modules)
    except Invalid:
        sys.modules.update(dropped)
        raise


def _within(name: str, packages: Iterable[str]) -> bool:
    return any(name == package or name.startswith(package + ".") for package in packages)


def _collect(modules: Iterable[str]) -> dict[str, DeviceType]:
    found: dict[str, DeviceType] = {}
    for name in modules:
        classes = _types_of(_import(name), name)
        if not classes:
            raise Invalid(f"[handlers] modules: {name} has no DeviceType with a type")
        for cls in classes:
            if cls.type in found:
                other = type(found[cls.type]).__qualname__
                raise Invalid(
                    f"[handlers] modules: {other} and {cls.__qualname__} are both of type "
                    f"{cls.type!r}"
                )
            found[cls.type] = _make(cls)
    return found


def _import(name: str) -> ModuleType:
    importlib.invalidate_caches()
    writes, sys.dont_write_bytecode = (
        sys.dont_write_bytecode,
        True,
    )  # a reload must see a change within one second
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = "" if "importlib" in last.filename else f" ({last.filename}, line {last.lineno})"
        raise Invalid(
            f"[handlers] modules: cannot import {name}: {type(error).__name__}: {error}{where}"
        ) from error
    finally:
        sys.dont_write_bytecode = writes


def _types_of(module: ModuleType, name: str) -> list[type[DeviceType]]:
    """Return the device types that a module or its package defines; those without a type are bases
    of others.
    """
    classes = dict.fromkeys(thing for thing in vars(module).values() if isinstance(thing, type))
    return [
        cls
        for cls in classes
        if issubclass(cls, DeviceType) and cls.type and _within(cls.__module__, [name])
    ]


def _make(cls: type[DeviceType]) -> DeviceType:
    if not isinstance(cls.type, str):
        raise Invalid(f"[handlers] modules: {cls.__qualname__}.type is not a text")
    try:
        made = cls()
    except Exception as error:
        raise Invalid(
            f"[handlers] modules: {cls.__qualname__}() fails: {type(error).__name__}: {error}"
        ) from error
    for name in dir(cls):
        if name.startswith("on_"):
            _check(cls, name, getattr(made, name))
    return made


def hears_updates(handler: DeviceType) -> bool:
    """Tell whether its `on_update` is for commands; with two parameters it is for a channel of that
    name.
    """
    method = getattr(handler, "on_update", None)
    return method is not None and _takes(method, ("name", "value", "device"))


def _check(cls: type[DeviceType], name: str, method: Any) -> None:
    expected: tuple[str, ...] = (
        ("device",) if name in {"on_connect", "on_disconnect"} else ("value", "device")
    )
    if name == "on_frame":
        expected = ("frame", "device")
    if name == "on_update" and not _takes(method, expected):
        expected = ("name", "value", "device")
    if not _takes(method, expected):
        wanted = ", ".join(("self", *expected))
        raise Invalid(f"[handlers] modules: {cls.__qualname__}.{name} must be {name}({wanted})")


def _takes(method: Any, arguments: tuple[str, ...]) -> bool:
    try:
        inspect.signature(method).bind(*arguments)
    except TypeError:
        return False
    return True
