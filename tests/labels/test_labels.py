from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from muledetect.clock import DAY, parse_time
from muledetect.errors import DataError, OptionError
from muledetect.graph import Points, TransferGraph, graph_from_records
from muledetect.labels import (
    account_groups,
    component_groups,
    describe_targets,
    every_account,
    find_targets,
    points_of,
    read_findings,
    ring_groups,
    split_by_group,
    split_by_time,
)
from muledetect.labels.targets import drop_unripe
from muledetect.memory import HEAP

TIME = pa.timestamp("us", tz="UTC")


def graph() -> TransferGraph:
    # a pays b on 1 Jan and 20 Feb; c pays d on 1 Mar; the data end on 1 Mar + one tick of a day
    return graph_from_records(
        [("a", "b", "2025-01-01", 100), ("a", "b", "2025-02-20", 100), ("c", "d", "2025-03-01", 100)], tick=DAY
    )


def dataset(drawn: TransferGraph, **tables: dict[str, list[Any]]) -> Any:
    read = {}
    for name, columns in tables.items():
        arrays = {
            key: pa.array([None if v is None else parse_time(v) for v in values], pa.int64()).cast(TIME)
            if key in ("activity_start", "activity_end", "known_ts")
            else pa.array(values)
            for key, values in columns.items()
        }
        read[name] = pa.table(arrays)
    return SimpleNamespace(tables=read, account_ids=drawn.account_ids, room=HEAP)


def mule(**spell: str | None) -> Any:
    spell = {"activity_start": "2025-02-01", "activity_end": "2025-02-10", "known_ts": "2025-02-15", **spell}
    row = {key: [value, None] for key, value in spell.items()}
    return dataset(graph(), labels={"account_id": ["a", "b"], "label": ["mule", "not_mule"], **row})


def target_of_a(as_of: str, given: Any = None, **options: Any) -> float:
    drawn = graph()
    return float(find_targets(given or mule(), drawn, points_of(drawn, ["a"], as_of), **options)[0])


def test_ever_counts_activity_that_started_strictly_before_the_point() -> None:
    assert target_of_a("2025-02-01", target="ever") == 0.0
    assert target_of_a("2025-02-02", target="ever") == 1.0


@pytest.mark.parametrize(
    ("as_of", "wanted"),
    [
        ("2025-01-24", 0.0),  # the horizon ends on 31 Jan, a day before the first illicit transfer
        ("2025-01-25", 1.0),  # ... on 1 Feb, inclusive
        ("2025-02-16", 1.0),  # recent begins after 9 Feb: the last illicit transfer of 10 Feb is inside
        ("2025-02-17", np.nan),  # ... after 10 Feb: outside, and 17 Feb + 7 d + 30 d lies beyond the data
    ],
)
def test_active_looks_at_the_interval_open_on_the_left(as_of: str, wanted: float) -> None:
    np.testing.assert_equal(target_of_a(as_of, target="active"), wanted)


def test_a_negative_is_believed_only_once_its_label_had_time_to_mature() -> None:
    drawn = graph()
    days = ["2025-01-23", "2025-01-24"]  # + 7 d + 30 d = 1 Mar and 2 Mar; the data end on 2 Mar
    found = [find_targets(mule(), drawn, points_of(drawn, ["b"], day))[0] for day in [*days, "2025-01-25"]]
    np.testing.assert_equal(found, [0.0, 0.0, np.nan])


def test_no_maturity_is_asked_of_ever() -> None:
    drawn = graph()
    assert find_targets(mule(), drawn, points_of(drawn, ["b"], "2025-03-02"), target="ever")[0] == 0.0


def test_an_unlabelled_account_is_unknown_unless_labels_are_complete() -> None:
    drawn = graph()
    point = points_of(drawn, ["c"], "2025-03-02")
    assert np.isnan(find_targets(mule(), drawn, point, target="ever")[0])
    assert find_targets(mule(), drawn, point, target="ever", unlabelled="negative")[0] == 0.0


def test_a_label_of_unknown_is_used_neither_way() -> None:
    drawn = graph()
    given = dataset(drawn, labels={"account_id": ["a"], "label": ["unknown"]})
    found = find_targets(given, drawn, points_of(drawn, ["a"], "2025-03-02"), target="ever", unlabelled="negative")
    assert np.isnan(found[0])


def test_a_finding_that_was_not_known_yet_is_left_out() -> None:
    assert np.isnan(target_of_a("2025-02-14", target="ever", known_by="2025-02-14"))
    assert target_of_a("2025-02-14", target="ever", known_by="2025-02-15") == 1.0


