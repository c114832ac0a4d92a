"""What an output is: its kind, and the names of its files."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True)
class Output:
    """What a command writes.

    Parameters
    ----------
    of : str
        Kind, in words: "scores", "report". An output is replaced by one of its own kind only.
    files : tuple of str
        Patterns of the names that a folder may get, such as "accounts/*.html"; none for a single file.
    adds : bool
        The folder's other files of ours stay, of whatever kind; else files of an earlier run that are not written
        again go.
    """

    of: str
    files: tuple[str, ...] = ()
    adds: bool = False

    @property
    def is_folder(self) -> bool:
        """Whether a folder is written."""
        return bool(self.files)

    def may_write(self, name: str) -> bool:
        """Return whether a file of this name, relative and with "/", is one that the output may write."""
        parts = name.split("/")
        return any(_fits(parts, pattern.split("/")) for pattern in self.files)

    def stands_in_the_way(self, name: str) -> bool:
        """Return whether an entry of this name cannot stay beside the output, as it has one of its names."""
        parts = name.split("/")
        for pattern in self.files:
            wanted = pattern.split("/")
            shorter = min(len(parts), len(wanted))
            if _fits(parts[:shorter], wanted[:shorter]) and len(parts) >= len(wanted):
                return True
            if len(parts) < len(wanted) and _fits(parts, wanted[: len(parts)]):
                return True
        return False


def _fits(parts: list[str], pattern: list[str]) -> bool:
    return len(parts) == len(pattern) and all(map(fnmatchcase, parts, pattern))
