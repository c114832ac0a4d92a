"""What is installed, for reports of errors."""

from __future__ import annotations

import hashlib
import os
import platform
import re
from functools import cache
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

#: Extras that users of the library may have; `dev` is for those who change it.
_EXTRAS = ("report", "notebook", "spark", "tune")


@cache
def code_digest() -> str:
    """Return the SHA-256 sum of the code of the package: what one version has computed, no other continues."""
    package, total = Path(__file__).parent, hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        total.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return total.hexdigest()


def show_versions() -> None:
    """Print the versions of muledetect, of Python, of the system and of all dependencies; no path, no name of a user.

    Packages of the optional extras are listed with their extra, also if they are not installed.
    """
    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    lines = {
        "muledetect": version("muledetect"),
        "python": f"{platform.python_version()} ({platform.python_implementation()})",
        "system": f"{system}, {os.cpu_count()} cores",
    }
    lines |= {name: _installed(name) + (f" ({extra})" if extra else "") for name, extra in _needed().items()}
    width = max(map(len, lines))
    print("\n".join(f"{name:<{width}}  {shown}" for name, shown in lines.items()))


def _needed() -> dict[str, str]:
    """Return each package that the library can use, with its extra; required ones first."""
    found: dict[str, str] = {}
    for requirement in requires("muledetect") or []:
        name = re.match(r"[\w.-]+", requirement)
        extra = re.search(r"extra == ['\"](\w+)['\"]", requirement)
        if name and (extra is None or extra[1] in _EXTRAS):
            found.setdefault(name[0], extra[1] if extra else "")
    return found


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
