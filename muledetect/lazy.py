"""Names that a package offers and imports when they are first asked for, so that nobody waits for what is not used.

A package lists its names three times: under `TYPE_CHECKING` for type checkers and editors, in `__all__` for readers,
and in `on_demand` for Python, which reads the first two only. A test holds the three equal.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any
from warnings import warn


def on_demand(
    package: str, places: Mapping[str, str], *, rooms: str = "", moved: Mapping[str, str] | None = None
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return `__getattr__` and `__dir__` of a package (PEP 562) whose names are imported on first use.

    Parameters
    ----------
    package : str
        `__name__` of the package, or of a module that has moved names only.
    places : mapping of str to str
        Module below the package -> its names, with blanks between; "name=other" where the package calls it `name`.
        No name may be that of a module of the package: Python puts the module in its place.
    rooms : str
        Modules that are listed, with blanks between, by default those of `places`; "name=module" where the package
        calls it `name`.
    moved : mapping of str to str, optional
        Old name -> where it is now, from the top of the library on. The old name still works, with a
        `DeprecationWarning`; it is not listed.

    Notes
    -----
    A name that was asked for once stays in the package, as if it had been imported there. All modules of the package
    are attributes too, as an import would have made them.
    """
    aliases = dict(room.split("=") for room in rooms.split() if "=" in room)
    homes: dict[str, tuple[str, str]] = {}
    for module, listed in places.items():
        for entry in listed.split():
            name, _, other = entry.partition("=")
            homes[name] = (f"{package}.{module}", other or name)

    def get(name: str) -> Any:
        if name in homes:
            module, there = homes[name]
            value = getattr(import_module(module), there)
            setattr(sys.modules[package], name, value)
            return value
        if moved is not None and name in moved:
            return _moved(package, name, moved[name])
        if name in aliases or _is_module(package, name):
            return import_module(f"{package}.{aliases.get(name, name)}")
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    def names() -> list[str]:
        module = sys.modules[package]
        listed = [room.partition("=")[0] for room in rooms.split()] or [place.partition(".")[0] for place in places]
        shown = [name for name in listed if not name.startswith("_")]
        return sorted({*module.__all__, *shown, *(name for name in vars(module) if name.startswith("__"))})

    return get, names


def _is_module(package: str, name: str) -> bool:
    if name.startswith("_") or "__path__" not in vars(sys.modules[package]):
        return False
    return find_spec(f"{package}.{name}") is not None


def _moved(package: str, name: str, place: str) -> Any:
    top = package.partition(".")[0]
    module, _, there = f"{top}.{place}".rpartition(".")
    warn(
        f"{package}.{name} is now {module}.{there}; the old name goes with the next version.",
        DeprecationWarning,
        stacklevel=3,
    )
    return getattr(import_module(module), there)
