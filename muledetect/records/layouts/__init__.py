"""Foreign record layouts: one file each, and one shape.

A layout is a pure function that turns the files of another tool into tables of the contract; `@layout` registers it
under a name with the files that it reads. A function of the same shape in another package is registered the same way.

>>> sorted(LAYOUTS)
['amlsim', 'amlworld', 'synthfin']
"""

from __future__ import annotations

from muledetect.records.files import Source
from muledetect.records.layouts import amlsim, amlworld, synthfin
from muledetect.records.layouts._spec import LAYOUTS, FileKind, Files, Layout, Options, import_layout, layout

__all__ = [
    "LAYOUTS",
    "FileKind",
    "Files",
    "Layout",
    "Options",
    "Source",
    "amlsim",
    "amlworld",
    "import_layout",
    "layout",
    "synthfin",
]
