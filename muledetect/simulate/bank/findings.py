"""What the bank knows, and when: complaints, labels and watch lists, late, incomplete and sometimes wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from muledetect.clock import DAY, HOUR, MINUTE
from muledetect.simulate.config import WorldConfig
from muledetect.simulate.crews import Crime
from muledetect.simulate.people import NEVER, People
from muledetect.simulate.plan import CHANNEL, NORMAL, SPEND, TEST, VICTIM
from muledetect.simulate.rhythm import Rhythm
from muledetect.simulate.scams import Case
from muledetect.simulate.streams import Bool, Int8, Int64, stream

Columns = dict[str, npt.NDArray[Any]]
MULE, NOT_MULE, UNKNOWN = 0, 1, 2
OPEN, CONFIRMED, WITHDRAWN = 0, 1, 2
COMPLAINT, POLICE, REVIEW = 0, 1, 2
#: The kinds of transfer that do not make an account a mule in truth.
_UNTAINTED: Final = (TEST, SPEND, NORMAL)


@dataclass(frozen=True, slots=True)
class Complaints:
    """One row a disputed transfer; `transfer` is its position, `case` -1 where the complaint is wrong."""

    transfer: Int64
    known: Int64
    case: Int64
    status: Int8
    names_centre: Bool


@dataclass(frozen=True, slots=True)
class Labels:
    """One row an account that has a label; times are -1 where there is none."""

    account: Int64
    label: Int8
    known: Int64
    activity_start: Int64
    activity_end: Int64
    source: Int8
    confidence: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Activity:
    """Illicit life in truth, by account: first and last illicit transfer (us; NEVER and -1 for none)."""

    first: Int64
    last: Int64

    @property
    def is_mule(self) -> Bool:
        """Accounts through which illicit money really went."""
        return self.last >= 0


def illicit_activity(transfers: Columns, crime: Crime, n_accounts: int, end: int) -> Activity:
    """Return when illicit money went through each recruited account before `end`; victims and shops are no mules."""
    first = np.full(n_accounts, NEVER)
    last = np.full(n_accounts, np.int64(-1))
    recruited = np.zeros(n_accounts, bool)
    recruited[[account for ring in crime.rings for account in ring.members]] = True
    dirty = ~np.isin(transfers["kind"], _UNTAINTED) & (transfers["time"] < end)
    for side in ("source", "target"):
        account = transfers[side][dirty]
        mask = recruited[account]
        np.minimum.at(first, account[mask], transfers["time"][dirty][mask])
        np.maximum.at(last, account[mask], transfers["time"][dirty][mask])
    return Activity(first, last)


def hear_complaints(
    config: WorldConfig, people: People, rhythm: Rhythm, transfers: Columns, cases: tuple[Case, ...]
) -> Complaints:
    """Return the complaints known before the world's end, about transfers that our bank sees."""
    rng = stream(config.seed, "complaints")
    n_cases = len(cases)
    complains = rng.random(n_cases) < config.complaint_share
    delay = np.exp(rng.normal(np.log(config.median_complaint_delay_h), 1.7, n_cases)) * HOUR
    delay = np.clip(delay, 20 * MINUTE, 60 * DAY).astype(np.int64)
    known_of = np.array([case.last_payment for case in cases], np.int64) + delay
    status_of = rng.choice([OPEN, CONFIRMED, WITHDRAWN], n_cases, p=[0.4, 0.55, 0.05])
    names_of = rng.random(n_cases) < 0.15
    seen = people.is_own[transfers["source"]] | people.is_own[transfers["target"]]
    paid = np.flatnonzero((transfers["kind"] == VICTIM) & seen)
    case = transfers["case"][paid].astype(np.int64)
    paid = paid[complains[case]] if n_cases else paid
    case = transfers["case"][paid].astype(np.int64)
    # A step of the ledger may come microseconds after its plan: the complaint still comes later.
    known = np.maximum(known_of[case], transfers["time"][paid] + MINUTE) if n_cases else np.zeros(0, np.int64)
    private = people.is_private[transfers["target"]] & people.is_own[transfers["source"]]
    by_hand = np.isin(transfers["channel"], [CHANNEL["p2p_proxy"], CHANNEL["p2p_account"]])
    honest = np.flatnonzero((transfers["kind"] == NORMAL) & private & by_hand)
    n_wrong = min(len(honest), round(config.wrong_complaint_share * max(len(paid), 1)))
    wrong = rng.choice(honest, n_wrong, replace=False) if n_wrong else np.zeros(0, np.int64)
    wrong_delay = np.clip(np.exp(rng.normal(np.log(40), 1.5, n_wrong)) * HOUR, MINUTE, 60 * DAY).astype(np.int64)
    complaints = Complaints(
        transfer=np.concatenate([paid, wrong]),
        known=np.concatenate([known, transfers["time"][wrong] + wrong_delay]),
        case=np.concatenate([case, np.full(n_wrong, -1)]),
        status=np.concatenate(
            [
                status_of[case] if n_cases else np.zeros(0, np.int64),
                rng.choice([OPEN, CONFIRMED, WITHDRAWN], n_wrong, p=[0.5, 0.1, 0.4]),
            ]
        ).astype(np.int8),
        names_centre=np.concatenate([names_of[case] if n_cases else np.zeros(0, bool), np.zeros(n_wrong, bool)]),
    )
    keep = np.flatnonzero(complaints.known < rhythm.end)
    keep = keep[np.argsort(complaints.known[keep], kind="stable")]
    return Complaints(
        complaints.transfer[keep],
        complaints.known[keep],
        complaints.case[keep],
        complaints.status[keep],
        complaints.names_centre[keep],
    )


