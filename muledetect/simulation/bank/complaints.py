"""Complaints of victims: late, sometimes wrong or withdrawn, and often never made.

Complaints are columns, one row a disputed transfer, in the order in which the bank learnt of them: `number`, `source`,
`target`, `amount`, `time` (of the transfer), `known` (when the bank learnt of it), `case` (in truth; -1 where an honest
transfer is disputed), `status` (position in `STATUSES`), `status_known` (us; -1 while open), `scam_type` (what the
victim says, often wrong), `script` (0 to 999, -1: none) and `names_centre` (-1: none, rarely a wrong one).
"""

from __future__ import annotations

from typing import Final

import numpy as np

from muledetect.arrays import Float64Array, Int8Array, Int64Array
from muledetect.clock import DAY, HOUR, MINUTE
from muledetect.simulation.crime.victims import SCAM_TYPES, Case
from muledetect.simulation.economy import Economy
from muledetect.simulation.plan import VICTIM, Columns, column, rows_at, stacked
from muledetect.simulation.streams import hash_choice, stream

STATUSES: Final = ("open", "confirmed", "withdrawn")
OPEN, CONFIRMED, WITHDRAWN = range(3)
#: Victims who can say from which centre they were called.
_NAMES_CENTRE: Final = 0.15
#: Complaints without cause an account and day, times `wrong_complaint_share`: there are some even without crime.
_QUARRELS: Final = 2e-5
_DISPUTED: Final = ("number", "source", "target", "amount", "time")


def make_complaints(economy: Economy, cases: tuple[Case, ...], illicit: Columns, honest: Columns) -> Columns:
    """Return the complaints that the bank receives before the world's end, about transfers that it sees.

    A case's position is its number. `illicit` are the transfers that our bank sees and whose kind is not NORMAL, and
    `honest` a sample of normal transfers between people, some of them disputed without cause; both with `number`.
    """
    rng = stream(economy.config.seed, "complaints")
    end = economy.calendar.end
    true = _of_victims(economy, rng, cases, illicit)
    rows = stacked([true, _without_cause(economy, rng, cases, honest, len(true["number"]))])
    # What is not settled by the world's end is still open.
    settled = rows["known"] + (np.exp(rng.normal(np.log(12), 0.8, len(rows["known"]))) * DAY).astype(np.int64)
    rows["status"] = np.where(settled < end, rows["status"], OPEN).astype(np.int8)
    rows["status_known"] = np.where(rows["status"] == OPEN, -1, settled)
    keep = np.flatnonzero(rows["known"] < end)
    return rows_at(rows, keep[np.lexsort((rows["number"][keep], rows["known"][keep]))])


def _of_victims(economy: Economy, rng: np.random.Generator, cases: tuple[Case, ...], illicit: Columns) -> Columns:
    """Complaints of cases: one decision, one moment and one scam type a victim, one row a payment."""
    config, n = economy.config, len(cases)
    complains = rng.random(n) < config.complaint_share
    known = column(cases, "last_payment") + _delay(rng, n, config.median_complaint_delay_h, 1.7)
    status = _outcome(rng, n, open_share=0.22, confirmed_share=0.72)
    centre = column(cases, "centre")
    named = np.where(rng.random(n) < _NAMES_CENTRE, _named(rng, centre, 0.08), -1)
    said = np.where(rng.random(n) < 0.15, rng.integers(0, len(SCAM_TYPES), n), column(cases, "scam_type"))
    # A centre reads from two scripts a scam type, some of which circulate among centres.
    script = said * 10 + hash_choice(6, centre, said, rng.integers(0, 2, n), 61)
    script = np.where(rng.random(n) < 0.5, script, -1)
    rows = np.flatnonzero(illicit["kind"] == VICTIM)
    # Shame or haste: now and then a victim leaves out a payment.
    rows = rows[complains[illicit["case"][rows]] & (rng.random(len(rows)) < 0.93)]
    case = illicit["case"][rows].astype(np.int64)
    return {
        **{name: illicit[name][rows].astype(np.int64) for name in _DISPUTED},
        "known": np.maximum(known[case], illicit["time"][rows] + 10 * MINUTE),
        "case": case,
        "status": status[case],
        "scam_type": said[case].astype(np.int8),
        "script": script[case],
        "names_centre": named[case],
    }


def _without_cause(
    economy: Economy, rng: np.random.Generator, cases: tuple[Case, ...], honest: Columns, n_true: int
) -> Columns:
    """Quarrels, mistakes and attempts: complaints about honest transfers, most of them withdrawn."""
    config = economy.config
    share = min(config.wrong_complaint_share, 0.9)
    everyday = rng.poisson(config.wrong_complaint_share * _QUARRELS * config.n_accounts * config.n_days)
    able = np.flatnonzero(economy.people.is_private[honest["target"]])
    n = min(len(able), max(round(share / (1 - share) * n_true), int(everyday)))
    rows = np.sort(rng.choice(able, n, replace=False))
    said = rng.integers(0, len(SCAM_TYPES), n)
    script = said * 10 + rng.integers(0, 6, n)
    named = np.full(n, np.int64(-1))
    if cases:
        others = column(cases, "centre")
        named = np.where(rng.random(n) < 0.03, others[rng.integers(0, len(others), n)], -1)
    return {
        **{name: honest[name][rows].astype(np.int64) for name in _DISPUTED},
        "known": honest["time"][rows] + _delay(rng, n, 40.0, 1.5),
        "case": np.full(n, np.int64(-1)),
        "status": _outcome(rng, n, open_share=0.35, confirmed_share=0.08),
        "scam_type": said.astype(np.int8),
        "script": np.where(rng.random(n) < 0.2, script, -1),
        "names_centre": named,
    }


def _delay(rng: np.random.Generator, n: int, median_h: float, spread: float) -> Int64Array:
    delay: Float64Array = np.exp(rng.normal(np.log(median_h), spread, n)) * HOUR
    return np.clip(delay, 20 * MINUTE, 60 * DAY).astype(np.int64)


def _outcome(rng: np.random.Generator, n: int, open_share: float, confirmed_share: float) -> Int8Array:
    draw = rng.random(n)
    settled = np.where(draw < open_share + confirmed_share, CONFIRMED, WITHDRAWN)
    return np.where(draw < open_share, OPEN, settled).astype(np.int8)


def _named(rng: np.random.Generator, centre: Int64Array, wrong_share: float) -> Int64Array:
    """Return centres, some of them mistaken for another case's."""
    if not len(centre):
        return centre
    is_wrong = rng.random(len(centre)) < wrong_share
    named: Int64Array = np.where(is_wrong, centre[rng.integers(0, len(centre), len(centre))], centre)
    return named
