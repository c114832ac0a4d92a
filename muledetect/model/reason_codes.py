"""Typology codes: which columns speak of the same behaviour, and what a code says for or against an account.

>>> code_of("quick_pass__within_1h__window_7d"), code_of("dwell_median__window_7d")
('PASS_THROUGH', 'PASS_THROUGH')
>>> code_of("staff_rating")
'STAFF_RATING'
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from muledetect.errors import FeatureError
from muledetect.features import Registry, registry


class Typology(NamedTuple):
    """A behaviour that several columns measure.

    The sentences hold whichever way a column points: a score may rise with a small number as well as with a large one.

    Attributes
    ----------
    raises, lowers : str
        What a positive and a negative contribution of the behaviour means.
    columns : tuple of str
        Columns of features without their parameters.
    """

    raises: str
    lowers: str
    columns: tuple[str, ...]


#: Every typology by its code.
TYPOLOGIES: Final[Mapping[str, Typology]] = MappingProxyType({
    "PASS_THROUGH": Typology(
        "Received money leaves again as it does from mules.",
        "Money rests on the account, or leaves, as on ordinary accounts.",
        (
            "pass_through", "quick_pass", "dwell_median", "dwell_p90", "retained_mean", "retained_spread",
            "follow_up_median", "followed_share", "peak_through_amount", "since_peak_through_amount",
            "turnover_over_range", "turnover_over_balance", "in_before_out", "out_share", "out_relayed",
            "out_relay_dwell", "out_credit_used",
        ),
    ),
    "COLLECT_AND_SWEEP": Typology(
        "Credits are gathered and swept away as mules do.",
        "Credits are gathered and spent as on ordinary accounts.",
        ("zero_sweep", "credits_before_largest_debit", "largest_debit_share"),
    ),
    "FAN_IN": Typology(
        "Money comes from as many payers at a time as to mules.",
        "Money comes from as many payers as to ordinary accounts.",
        (
            "in_counterparties", "in_entropy", "in_top_share", "peak_in_counterparties",
            "since_peak_in_counterparties", "in_most_payers",
        ),
    ),
    "FAN_OUT": Typology(
        "Money goes to as many payees at a time as from mules.",
        "Money goes to as many payees as from ordinary accounts.",
        (
            "out_counterparties", "out_entropy", "out_top_share", "peak_out_counterparties",
            "since_peak_out_counterparties", "out_most_payees", "out_gather_scatter",
        ),
    ),
    "NEW_COUNTERPARTIES": Typology(
        "Its counterparties are as new to it as those of mules.",
        "It has a history with its counterparties as ordinary accounts have.",
        (
            "in_new_counterparties", "in_new_share", "in_one_off", "in_one_off_share", "in_stranger",
            "out_new_counterparties", "out_new_share", "out_one_off", "out_one_off_share", "out_stranger",
            "returned_share",
        ),
    ),
    "UNUSUAL_VOLUME": Typology(
        "It moves amounts or numbers of transfers as mules do.",
        "It moves amounts or numbers of transfers as ordinary accounts do.",
        (
            "in_count", "out_count", "in_amount", "out_amount", "in_mean", "out_mean", "in_max", "out_max",
            "peak_in_count", "peak_out_count", "peak_in_amount", "peak_out_amount",
        ),
    ),
    "SUDDEN_CHANGE": Typology(
        "Its activity changed against its own past as that of mules does.",
        "Its activity goes on as before, as that of ordinary accounts does.",
        (
            "in_burst", "out_burst", "in_amount_burst", "out_amount_burst", "in_amount_change", "out_amount_change",
            "in_recent_share", "out_recent_share", "out_above_habit", "since_peak_in_count", "since_peak_out_count",
            "since_peak_in_amount", "since_peak_out_amount",
        ),
    ),
    "RHYTHM": Typology(
        "It moves money at times as mules do.",
        "It moves money at times as ordinary accounts do.",
        (
            "in_gap_median", "in_gap_variation", "out_gap_median", "out_gap_variation", "busy_days", "since_last_in",
            "since_last_out",
        ),
    ),
    "DORMANT_WAKE_UP": Typology(
        "It was silent and woke up as mules do.",
        "Its silences are those of ordinary accounts.",
        ("sleep", "wake_up", "longest_sleep"),
    ),
    "NEW_ACCOUNT": Typology(
        "It is of an age at which mules are common.",
        "It is of an age at which mules are rare.",
        ("account_age", "since_first", "active_span"),
    ),
    "TEST_PAYMENT": Typology(
        "Its first large credit came as it does to mules, after a test or nothing.",
        "Its first large credit came as it does to ordinary accounts.",
        ("micro_test", "in_jump"),
    ),
    "SIMILAR_AMOUNTS": Typology(
        "Its amounts resemble each other as those of mules do.",
        "Its amounts differ as those of ordinary accounts do.",
        (
            "in_similar", "in_similar_share", "in_repeated_share", "out_similar", "out_similar_share",
            "out_repeated_share",
        ),
    ),
    "ROUND_AMOUNTS": Typology(
        "Its amounts are round as often as those of mules.",
        "Its amounts are round as often as those of ordinary accounts.",
        ("in_round_share", "out_round_share"),
    ),
    "UNDER_THRESHOLD": Typology(
        "Its amounts keep under a threshold or limit as those of mules do.",
        "Its amounts keep to no threshold, as those of ordinary accounts do.",
        ("in_below", "out_below", "below_count", "limit_hugging", "own_limit_hugging"),
    ),
    "NIGHT": Typology(
        "It moves money by night as often as mules do.",
        "It moves money by day and by night as ordinary accounts do.",
        ("night_share", "night_change"),
    ),
    "VICTIM_MONEY": Typology(
        "Its money is near to likely victims, or its payers act as victims do, as with mules.",
        "Its payers act as those of ordinary accounts do.",
        (
            "in_victim_share", "in_victims", "in_tier", "in_above_habit", "in_drained", "in_payer_idle",
            "out_victim_share", "out_tier",
        ),
    ),
    "RELAY_CHAIN": Typology(
        "Its money came or went on over several accounts as that of mules does.",
        "Its money comes and goes over no more accounts than that of ordinary accounts.",
        (
            "in_relayed", "in_chain_depth", "in_origins", "out_chain_depth", "out_origins", "hop2_in_share",
            "hop2_in_ends", "hop3_in_share", "hop3_in_ends", "hop3_in_fastest", "hop2_out_share", "hop2_out_ends",
            "hop3_out_share", "hop3_out_ends", "hop3_out_fastest", "out_exited", "is_hop_cut",
        ),
    ),
    "CYCLE": Typology(
        "Its money goes round in cycles as that of mules does.",
        "Its money goes round no more than that of ordinary accounts.",
        ("in_cycle", "out_cycle", "out_returned"),
    ),
    "SCATTER_GATHER": Typology(
        "Its money is scattered and gathered over several accounts as that of mules is.",
        "Its money is scattered and gathered no more than that of ordinary accounts.",
        (
            "in_scatter_gather", "in_bipartite", "in_payer_fan", "out_scatter_gather", "out_bipartite", "out_stack",
        ),
    ),
    "SHARED_IDENTITY": Typology(
        "It shares devices, contacts or networks with other holders as mules do.",
        "It shares devices, contacts and networks as ordinary accounts do.",
        ("device_sharers", "contact_sharers", "network_sharers", "out_device_others"),
    ),
    "NEW_DEVICE": Typology(
        "It is used from devices or networks as those of mules are.",
        "It is used from devices and networks as ordinary accounts are.",
        ("newest_device_age", "own_devices", "own_networks", "paid_from_new_device", "out_new_device"),
    ),
    "OPENED_IN_BATCH": Typology(
        "It was opened beside other accounts as those of mules are.",
        "It was opened as ordinary accounts are.",
        ("holder_accounts", "batch_openings", "batch_sharers"),
    ),
    "SHARED_PLACE": Typology(
        "It is used in the same places and at the same times as other accounts, as mules are.",
        "It is used in places as ordinary accounts are.",
        ("co_located", "common_terminal", "out_terminal_others"),
    ),
    "REMOTE_CONTROL": Typology(
        "Its sessions look as if another person held it, as those of mules do.",
        "Its sessions look like those of ordinary accounts.",
        ("impossible_travel", "remote_share", "emulator_share", "camera_share", "face_fail_share"),
    ),
    "COMPLAINTS": Typology(
        "Complaints name its transfers, or those before them, as they name those of mules.",
        "Complaints name its transfers no more than those of ordinary accounts.",
        (
            "complained_credits", "complained_share", "relayed_complained_share", "complained_payees",
            "relayed_twice_share",
        ),
    ),
    "WATCH_LIST": Typology(
        "It, or who deals with it, is on watch lists as mules are.",
        "It is no nearer to watch lists than ordinary accounts are.",
        ("is_listed", "listed_share", "is_near_listed"),
    ),
    "KNOWN_MULES_NEARBY": Typology(
        "It deals with known mules, or with those near to them, as mules do.",
        "It is no nearer to known mules than ordinary accounts are.",
        (
            "in_mule_share", "out_mule_share", "in_mule_proximity", "out_mule_proximity", "known_mules_met",
            "mule_path_seconds", "is_proximity_cut",
        ),
    ),
    "NEIGHBOURS_PASS_ON": Typology(
        "Its counterparties pass money on as those of mules do.",
        "Its counterparties pass money on as those of ordinary accounts do.",
        (
            "in_others_pass", "in_others_quick", "in_beyond_pass", "in_beyond_quick", "out_others_pass",
            "out_others_quick", "out_beyond_pass", "out_beyond_quick",
        ),
    ),
    "NEIGHBOURS_UNUSUAL": Typology(
        "Its counterparties have dealings as those of mules have.",
        "Its counterparties have dealings as those of ordinary accounts have.",
        (
            "in_others_payers", "in_others_payees", "in_others_burst", "in_others_age", "in_others_most_payees",
            "in_others_alike", "out_others_payers", "out_others_payees", "out_others_burst", "out_others_age",
            "out_others_most_payers", "out_others_alike",
        ),
    ),
})  # fmt: skip

_CODE_OF: Final[Mapping[str, str]] = MappingProxyType(
    {column: code for code, typology in TYPOLOGIES.items() for column in typology.columns}
)


def code_of(name: str, features: Registry | None = None) -> str:
    """Return the typology code of a column of features, with or without its parameters.

    Parameters
    ----------
    name : str
    features : Registry, optional
        Where features of others are registered; default: the built-in ones.

    Returns
    -------
    str
        The code of a built-in column; for another registered feature its family in capitals; for a column that the
        registry does not know, such as a bank's own, its own name in capitals, without parameters.
    """
    base = name.split("__", maxsplit=1)[0] or name
    if base in _CODE_OF:
        return _CODE_OF[base]
    known = features or registry()
    try:
        return known.features[known.parse(name).feature].family.upper()
    except FeatureError:
        return base.upper()