def investigate(
    config: WorldConfig, people: People, rhythm: Rhythm, transfers: Columns, complaints: Complaints, activity: Activity
) -> Labels:
    """Return the labels of our accounts that are known before the world's end.

    A complaint about an account leads to it within days; mules further down the trail are found later, some by the
    police, many never. Honest accounts are `not_mule` where the bank has reviewed them; a few are wrongly accused.
    """
    rng = stream(config.seed, "labels")
    n = len(people.persona)
    heard = np.full(n, NEVER)
    accused = transfers["target"][complaints.transfer]
    genuine = complaints.status != WITHDRAWN
    np.minimum.at(heard, accused[genuine], complaints.known[genuine])
    mule = activity.is_mule & people.is_own
    direct = mule & (heard < NEVER)
    found = mule & (rng.random(n) < config.found_share)
    wait = np.where(direct, np.exp(rng.normal(np.log(2.5), 1.0, n)), np.exp(rng.normal(np.log(11), 0.9, n)))
    known = np.where(direct, heard, activity.last) + (wait * DAY).astype(np.int64)
    known = np.maximum(known, activity.first + HOUR)
    source = np.where(direct, COMPLAINT, np.where(rng.random(n) < 0.5, POLICE, REVIEW))
    is_found = found & (known < rhythm.end)
    looked_at = rhythm.start + (rng.random(n) * (rhythm.end - rhythm.start)).astype(np.int64)
    looked_at = np.maximum(looked_at, np.maximum(people.opened_at, rhythm.start) + DAY)
    looked_at = np.where(~mule & (heard < NEVER), heard + (wait * DAY).astype(np.int64), looked_at)
    reviewed = people.is_own & (rng.random(n) < np.where(mule, 0.25, 1.0) * config.reviewed_share)
    reviewed &= ~is_found & (looked_at < rhythm.end)
    n_wrong = round(config.wrong_label_share * int(is_found.sum()))
    wrong = _innocents(rng, people, transfers, activity, n_wrong)
    wrong = wrong[looked_at[wrong] < rhythm.end]
    pending = direct & ~is_found & ~reviewed & (heard < rhythm.end)
    label = np.full(n, -1, np.int8)
    label[reviewed], label[pending], label[is_found], label[wrong] = NOT_MULE, UNKNOWN, MULE, MULE
    who = np.flatnonzero(label >= 0)
    is_mule_label = label[who] == MULE
    known = np.where(is_found, known, np.where(pending, heard, looked_at))[who]
    began, ended = _seen_activity(transfers, activity, who, known)
    return Labels(
        account=who,
        label=label[who],
        known=known,
        activity_start=np.where(is_mule_label, began, -1),
        activity_end=np.where(is_mule_label, ended, -1),
        source=np.where(is_mule_label | (label[who] == UNKNOWN), source[who], REVIEW).astype(np.int8),
        confidence=np.asarray(np.round(rng.uniform(0.5, 1.0, len(who)), 2), np.float64),
    )


def _innocents(rng: np.random.Generator, people: People, transfers: Columns, activity: Activity, n_wrong: int) -> Int64:
    """Return honest private accounts of ours, first of all those that a mule paid."""
    paid = np.isin(transfers["source"], np.flatnonzero(activity.is_mule))
    near = np.unique(transfers["target"][paid])
    pool = np.concatenate([near, np.unique(transfers["target"])])
    pool = pool[people.is_private[pool] & people.is_own[pool] & ~activity.is_mule[pool]]
    odds = np.exp(-np.arange(len(pool)) / max(len(near), 1)) if len(pool) else np.zeros(0)
    n_wrong = min(n_wrong, len(np.unique(pool)))
    chosen = rng.choice(len(pool), n_wrong, replace=False, p=odds / odds.sum()) if n_wrong else np.zeros(0, np.int64)
    return np.unique(pool[chosen]).astype(np.int64)


def _seen_activity(transfers: Columns, activity: Activity, who: Int64, known: Int64) -> tuple[Int64, Int64]:
    """Return first and last suspicious transfer as seen when the label was given.

    For a mule the illicit ones before `known`; for an innocent the last credit before it.
    """
    first, last = activity.first[who].copy(), np.minimum(activity.last[who], known)
    innocent = ~activity.is_mule[who]
    latest = np.full(len(activity.first), np.int64(-1))
    deadline = np.full(len(activity.first), np.int64(-1))
    deadline[who[innocent]] = known[innocent]
    target, moment = transfers["target"], transfers["time"]
    before = moment < deadline[target]
    np.maximum.at(latest, target[before], moment[before])
    seen = np.where(latest[who] >= 0, latest[who], known)
    return np.where(innocent, seen, first), np.where(innocent, seen, last)
