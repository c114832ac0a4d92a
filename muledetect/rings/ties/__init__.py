"""Evidence that a ring works for a call centre.

To add a family, write a function of a `TieContext` that returns a table in the shape `EVIDENCE`, decorate it with
`@family`, and add it to `FAMILIES` or pass it to `find_ties(families=...)`; `muledetect.testing.check_evidence` holds
it to the laws.
"""

from __future__ import annotations

from muledetect.rings.ties._spec import EVIDENCE, Family, TieContext, evidence, family
from muledetect.rings.ties.find import FAMILIES, Ties, find_ties
from muledetect.rings.ties.learn import learn_weights

__all__ = ["EVIDENCE", "FAMILIES", "Family", "TieContext", "Ties", "evidence", "family", "find_ties", "learn_weights"]
