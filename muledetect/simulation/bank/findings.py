"""What the bank finds out: complaints of victims and labels of accounts; late, incomplete, and sometimes wrong.

Complaints are columns, one row a disputed transfer, in the order in which the bank learnt of them: `number`, `source`,
`target`, `amount`, `time` (of the transfer), `known` (when the bank learnt of it), `case` (in truth; -1 where an honest
transfer is disputed), `status` (position in `STATUSES`), `status_known` (us; -1 while open), `scam_type` (what the
victim says, often wrong), `script` (0 to 999, -1: none) and `names_centre` (-1: none, rarely a wrong one).

Labels are columns, one row an account of ours that has a label by the world's end, sorted by account: `account`,
`label` (position in `LABELS`), `known` (us, UTC), `activity_start` and `activity_end` (first and last transfer held to
be illicit, before `known`; -1 unless the label is `mule`), `source` (position in `SOURCES`), `confidence` (0.5 to 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from muledetect.arrays import NEVER, BoolArray, Float64Array, Int8Array, Int64Array
from muledetect.clock import DAY, HOUR, MINUTE
from muledetect.simulation.crime.rings import Crime, members
from muledetect.simulation.crime.victims import SCAM_TYPES, Case
from muledetect.simulation.economy import Economy
from muledetect.simulation.people import CODE, FIRST_BUSINESS
from muledetect.simulation.plan import NORMAL, SPEND, TEST, VICTIM, Columns, column, rows_at, stacked
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


LABELS: Final = ("mule", "not_mule", "unknown")
MULE, NOT_MULE, UNKNOWN = range(3)
SOURCES: Final = ("complaint", "police", "review")
COMPLAINT, POLICE, REVIEW = range(3)
#: Personas that may be accused without cause: people and shopkeepers.
_ACCUSED: Final = (*range(FIRST_BUSINESS), CODE["shop"])


@dataclass(frozen=True, slots=True)
class Activity:
    """True illicit activity by account: first and last illicit transfer (int64, us; NEVER and -1 for none)."""

    first: Int64Array
    last: Int64Array

    @property
    def is_mule(self) -> BoolArray:
        """Accounts through which illicit money really went."""
        return self.last >= 0


def illicit_activity(illicit: Columns, crime: Crime, n_accounts: int, end: int) -> Activity:
    """Return when illicit money went through each account that a ring uses, before `end`.

    Victims and shops are no mules; tests and what is spent from the commission do not make one either.
    """
    first, last = np.full(n_accounts, NEVER), np.full(n_accounts, np.int64(-1))
    recruited = np.zeros(n_accounts, bool)
    recruited[members(crime)] = True
    counts = ~np.isin(illicit["kind"], (TEST, SPEND, NORMAL)) & (illicit["time"] < end)
    for side in ("source", "target"):
        rows = np.flatnonzero(counts)[recruited[illicit[side][counts]]]
        np.minimum.at(first, illicit[side][rows], illicit["time"][rows])
        np.maximum.at(last, illicit[side][rows], illicit["time"][rows])
    return Activity(first, last)


def make_labels(economy: Economy, illicit: Columns, complaints: Columns, activity: Activity) -> Columns:
    """Return the labels of our accounts that are known before the world's end.

    A complaint about an account leads to it within days; mules further down the trail are found later, some by the
    police, many never. Honest accounts are `not_mule` where the bank has reviewed them; a few that a mule paid, or
    about which somebody complained, are wrongly accused. An account that is under complaint but not yet decided is
    `unknown`.
    """
    config, people, calendar = economy.config, economy.people, economy.calendar
    rng = stream(config.seed, "labels")
    n = len(people.persona)
    mule = activity.is_mule & people.is_own
    victim_named, wrongly_named = _first_named(n, complaints, true=True), _first_named(n, complaints, true=False)
    direct = mule & (victim_named < NEVER)
    wait_days = np.where(direct, np.exp(rng.normal(np.log(2.5), 1.0, n)), np.exp(rng.normal(np.log(11), 0.9, n)))
    wait = (wait_days * DAY).astype(np.int64)
    # Accounts without activity have no moment of their own; `mule` leaves them out below.
    known = np.maximum(np.where(direct, victim_named, activity.last) + wait, np.where(mule, activity.first, 0) + HOUR)
    is_found = mule & (rng.random(n) < config.found_share) & (known < calendar.end)
    source = np.where(direct, COMPLAINT, np.where(rng.random(n) < 0.5, POLICE, REVIEW))

    looked_at = calendar.start + (rng.random(n) * (calendar.end - calendar.start)).astype(np.int64)
    looked_at = np.maximum(looked_at, np.maximum(people.opened_at, calendar.start) + DAY)
    is_disputed = ~mule & (wrongly_named < NEVER)
    looked_at = np.where(is_disputed, np.minimum(wrongly_named, calendar.end) + wait, looked_at)
    # Investigators clear some mules, too.
    reviewed = people.is_own & (rng.random(n) < np.where(mule, 0.25, 1.0) * config.reviewed_share)
    reviewed &= ~is_found & (looked_at < calendar.end)
    named = np.minimum(victim_named, wrongly_named)
    pending = people.is_own & ~is_found & ~reviewed & (named < calendar.end)

    label = np.full(n, -1, np.int8)
    label[reviewed], label[pending], label[is_found] = NOT_MULE, UNKNOWN, MULE
    known = np.where(is_found, known, np.where(pending, named, looked_at))
    began, ended = activity.first.copy(), np.minimum(activity.last, known - 1)
    wrong = _accused(economy, rng, illicit, complaints, activity, int(is_found.sum()))
    at = wrong["account"]
    label[at], known[at], source[at] = MULE, wrong["known"], wrong["source"]
    began[at] = ended[at] = wrong["time"]
    who = np.flatnonzero(label >= 0)
    is_accused = label[who] == MULE
    return {
        "account": who,
        "label": label[who],
        "known": known[who],
        "activity_start": np.where(is_accused, began[who], -1),
        "activity_end": np.where(is_accused, ended[who], -1),
        "source": np.where(label[who] == NOT_MULE, REVIEW, source[who]).astype(np.int8),
        "confidence": np.round(rng.uniform(0.5, 1.0, len(who)), 2),
    }


def _first_named(n_accounts: int, complaints: Columns, true: bool) -> Int64Array:
    """Return when the bank first learnt of each account in complaints that stand, true or wrong ones; else NEVER."""
    known = np.full(n_accounts, NEVER)
    rows = (complaints["status"] != WITHDRAWN) & ((complaints["case"] >= 0) == true)
    np.minimum.at(known, complaints["target"][rows], complaints["known"][rows])
    return known


def _accused(
    economy: Economy, rng: np.random.Generator, illicit: Columns, complaints: Columns, activity: Activity, n_found: int
) -> Columns:
    """Draw innocent accounts among those whom a mule paid (shopkeepers too) and those in a wrong complaint, each once.

    Fewer than the config's share where a world has too few of them. `time` is that of the transfer held against them.
    """
    people, config = economy.people, economy.config
    disputed = np.flatnonzero(complaints["case"] < 0)
    paid = np.flatnonzero(activity.is_mule[illicit["source"]])
    account = np.concatenate([complaints["target"][disputed], illicit["target"][paid].astype(np.int64)])
    moment = np.concatenate([complaints["time"][disputed], illicit["time"][paid]])
    wait = (np.exp(rng.normal(np.log(8), 0.9, len(account))) * DAY).astype(np.int64)
    known = np.concatenate([complaints["known"][disputed], illicit["time"][paid]]) + wait
    source = np.repeat([COMPLAINT, POLICE], [len(disputed), len(paid)])
    may_be = np.isin(people.persona, _ACCUSED) & people.is_own & ~activity.is_mule
    able = np.flatnonzero(may_be[account] & (known < economy.calendar.end))
    # In random order, and each account once.
    able = rng.permutation(able)
    able = able[np.sort(np.unique(account[able], return_index=True)[1])]
    chosen = able[: int(config.wrong_label_share * n_found + rng.random())]
    return {"account": account[chosen], "time": moment[chosen], "known": known[chosen], "source": source[chosen]}