def test_a_later_finding_replaces_an_earlier_one() -> None:
    drawn = graph()
    labels = {
        "account_id": ["a", "a"],
        "label": ["mule", "not_mule"],
        "known_ts": ["2025-02-01", "2025-02-20"],
        "activity_start": ["2025-01-01", None],
        "activity_end": ["2025-01-02", None],
    }
    point = points_of(drawn, ["a"], "2025-02-25")
    assert find_targets(dataset(drawn, labels=labels), drawn, point, target="ever")[0] == 0.0
    assert find_targets(dataset(drawn, labels=labels), drawn, point, target="ever", known_by="2025-02-10")[0] == 1.0


def test_every_spell_of_an_account_counts() -> None:
    drawn = graph()
    labels = {
        "account_id": ["a", "a"],
        "label": ["mule", "mule"],
        "activity_start": ["2025-01-01", "2025-02-01"],
        "activity_end": ["2025-01-02", "2025-02-02"],
    }
    days = ["2025-01-05", "2025-01-15", "2025-01-30"]
    found = [find_targets(dataset(drawn, labels=labels), drawn, points_of(drawn, ["a"], day))[0] for day in days]
    np.testing.assert_equal(found, [1.0, 0.0, 1.0])


def test_first_and_last_transfer_stand_in_for_missing_times_and_that_is_told() -> None:
    drawn = graph()
    given = mule(activity_start=None, activity_end=None, known_ts=None)
    findings = read_findings(given, drawn, known_by="2025-03-02")
    assert findings.start.tolist() == [parse_time("2025-01-01")]
    assert findings.end.tolist() == [parse_time("2025-02-20")]
    assert "stand in" in " ".join(describe_targets(findings, np.array([1.0])))
    assert target_of_a("2025-01-01", given, target="ever") == 0.0
    assert target_of_a("2025-01-02", given, target="ever") == 1.0


def test_a_stand_in_never_turns_a_spell_round() -> None:
    # only the end is known, and it lies before the first transfer on record
    findings = read_findings(mule(activity_start=None, activity_end="2024-12-01"), graph(), known_by="2025-03-02")
    assert findings.start.tolist() == findings.end.tolist() == [parse_time("2024-12-01")]


def test_a_mule_without_times_and_transfers_is_unknown() -> None:
    drawn = graph()
    drawn = TransferGraph(
        **{
            **drawn.__dict__,
            "account_ids": pa.array(["a", "b", "c", "d", "e"]),
            "outgoing": drawn.outgoing._replace(
                start=np.append(drawn.outgoing.start, 0), stop=np.append(drawn.outgoing.stop, 0)
            ),
            "incoming": drawn.incoming._replace(
                start=np.append(drawn.incoming.start, 0), stop=np.append(drawn.incoming.stop, 0)
            ),
        }
    )
    given = dataset(drawn, labels={"account_id": ["e"], "label": ["mule"]})
    assert np.isnan(find_targets(given, drawn, points_of(drawn, ["e"], "2025-03-01"), target="ever")[0])
    assert read_findings(given, drawn, known_by="2025-03-02").n_without_transfers == 1


def test_an_unknown_account_has_an_unknown_target() -> None:
    drawn = graph()
    point = points_of(drawn, ["nobody"], "2025-03-02")
    assert point.account.tolist() == [-1]
    assert np.isnan(find_targets(mule(), drawn, point, target="ever", unlabelled="negative")[0])


def test_labels_are_required_and_options_are_checked() -> None:
    drawn = graph()
    point = points_of(drawn, ["a"], "2025-03-02")
    with pytest.raises(DataError, match="labels: the data set has none"):
        find_targets(dataset(drawn), drawn, point)
    with pytest.raises(OptionError, match="must be one of active, ever"):
        find_targets(mule(), drawn, point, target="sometimes")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="'horizon'"):
        find_targets(mule(), drawn, point, horizon="soon")
    assert find_targets(mule(), drawn, points_of(drawn, ["b"], "2025-02-28"), horizon="0d", maturity="0d")[0] == 0.0


def test_every_account_is_every_own_account_at_each_moment() -> None:
    drawn = graph()
    assert every_account(drawn, "2025-01-01").account.tolist() == [0, 1, 2, 3]
    given = dataset(drawn, accounts={"account_id": ["d", "b", "a"], "is_own": [True, None, False]})
    points = every_account(given, ["2025-01-01", "2025-01-02"])
    assert points.account.tolist() == [1, 3, 1, 3]
    assert points.as_of.tolist() == [parse_time("2025-01-01")] * 2 + [parse_time("2025-01-02")] * 2
    with pytest.raises(DataError, match="'is_own' is false in all"):
        every_account(dataset(drawn, accounts={"account_id": ["a"], "is_own": [False]}), "2025-01-01")


