"""Proposals of holds, from traces and from decisions of the live policies; none beyond the clocks of the country.

A proposal is no hold: a person decides, and writes the event `held` into the record (`add_event`).
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from muledetect.clock import Moment, parse_time
from muledetect.errors import DataError, OptionError
from muledetect.frames import as_arrow
from muledetect.holds.clocks import Clocks, load_clocks
from muledetect.holds.record import rows_of
from muledetect.holds.states import hold_states
from muledetect.records.intake import read_parquet
from muledetect.schema import HOLDS

#: Clock of a hold that a trace proposes: the rule of that name in the live policies.
TRACED: Final = "traced_amount"
_TIME: Final = pa.timestamp("us", tz="UTC")
#: Table of proposals; a decision names its payment, a trace its complaint and account.
PROPOSALS: Final = pa.schema(
    dict.fromkeys(("clock", "account_id", "complaint_id", "transfer_id"), pa.string())
    | {"amount": pa.int64(), "traced_at": _TIME, "until": _TIME}
)


def propose_holds(
    holds: Any = None, *, pack: str | Path | Clocks, states: pa.Table | None = None, decisions: str | Path | None = None
) -> pa.Table:
    """Return what may be held and is not yet: the amount that was traced, and payments that a policy holds or delays.

    Parameters
    ----------
    holds : table as schema.HOLDS, optional
        Of a trace.
    pack : str, path or Clocks
        A pack without the clock "traced_amount" proposes nothing from a trace.
    states : pyarrow.Table, optional
        Holds as they stand (`hold_states`): what they hold is not proposed again, and no more than the account has.
    decisions : path, optional
        JSON lines that `serve --decisions` wrote.

    Returns
    -------
    pyarrow.Table
        `PROPOSALS`: those of a trace by complaint and account, then those of decisions in their order. `until` is the
        earlier of what was proposed and the end of the bank's period.

    Raises
    ------
    DataError
        If the tables lack columns, or the file holds no decisions.
    """
    clocks, standing = load_clocks(pack), [] if states is None else [row for row in rows_of(states) if row["held"]]
    names = {clock.name for clock in clocks.clocks}
    rows: list[dict[str, Any]] = []
    if holds is not None and TRACED in names:
        rows += _of_trace(as_arrow(holds, "holds"), clocks, standing)
    if decisions is not None:
        held = {row["transfer_id"] for row in standing}
        rows += [row for row in _decided(Path(decisions), names) if row["transfer_id"] not in held]
    return pa.Table.from_pylist(rows, PROPOSALS)


def _of_trace(holds: pa.Table, clocks: Clocks, standing: list[dict[str, Any]]) -> list[dict[str, Any]]:
    lacking = [name for name in HOLDS.names if name not in holds.column_names]
    if lacking:
        raise DataError(f"holds: column(s) {', '.join(lacking)} are missing; give the table that `trace` wrote.")
    asked = holds.select(HOLDS.names).filter(pc.greater(holds["hold"], 0))
    asked = asked.sort_by([("complaint_id", "ascending"), ("account_id", "ascending")])
    clock, rows = clocks.clock(TRACED), []
    free: dict[str, int] = {}
    for row in rows_of(asked):
        account, own = row["account_id"], (row["complaint_id"], row["account_id"])
        of_account = sum(hold["held"] for hold in standing if hold["account_id"] == account)
        of_both = sum(hold["held"] for hold in standing if (hold["complaint_id"], hold["account_id"]) == own)
        left = free.setdefault(account, row["available"] - of_account)
        amount = min(row["hold"] - of_both, left)
        if amount > 0:
            free[account] -= amount
            until = min(row["expires_at"], clocks.ends(clock.bank, row["as_of"]))
            rows.append({"clock": TRACED, "amount": amount, "traced_at": row["as_of"], "until": until}
                        | {name: row[name] for name in ("account_id", "complaint_id")})  # fmt: skip
    return rows


def _decided(path: Path, names: set[str]) -> list[dict[str, Any]]:
    """Return the payments that decisions delay or hold, by their latest decision; none of a rule without a clock."""
    found: dict[str, dict[str, Any]] = {}
    try:
        lines = path.read_text("utf-8").splitlines()
        for line in lines:
            said = json.loads(line)
            found.pop(said["transfer_id"], None)
            if said["action"] in ("delay", "hold") and said["rule"] in names:
                found[said["transfer_id"]] = {
                    "clock": said["rule"], "transfer_id": said["transfer_id"], "amount": int(said["amount"]),
                    "until": None if said["until"] is None else parse_time(said["until"]),
                }  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"decisions: {path.name!r} cannot be read: {type(error).__name__}. Give the file of `serve --decisions`."
        ) from error
    return list(found.values())


def read_holds(traces: str | Path) -> pa.Table:
    """Return the table `holds` of the folder that `trace` wrote."""
    try:
        return read_parquet(Path(traces) / "holds.parquet", "holds")
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(
            f"traces: {Path(traces).name!r} has no table holds that can be read. Give the folder that `trace` wrote."
        ) from error


def traced_hold(
    traces: str | Path,
    record: str | Path,
    complaint_id: str | None,
    account_id: str | None,
    amount: int | None = None,
    *,
    pack: str | Path | Clocks,
    recorded: Moment | None = None,
) -> dict[str, Any]:
    """Return what a trace proposes to hold for a complaint in an account: `clock`, `amount`, `traced_at`.

    Parameters
    ----------
    traces : path
        Folder that `trace` wrote.
    record : path
        Record of holds; what stands in it is not held again. It need not be there yet.
    complaint_id, account_id : str
    amount : int, optional
        At most what is proposed, which is the default.
    pack : str, path or Clocks
    recorded : Moment, optional
        When the hold is written down; by default now.

    Raises
    ------
    OptionError
        If nothing is proposed there, or less than `amount`.
    """
    # the moment is exclusive, and what was written down in this very microsecond counts
    now = parse_time(datetime.now(UTC) if recorded is None else recorded) + 1
    states = hold_states(record, now, pack, may_be_new=True)
    found = propose_holds(read_holds(traces), pack=pack, states=states)
    for row in rows_of(found):
        if (row["complaint_id"], row["account_id"]) == (complaint_id, account_id):
            if amount is not None and amount > row["amount"]:
                raise OptionError(
                    f"hold: the trace proposes {row['amount']:,} minor units and no more; got {amount:,}. Hold "
                    "what was traced, not the account."
                )
            chosen = row["amount"] if amount is None else amount
            return {"clock": row["clock"], "amount": chosen, "traced_at": row["traced_at"]}
    raise OptionError(
        "hold: the trace proposes nothing more for this complaint in this account, or the pack lets no trace hold "
        "money."
    )
