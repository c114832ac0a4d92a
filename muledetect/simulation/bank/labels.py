"""What investigations find out about accounts: late, incomplete, and sometimes wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from muledetect.clock import DAY, HOUR
from muledetect.simulation.bank.complaints import WITHDRAWN, Complaints
from muledetect.simulation.config import WorldConfig
from muledetect.simulation.crime import Crime, members
from muledetect.simulation.people import CODE, FIRST_BUSINESS, NEVER, People
from muledetect.simulation.plan import NORMAL, SPEND, TEST, Columns
from muledetect.simulation.rhythm import Rhythm
from muledetect.simulation.streams import Bool, Float64, Int8, Int64, stream

#: Codes of `Labels.label` and `Labels.source`.
LABELS: Final = ("mule", "not_mule", "unknown")
MULE, NOT_MULE, UNKNOWN = range(3)
SOURCES: Final = ("complaint", "police", "review")
COMPLAINT, POLICE, REVIEW = range(3)
#: The kinds of transfer that do not make an account a mule in truth.
_UNTAINTED: Final = (TEST, SPEND, NORMAL)
#: Personas that may be accused without cause: people and shopkeepers.
_ACCUSED: Final = (*range(FIRST_BUSINESS), CODE["shop"])


@dataclass(frozen=True, slots=True)
class Activity:
    """Illicit life in truth, by account: first and last illicit transfer (int64, us; NEVER and -1 for none)."""

    first: Int64
    last: Int64

    @property
    def is_mule(self) -> Bool:
        """Accounts through which illicit money really went."""
        return self.last >= 0


@dataclass(frozen=True, slots=True)
class Labels:
    """One row an account of ours that has a label by the world's end, sorted by account.

    Attributes
    ----------
    account : int64[n]
        The account, each once.
    label : int8[n]
        Position in `LABELS`.
    known : int64[n]
        When the bank knew it (us, UTC), before the world's end.
    activity_start, activity_end : int64[n]
        First and last transfer held to be illicit (us, UTC), before `known`; -1 unless the label is `mule`.
    source : int8[n]
        Position in `SOURCES`.
    confidence : float64[n]
        0.5 to 1.
    """

    account: Int64
    label: Int8
    known: Int64
    activity_start: Int64
    activity_end: Int64
    source: Int8
    confidence: Float64


def illicit_activity(illicit: Columns, crime: Crime, n_accounts: int, end: int) -> Activity:
    """Return when illicit money went through each account that a ring uses, before `end`.

    Victims and shops are no mules; tests and what is spent from the skim do not make one either.
    """
    first, last = np.full(n_accounts, NEVER), np.full(n_accounts, np.int64(-1))
    recruited = np.zeros(n_accounts, bool)
    recruited[members(crime)] = True
    dirty = ~np.isin(illicit["kind"], _UNTAINTED) & (illicit["time"] < end)
    for side in ("source", "target"):
        rows = np.flatnonzero(dirty)[recruited[illicit[side][dirty]]]
        np.minimum.at(first, illicit[side][rows], illicit["time"][rows])
        np.maximum.at(last, illicit[side][rows], illicit["time"][rows])
    return Activity(first, last)


def investigate(
    config: WorldConfig, people: People, rhythm: Rhythm, illicit: Columns, complaints: Complaints, activity: Activity
) -> Labels:
    """Return the labels of our accounts that are known before the world's end.

    A complaint about an account leads to it within days; mules further down the trail are found later, some by the
    police, many never. Honest accounts are `not_mule` where the bank has reviewed them; a few that a mule paid, or
    about which somebody complained, are wrongly accused. An account that is under complaint but not yet decided is
    `unknown`.
    """
    rng = stream(config.seed, "labels")
    n = len(people.persona)
    mule = activity.is_mule & people.is_own
    heard, disputed = _heard(n, complaints, true=True), _heard(n, complaints, true=False)
    direct = mule & (heard < NEVER)
    wait_days = np.where(direct, np.exp(rng.normal(np.log(2.5), 1.0, n)), np.exp(rng.normal(np.log(11), 0.9, n)))
    wait = (wait_days * DAY).astype(np.int64)
    known = np.maximum(np.where(direct, heard, activity.last) + wait, activity.first + HOUR)
    is_found = mule & (rng.random(n) < config.found_share) & (known < rhythm.end)
    source = np.where(direct, COMPLAINT, np.where(rng.random(n) < 0.5, POLICE, REVIEW))

    looked_at = rhythm.start + (rng.random(n) * (rhythm.end - rhythm.start)).astype(np.int64)
    looked_at = np.maximum(looked_at, np.maximum(people.opened_at, rhythm.start) + DAY)
    looked_at = np.where(~mule & (disputed < NEVER), np.minimum(disputed, rhythm.end) + wait, looked_at)
    # Investigators clear some mules, too.
    reviewed = people.is_own & (rng.random(n) < np.where(mule, 0.25, 1.0) * config.reviewed_share)
    reviewed &= ~is_found & (looked_at < rhythm.end)
    pending = people.is_own & ~is_found & ~reviewed & (np.minimum(heard, disputed) < rhythm.end)

    label = np.full(n, -1, np.int8)
    label[reviewed], label[pending], label[is_found] = NOT_MULE, UNKNOWN, MULE
    known = np.where(is_found, known, np.where(pending, np.minimum(heard, disputed), looked_at))
    began, ended = activity.first.copy(), np.minimum(activity.last, known - 1)
    wrong = _accused(config, people, rhythm, rng, illicit, complaints, activity, int(is_found.sum()))
    label[wrong.account], known[wrong.account], source[wrong.account] = MULE, wrong.known, wrong.source
    began[wrong.account] = ended[wrong.account] = wrong.time
    return _labels(rng, label, known, began, ended, source)


def _labels(rng: np.random.Generator, label: Int8, known: Int64, began: Int64, ended: Int64, source: Int64) -> Labels:
    who = np.flatnonzero(label >= 0)
    is_accused = label[who] == MULE
    return Labels(
        account=who,
        label=label[who],
        known=known[who],
        activity_start=np.where(is_accused, began[who], -1),
        activity_end=np.where(is_accused, ended[who], -1),
        source=np.where(label[who] == NOT_MULE, REVIEW, source[who]).astype(np.int8),
        confidence=np.asarray(np.round(rng.uniform(0.5, 1.0, len(who)), 2), np.float64),
    )


def _heard(n_accounts: int, complaints: Complaints, true: bool) -> Int64:
    """Return when the bank first heard of each account in complaints that stand, true or wrong ones; else NEVER."""
    heard = np.full(n_accounts, NEVER)
    rows = (complaints.status != WITHDRAWN) & ((complaints.case >= 0) == true)
    np.minimum.at(heard, complaints.target[rows], complaints.known[rows])
    return heard


@dataclass(frozen=True, slots=True)
class _Accused:
    """Innocent accounts, each once: the transfer (its time) that was held against them, and when."""

    account: Int64
    time: Int64
    known: Int64
    source: Int64


def _accused(
    config: WorldConfig, people: People, rhythm: Rhythm, rng: np.random.Generator, illicit: Columns,
    complaints: Complaints, activity: Activity, n_found: int,
) -> _Accused:  # fmt: skip
    """Draw innocents among those whom a mule paid (shopkeepers too) and those in a wrong complaint.

    Fewer than the config's share where a world has too few of them.
    """
    disputed = np.flatnonzero(complaints.case < 0)
    paid = np.flatnonzero(activity.is_mule[illicit["source"]])
    account = np.concatenate([complaints.target[disputed], illicit["target"][paid].astype(np.int64)])
    moment = np.concatenate([complaints.time[disputed], illicit["time"][paid]])
    wait = (np.exp(rng.normal(np.log(8), 0.9, len(account))) * DAY).astype(np.int64)
    known = np.concatenate([complaints.known[disputed], illicit["time"][paid]]) + wait
    source = np.repeat([COMPLAINT, POLICE], [len(disputed), len(paid)])
    may_be = np.isin(people.persona, _ACCUSED) & people.is_own & ~activity.is_mule
    able = np.flatnonzero(may_be[account] & (known < rhythm.end))
    # In random order, and each account once.
    able = rng.permutation(able)
    able = able[np.sort(np.unique(account[able], return_index=True)[1])]
    chosen = able[: int(config.wrong_label_share * n_found + rng.random())]
    return _Accused(account[chosen], moment[chosen], known[chosen], source[chosen])
