"""Evidence that a ring works for a call centre, one family a file or two.

To add a family, write a function of a `TieScene` that returns a table in the shape `EVIDENCE`, decorate it with
`@family`, and add it to `FAMILIES` or pass it to `find_ties(families=...)`.
"""

from __future__ import annotations

from muledetect.rings.ties._spec import EVIDENCE, Family, TieScene, evidence, family
from muledetect.rings.ties.find import FAMILIES, Ties, find_ties
from muledetect.rings.ties.learn import learn_weights

__all__ = ["EVIDENCE", "FAMILIES", "Family", "TieScene", "Ties", "evidence", "family", "find_ties", "learn_weights"]
