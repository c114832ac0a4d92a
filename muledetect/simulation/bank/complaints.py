"""Complaints of victims: late, sometimes wrong or withdrawn, and often never made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from muledetect.clock import DAY, HOUR, MINUTE
from muledetect.simulation.config import WorldConfig
from muledetect.simulation.crime import SCAM_TYPES, Case
from muledetect.simulation.people import People
from muledetect.simulation.plan import VICTIM, Columns
from muledetect.simulation.rhythm import Rhythm
from muledetect.simulation.streams import Float64, Int8, Int64, mix, stream

#: Codes of `Complaints.status`.
STATUSES: Final = ("open", "confirmed", "withdrawn")
OPEN, CONFIRMED, WITHDRAWN = range(3)
#: Victims who can say from which centre they were called.
_NAMES_CENTRE: Final = 0.15
#: Complaints without cause an account and day, times `wrong_complaint_share`: there are some even without crime.
_QUARRELS: Final = 2e-5


@dataclass(frozen=True, slots=True)
class Complaints:
    """One row a disputed transfer, in the order in which the bank heard of them; none after the world's end.

    Attributes
    ----------
    number : int64[n]
        Running number of the transfer among those that our bank sees, never -1.
    source, target : int64[n]
        The account that paid (the victim's) and the one that was paid.
    amount, time : int64[n]
        Of the transfer (satang; us, UTC).
    known : int64[n]
        When the bank heard of it (us, UTC); later than `time`.
    case : int64[n]
        The case in truth; -1 where an honest transfer is disputed.
    status : int8[n]
        Position in `STATUSES`, as it stands at the world's end.
    status_known : int64[n]
        When the bank knew that status (us, UTC), after `known` and before the world's end; -1 where it is open.
    scam_type : int8[n]
        What the victim says it was, a position in `SCAM_TYPES`; often wrong.
    script : int64[n]
        Number (0 to 999) of the script that the bank's clerk recognised; -1 for none.
    names_centre : int64[n]
        The call centre that the complaint names, rarely a wrong one; -1 for none.
    """

    number: Int64
    source: Int64
    target: Int64
    amount: Int64
    time: Int64
    known: Int64
    case: Int64
    status: Int8
    status_known: Int64
    scam_type: Int8
    script: Int64
    names_centre: Int64


def hear_complaints(
    config: WorldConfig, people: People, rhythm: Rhythm, cases: tuple[Case, ...], illicit: Columns, honest: Columns
) -> Complaints:
    """Return the complaints that the bank hears before the world's end, about transfers that it sees.

    Parameters
    ----------
    cases : tuple of Case
        All cases; a case's position is its number.
    illicit : Columns
        Transfers that our bank sees and whose kind is not NORMAL, with `number`.
    honest : Columns
        A sample of normal transfers between people, with `number`; some of them are disputed without cause.
    """
    rng = stream(config.seed, "complaints")
    true = _of_victims(config, rng, cases, illicit)
    wrong = _without_cause(config, people, rng, cases, honest, len(true["number"]))
    rows = {name: np.concatenate([true[name], wrong[name]]) for name in true}
    # What is not settled by the world's end is still open.
    settled = rows["known"] + (np.exp(rng.normal(np.log(12), 0.8, len(rows["known"]))) * DAY).astype(np.int64)
    rows["status"] = np.where(settled < rhythm.end, rows["status"], OPEN).astype(np.int8)
    rows["status_known"] = np.where(rows["status"] == OPEN, -1, settled)
    keep = np.flatnonzero(rows["known"] < rhythm.end)
    keep = keep[np.lexsort((rows["number"][keep], rows["known"][keep]))]
    return Complaints(**{name: values[keep] for name, values in rows.items()})


def _of_victims(config: WorldConfig, rng: np.random.Generator, cases: tuple[Case, ...], illicit: Columns) -> Columns:
    """Complaints of cases: one decision, one moment and one story a victim, one row a payment."""
    n = len(cases)
    complains = rng.random(n) < config.complaint_share
    heard = np.array([case.last_payment for case in cases], np.int64) + _delay(
        rng, n, config.median_complaint_delay_h, 1.7
    )
    status = _outcome(rng, n, open_share=0.22, confirmed_share=0.72)
    centre = np.array([case.centre for case in cases], np.int64)
    named = np.where(rng.random(n) < _NAMES_CENTRE, _named(rng, centre, 0.08), -1)
    scam = np.array([case.scam_type for case in cases], np.int64)
    told = np.where(rng.random(n) < 0.15, rng.integers(0, len(SCAM_TYPES), n), scam)
    # A centre reads from two scripts a scam type, some of which circulate among centres.
    script = told * 10 + (mix(centre, told, rng.integers(0, 2, n), 61) % np.uint64(6)).astype(np.int64)
    script = np.where(rng.random(n) < 0.5, script, -1)
    rows = np.flatnonzero(illicit["kind"] == VICTIM)
    # Shame or haste: now and then a victim leaves out a payment.
    rows = rows[complains[illicit["case"][rows]] & (rng.random(len(rows)) < 0.93)]
    case = illicit["case"][rows].astype(np.int64)
    return {
        **_disputed(illicit, rows),
        "known": np.maximum(heard[case], illicit["time"][rows] + 10 * MINUTE),
        "case": case,
        "status": status[case],
        "scam_type": told[case].astype(np.int8),
        "script": script[case],
        "names_centre": named[case],
    }


def _without_cause(
    config: WorldConfig, people: People, rng: np.random.Generator, cases: tuple[Case, ...],
    honest: Columns, n_true: int,
) -> Columns:  # fmt: skip
    """Quarrels, mistakes and attempts: complaints about honest transfers, most of them withdrawn."""
    share = min(config.wrong_complaint_share, 0.9)
    everyday = rng.poisson(config.wrong_complaint_share * _QUARRELS * config.n_accounts * config.n_days)
    able = np.flatnonzero(people.is_private[honest["target"]])
    n = min(len(able), max(round(share / (1 - share) * n_true), int(everyday)))
    rows = np.sort(rng.choice(able, n, replace=False))
    told = rng.integers(0, len(SCAM_TYPES), n)
    script = told * 10 + rng.integers(0, 6, n)
    named = np.full(n, np.int64(-1))
    if cases:
        others = np.array([case.centre for case in cases], np.int64)
        named = np.where(rng.random(n) < 0.03, others[rng.integers(0, len(others), n)], -1)
    return {
        **_disputed(honest, rows),
        "known": honest["time"][rows] + _delay(rng, n, 40.0, 1.5),
        "case": np.full(n, np.int64(-1)),
        "status": _outcome(rng, n, open_share=0.35, confirmed_share=0.08),
        "scam_type": told.astype(np.int8),
        "script": np.where(rng.random(n) < 0.2, script, -1),
        "names_centre": named,
    }


def _disputed(transfers: Columns, rows: Int64) -> Columns:
    return {name: transfers[name][rows].astype(np.int64) for name in ("number", "source", "target", "amount", "time")}


def _delay(rng: np.random.Generator, n: int, median_h: float, spread: float) -> Int64:
    delay: Float64 = np.exp(rng.normal(np.log(median_h), spread, n)) * HOUR
    return np.clip(delay, 20 * MINUTE, 60 * DAY).astype(np.int64)


def _outcome(rng: np.random.Generator, n: int, open_share: float, confirmed_share: float) -> Int8:
    draw = rng.random(n)
    settled = np.where(draw < open_share + confirmed_share, CONFIRMED, WITHDRAWN)
    return np.where(draw < open_share, OPEN, settled).astype(np.int8)


def _named(rng: np.random.Generator, centre: Int64, wrong_share: float) -> Int64:
    """Return centres, some of them mistaken for another case's."""
    if not len(centre):
        return centre
    is_wrong = rng.random(len(centre)) < wrong_share
    named: Int64 = np.where(is_wrong, centre[rng.integers(0, len(centre), len(centre))], centre)
    return named