def test_rings_and_holders_join_accounts_in_turn() -> None:
    drawn = graph()
    # ring 1 = a, b; b and c have one holder; d is alone
    given = dataset(
        drawn,
        truth_rings={"ring_id": ["1", "1"], "account_id": ["a", "b"]},
        accounts={"account_id": ["a", "b", "c", "d"], "holder_id": [None, "h", "h", None]},
    )
    group = ring_groups(given, points_of(drawn, ["a", "b", "c", "d", "nobody"], "2025-01-01"))
    assert group[0] == group[1] == group[2] != group[3]
    assert group[4] == -1


def test_devices_join_accounts_through_sessions_transfers_and_the_holders_of_identifiers() -> None:
    drawn = graph()
    # session: a on x; identifiers: holder h (accounts b and c) on x, account c on y; transfer paid by d on y
    given = dataset(
        drawn,
        sessions={"account_id": ["a", "d"], "device_hash": ["x", None]},
        identifiers={
            "entity_id": ["h", "c", "d"],
            "kind": ["device", "device", "phone"],
            "value_hash": ["x", "y", "x"],
        },
        accounts={"account_id": ["a", "b", "c", "d"], "holder_id": [None, "h", "h", None]},
    )
    assert component_groups(given, by=("device",)).tolist() == [
        0,
        0,
        0,
        1,
    ]  # d was not seen on y; its phone is no device
    given.tables["transfers"] = pa.table({"source": ["d"], "target": ["a"], "device_hash": ["y"]})
    assert component_groups(given, by=("device",)).tolist() == [0, 0, 0, 0]
    assert component_groups(given, by=("holder",)).tolist() == account_groups(given).tolist() == [0, 1, 1, 2]


def test_a_device_of_too_many_people_joins_nobody() -> None:
    drawn = graph()
    # b and c are one person, so three people of four accounts used the device
    given = dataset(
        drawn,
        sessions={"account_id": ["a", "b", "c", "d"], "device_hash": ["x"] * 4},
        accounts={"account_id": ["a", "b", "c", "d"], "holder_id": [None, "h", "h", None]},
    )
    assert component_groups(given, by=("device",), max_holders=3).tolist() == [0, 0, 0, 0]
    assert component_groups(given, by=("device",), max_holders=2).tolist() == [0, 1, 2, 3]


def test_what_joins_accounts_is_checked() -> None:
    with pytest.raises(OptionError, match="'by' must be of ring, holder, device; got branch"):
        component_groups(dataset(graph()), by=("branch",))  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="'max_holders' must be 1 or more"):
        component_groups(dataset(graph()), max_holders=0)


def test_groups_are_accounts_where_nothing_joins_them() -> None:
    drawn = graph()
    assert len(set(ring_groups(dataset(drawn), every_account(drawn, "2025-01-01")).tolist())) == 4


def test_training_ends_an_embargo_before_the_test_period() -> None:
    days = np.array([parse_time(f"2025-01-{day:02d}") for day in (1, 10, 11, 20)])
    is_train, is_test = split_by_time(days, test_from="2025-01-20", embargo="10d")
    assert is_train.tolist() == [True, True, False, False]
    assert is_test.tolist() == [False, False, False, True]
    assert split_by_time(days, test_from="2025-01-20", embargo="0d")[0].tolist() == [True, True, True, False]
    with pytest.raises(DataError, match="0 training"):
        split_by_time(days, test_from="2025-01-05", embargo="30d")


def test_a_group_lies_on_one_side() -> None:
    groups = np.repeat(np.arange(20), 3)
    first, second = split_by_group(groups, share=0.25, seed=4)
    assert len(np.unique(groups[second])) == 5
    assert not set(groups[first]) & set(groups[second])
    assert (first ^ second).all()
    with pytest.raises(OptionError, match="between 0 and 1"):
        split_by_group(groups, share=1.0)


def test_moments_at_which_only_mules_are_known_are_left_out() -> None:
    day = np.array([1, 1, 2, 2, 3])
    points = Points(np.array([0, 1, 0, 1, 0], np.int32), day * DAY)
    kept, y, notes = drop_unripe(points, np.array([0.0, 1.0, 1.0, 1.0, 0.0]))
    assert kept.as_of.tolist() == [DAY, DAY, 3 * DAY]
    assert y.tolist() == [0.0, 1.0, 0.0]
    assert "1 of 3 moments" in notes[0]
    assert "2 points" in notes[0]
    # nothing would be left
    assert len(drop_unripe(points, np.ones(5))[0]) == 5
