"""Where outputs go: nothing is replaced that this library did not write, and a reader sees the old one or the new one.

Three rules, for every command and function that writes:

1. *Refuse before the work.* An output is never an input, a key, a symbolic link or a mount point. What exists is
   replaced only if a manifest proves that we wrote it as the same kind of output and that nobody changed it since;
   `overwrite` also replaces files of the same names that are not ours. Other files of a folder stay in any case.
2. *Old or new.* A file is written beside its place and renamed. A folder is written beside its place, files that stay
   are linked into it, and the two folders change names in one step where the system can do that.
3. *Clean up.* What a killed process left behind is put right when the place is next written to or read by a command.

A folder's manifest is the file `.muledetect.json` in it; that of a single file `NAME` is `.NAME.muledetect.json`
beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from muledetect.lazy import on_demand

if TYPE_CHECKING:
    from muledetect.outputs._manifest import MANIFEST, sha256
    from muledetect.outputs._replace import check_output, is_ours, new_file, new_folder
    from muledetect.outputs.kinds import Output

__all__ = ["MANIFEST", "Output", "check_output", "is_ours", "new_file", "new_folder", "sha256"]

__getattr__, __dir__ = on_demand(
    __name__,
    {"_manifest": "MANIFEST sha256", "kinds": "Output", "_replace": "check_output is_ours new_file new_folder"},
)
