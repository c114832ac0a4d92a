"""What an account case file says: facts of one account at a moment, gathered before anything is drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd


@dataclass(frozen=True, eq=False)
class AccountCase:
    """Everything that a case file of an account shows; suspicion, not a finding.

    Times are int64 microseconds since 1970 UTC, money int64 minor units; what is not known is None (in frames: null).

    Attributes
    ----------
    account_id : str
    as_of : int
        Exclusive moment of the case.
    currency : str
        ISO 4217 code of all money.
    minor_units : int
        An amount of 1.00 has so many.
    score : mapping
        `score`, `probability`, `rank`, `n_ranked`, `tier` as in schema.SCORES; None each where it was not scored.
    model : mapping
        `config_hash`, `target`, `pack`, `n_features`; empty where the model was not given.
    missing : sequence of str
        Tables of the contract that the data set does not have.
    account, holder : mapping
        The account's rows of tables accounts and holders, extra columns included; times as int; may be empty.
    reasons : sequence of mapping
        As schema.REASON_TYPE, raising first, but `text` by language, and `key_transfers`: ids of transfers that show
        it, the best first.
    period : tuple of int, optional
        First and last moment of the suspicious period.
    is_period_whole : bool
        Every transfer of the period is in `transfers`.
    transfers : pandas.DataFrame
        The account's transfers before `as_of`, by time: `transfer_id`, `time`, `is_credit`, `other` (account),
        `other_bank`, `amount`, `channel`, `balance` (after it, if stated), `relation` (of the other account: victim,
        inferred_victim, member, merchant ... or empty), `codes` (list of the reason codes that it shows),
        `traced_low`, `traced_high` (complaint money that it carried, over the methods), `terminal_id`, and the data
        set's extra columns. The latest `MOST_TRANSFERS`, and those of the period, that show reasons or that carried
        complaint money.
    n_transfers : int
        How many there are in all.
    victims : pandas.DataFrame
        Accounts that seem to have lost money to this one: `account_id`, `kind` ("confirmed" by a complaint known
        before `as_of`, or "inferred"), `complaint_ids` (list), `n_transfers`, `amount`, `first_time`, `last_time`,
        `scam_type`; complainants first, largest first, at most `MOST_VICTIMS`.
    n_victims : int
        How many there are in all.
    traces : pandas.DataFrame
        Complaint money that touched the account, one row a complaint: `complaint_id`, `scam_type`, `lost`, `in_low`,
        `in_high`, `out_low`, `out_high`, `here_low`, `here_high` (came in, went on, is still there: smallest and
        largest over the methods), `hold`, `shortfall`, `expires_at`; those with most money, at most `MOST_COMPLAINTS`.
    n_complaints : int
        How many there are in all.
    hold : int
        Proposed holds in this account, of all of them.
    by_method : pandas.DataFrame
        The same by method: `complaint_id`, `method`, `came_in`, `went_on`, `here`.
    recoverable : pandas.DataFrame
        Where the money of this account's complaints can be held now: `bank_id`, `n_accounts`, `hold`.
    ring : mapping
        `ring_id`, `role`, `layer`, `membership`, `is_seed`, `n_accounts`, `why` (sequence of mappings: `kind`, `other`,
        `weight`, `evidence`), `file` (its page); empty where the account is in no ring.
    exculpatory : sequence of mapping
        What speaks for the account beside the reasons that lower its score: `code`, `text` (language -> text).
    actions : sequence of mapping
        Suggested actions, the least intrusive first: `code`, `text` (language -> text).
    coercion : sequence of mapping
        Possible coercion indicators: `code`, `text` (language -> text).
    holds : sequence of mapping
        Holds in the bank's record, as `holds_of` gives them; None where no record was given.
    party : mapping
        The person or company behind the account, as `gather_parties` gives it; empty where nothing is known of one.
    """

    account_id: str
    as_of: int
    currency: str
    minor_units: int
    score: Mapping[str, Any]
    model: Mapping[str, Any]
    missing: Sequence[str]
    account: Mapping[str, Any]
    holder: Mapping[str, Any]
    reasons: Sequence[Mapping[str, Any]]
    period: tuple[int, int] | None
    is_period_whole: bool
    transfers: pd.DataFrame
    n_transfers: int
    victims: pd.DataFrame
    n_victims: int
    traces: pd.DataFrame
    n_complaints: int
    hold: int
    by_method: pd.DataFrame
    recoverable: pd.DataFrame
    ring: Mapping[str, Any]
    exculpatory: Sequence[Mapping[str, Any]]
    actions: Sequence[Mapping[str, Any]]
    coercion: Sequence[Mapping[str, Any]]
    holds: Sequence[Mapping[str, Any]] | None = None
    party: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        tier, n = self.score.get("tier"), len(self.reasons)
        return f"AccountCase(tier {tier}, {n:,} reasons, {self.n_transfers:,} transfers, {len(self.victims):,} victims)"
