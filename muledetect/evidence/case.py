"""Who belongs to a case: its subjects, those who complained of them, and who got the money at other banks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from muledetect.arrays import BoolArray
from muledetect.errors import OptionError
from muledetect.facts import Snapshot
from muledetect.rings import RingTables
from muledetect.tracing import Traces

Kind = Literal["account", "ring", "complaint"]
ROLES: Final = ("subject", "complainant", "recipient")
#: Where money is when another bank has it.
_ELSEWHERE: Final = ("other_bank", "xborder")


@dataclass(frozen=True)
class Case:
    """Who belongs to a case.

    Attributes
    ----------
    kind : "account", "ring" or "complaint"
    name : str
        Id of the account, ring or complaint.
    subjects, complainants, recipients : tuple of str
        Accounts, in order; each in the first of the three that it fits.
    complaints : tuple of str
        Complaints that the case is about.
    """

    kind: Kind
    name: str
    subjects: tuple[str, ...]
    complainants: tuple[str, ...]
    recipients: tuple[str, ...]
    complaints: tuple[str, ...]

    @cached_property
    def roles(self) -> dict[str, str]:
        """What each account of the case is."""
        groups = zip(ROLES, (self.subjects, self.complainants, self.recipients), strict=True)
        return {account: role for role, accounts in groups for account in accounts}

    def has(self, ids: pa.ChunkedArray | pa.Array) -> pa.Array:
        """Return which ids are accounts of the case; null is none."""
        return pc.is_in(ids.cast(pa.string()), value_set=pa.array(list(self.roles), pa.string()))

    def marked(self, snapshot: Snapshot, role: str | None = None) -> BoolArray:
        """Return which accounts of the graph are of the case, or have a role in it."""
        found = np.zeros(snapshot.graph.n_accounts, np.bool_)
        names = [account for account, own in self.roles.items() if role in (None, own)]
        codes = snapshot.graph.codes(pa.array(names, pa.string()))
        found[codes[codes >= 0]] = True
        return found


def find_case(snapshot: Snapshot, traces: Traces, kind: Kind, name: str, rings: RingTables) -> Case:
    """Return who belongs to the case of an account, a ring or a complaint.

    Parameters
    ----------
    snapshot : Snapshot
    traces : Traces
        Of all complaints, with steps.
    kind, name : str
    rings : RingTables
        Of the same moment; needed for a ring.

    Raises
    ------
    OptionError
        If there is no such account, ring or traced complaint.
    """
    steps = traces.steps
    if kind == "complaint":
        return _of_complaint(snapshot, traces, name)
    if kind == "ring":
        members = rings.ring_members.filter(pc.equal(rings.ring_members["ring_id"], name))["account_id"]
        subjects = set(members.to_pylist())
    else:
        subjects = {name} if int(snapshot.graph.codes(pa.array([name], pa.string()))[0]) >= 0 else set()
    if not subjects:
        where = "the rings that were given" if kind == "ring" else "the data set"
        raise OptionError(f"pack: the {kind} that was asked for is not in {where}. Check its id.")
    own = pa.array(sorted(subjects), pa.string())
    touching = steps.filter(pc.or_(pc.is_in(steps["source"], value_set=own), pc.is_in(steps["target"], value_set=own)))
    return _case(snapshot, kind, name, subjects, set(), set(pc.unique(touching["complaint_id"]).to_pylist()))


def _of_complaint(snapshot: Snapshot, traces: Traces, name: str) -> Case:
    steps = traces.steps.filter(pc.equal(traces.steps["complaint_id"], name))
    if not steps.num_rows:
        raise OptionError("pack: the complaint that was asked for has no trace at this moment. Check its id.")
    places = traces.trace.filter(pc.equal(traces.trace["complaint_id"], name))
    here = set(places.filter(places["exit_kind"].is_null())["account_id"].to_pylist())
    left = places.filter(pc.is_in(places["exit_kind"], value_set=pa.array(_ELSEWHERE)))
    got = sorted(left["account_id"].to_pylist())
    is_public = snapshot.serves_public[snapshot.graph.codes(pa.array(got, pa.string()))]
    recipients = {account for account, serves in zip(got, is_public.tolist(), strict=True) if not serves}
    passed = set(steps["source"].to_pylist()) & set(steps["target"].to_pylist())
    return _case(snapshot, "complaint", name, here | passed, recipients, {name})


def _case(
    snapshot: Snapshot, kind: Kind, name: str, subjects: set[str], recipients: set[str], complaints: set[str]
) -> Case:
    """Return a case with its complainants: who paid a subject what a complaint of the case disputes."""
    known = snapshot.complaints
    asked = pc.is_in(known.complaint_id, value_set=pa.array(sorted(complaints), pa.string())).to_numpy(False)
    payer, payee = (_names(snapshot, codes[asked]) for codes in (known.payer, known.payee))
    paid = {one for one, other in zip(payer, payee, strict=True) if one is not None and other in subjects}
    complainants = paid - subjects
    others = recipients - subjects - complainants
    return Case(
        kind,
        name,
        tuple(sorted(subjects)),
        tuple(sorted(complainants)),
        tuple(sorted(others)),
        tuple(sorted(complaints)),
    )


def _names(snapshot: Snapshot, codes: np.ndarray) -> list[str | None]:
    names: list[str | None] = snapshot.graph.account_ids.take(pa.array(codes, mask=codes < 0)).to_pylist()
    return names
