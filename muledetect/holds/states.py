"""The state of each hold at a moment.

Only events that were known before the moment count, in the order in which they took effect. So a record that grows
changes no state of the past: an extension that is written down a day late did not stand that day.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from muledetect.clock import Moment, format_time, parse_time
from muledetect.errors import DataError
from muledetect.holds.clocks import Clocks, load_clocks
from muledetect.holds.record import read_record, rows_of
from muledetect.holds.rules import Refused, build_holds
from muledetect.schema import HOLD_STATES


def hold_states(
    record: pa.Table | str | Path, as_of: Moment, pack: str | Path | Clocks, *, may_be_new: bool = False
) -> pa.Table:
    """Return each hold as it stands just before a moment.

    Parameters
    ----------
    record : pyarrow.Table or path
        Events as `read_record` gives them.
    as_of : Moment
        Exclusive: events that took effect or were written down at or after it do not count.
    pack : str, path or Clocks
        Clocks of the country, see `load_clocks`.
    may_be_new : bool
        As for `read_record`.

    Returns
    -------
    pyarrow.Table
        `schema.HOLD_STATES`, by `hold_id`; no row for a hold that was not known yet.

    Raises
    ------
    DataError
        If the record is none, was changed, or has an event that these clocks do not allow.
    OptionError
        If a hold has a clock that the pack does not have.

    Notes
    -----
    O(events log events).
    """
    clocks, moment = load_clocks(pack), parse_time(as_of)
    events = rows_of(read_record(record, may_be_new=may_be_new))
    known = [event for event in events if max(event["time"], event["known_ts"]) < moment]
    try:
        holds = build_holds(known, clocks)
    except Refused as error:
        raise DataError(
            f"record of holds: an event before {format_time(moment)} does not fit the clocks of {clocks.name!r}: "
            f"{error}. Give the pack that the record was made with."
        ) from error
    rows = [holds[name].at(moment) for name in sorted(holds)]
    return pa.Table.from_pylist(rows, HOLD_STATES.arrow_schema)
