"""What people look at: case files, ring files, the model report, and an index of them."""

from __future__ import annotations

from muledetect.report.drafts.goaml import goaml_schema, to_goaml, write_goaml
from muledetect.report.drafts.str_draft import draft_str
from muledetect.report.exports import write_csv, write_xlsx
from muledetect.report.material import Material, gather_material
from muledetect.report.write import write_report

__all__ = [
    "Material",
    "draft_str",
    "gather_material",
    "goaml_schema",
    "to_goaml",
    "write_csv",
    "write_goaml",
    "write_report",
    "write_xlsx",
]
