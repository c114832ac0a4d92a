"""Names that a package offers and imports when they are first asked for, so that nobody waits for what is not used.

A package lists its names three times: under `TYPE_CHECKING` for type checkers and editors, in `__all__` for readers,
and in `on_demand` for Python, which reads the first two only. A test holds the three equal.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def on_demand(package: str, places: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return `__getattr__` and `__dir__` of a package (PEP 562) whose names are imported on first use.

    Parameters
    ----------
    package : str
        `__name__` of the package.
    places : mapping of str to str
        Module below the package -> its names, with blanks between; "name=other" where the package calls it `name`.
        No name may be that of a module of the package: Python puts the module in its place.

    Notes
    -----
    A name that was asked for once stays in the package, as if it had been imported there. The modules themselves are
    attributes too, as an import of their names would have made them.
    """
    modules = {module.partition(".")[0] for module in places}
    homes: dict[str, tuple[str, str]] = {}
    for module, listed in places.items():
        for entry in listed.split():
            name, _, other = entry.partition("=")
            homes[name] = (f"{package}.{module}", other or name)

    def get(name: str) -> Any:
        if name in modules:
            return import_module(f"{package}.{name}")
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module, there = homes[name]
        value = getattr(import_module(module), there)
        setattr(sys.modules[package], name, value)
        return value

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *homes, *modules})

    return get, names
