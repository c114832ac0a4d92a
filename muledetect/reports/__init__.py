"""What people look at: case files, ring files, the model report, and an index of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from muledetect.lazy import on_demand

if TYPE_CHECKING:
    from muledetect.reports.drafts.goaml import goaml_schema, to_goaml, write_goaml
    from muledetect.reports.drafts.str_draft import draft_str
    from muledetect.reports.exports import write_csv, write_xlsx
    from muledetect.reports.material import Material, gather_material
    from muledetect.reports.write import write_report

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

__getattr__, __dir__ = on_demand(
    __name__,
    {
        "drafts.goaml": "goaml_schema to_goaml write_goaml",
        "drafts.str_draft": "draft_str",
        "exports": "write_csv write_xlsx",
        "material": "Material gather_material",
        "write": "write_report",
    },
)
