"""Place and logins against plain loops, and drawn by hand."""

from __future__ import annotations

import itertools
import math
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest
from known import Known, Row, moment_in, table_of
from strategies import transfers_table

from muledetect.clock import DAY, HOUR, MINUTE
from muledetect.features import logins, place
from muledetect.graph import build_graph
from muledetect.records import Dataset, read_dataset
from muledetect.testing import check_features, random_world

FEATURES = [place.co_located, place.common_terminal, logins.session_signs, logins.paid_from_new_device]
MONTH = 30 * DAY
PLACES = {"ip": "ip_hash", "wifi": "wifi_hash", "cell": "cell_id"}


def day_of(time: int) -> str:
    return datetime.fromtimestamp(time / 1e6, UTC).date().isoformat()


def co_located(known: Known, account: str) -> int:
    me, days = known.person(account), {}
    for mine in known.sessions_of(account, MONTH):
        for other in known.sessions:
            person = known.person(other["account_id"])
            for name in PLACES.values():
                if mine[name] and mine[name] == other[name] and day_of(mine["time"]) == day_of(other["time"]):
                    days.setdefault(person, set()).add(day_of(mine["time"]))
    return sum(len(found) >= 3 for person, found in days.items() if person != me)


def common_terminal(known: Known, account: str) -> int:
    me, begin = known.person(account), known.as_of - max(MONTH, known.tick)
    most = 0
    for use in known.transfers:
        if use["terminal_id"] and known.user(use) == account and use["time"] >= begin:
            near = [
                known.person(known.user(row))
                for row in known.transfers
                if row["terminal_id"] == use["terminal_id"] and abs(row["time"] - use["time"]) <= 30 * MINUTE
            ]
            most = max(most, len(set(near) - {me}))
    return most


def distance(here: Row, there: Row) -> float:
    """Along the great circle, by unit vectors."""
    x, y = (
        np.array([math.cos(p) * math.cos(q), math.cos(p) * math.sin(q), math.sin(p)])
        for p, q in ((math.radians(row["latitude"]), math.radians(row["longitude"])) for row in (here, there))
    )
    return 6371 * math.acos(min(1.0, float(x @ y)))


def jumps(known: Known, account: str) -> int:
    begin = known.as_of - max(MONTH, known.tick)
    placed: dict[int, list[Row]] = {}
    for row in known.sessions_of(account, 10**17):
        if row["latitude"] is not None and row["longitude"] is not None:
            placed.setdefault(row["time"], []).append(row)
    moments, found = sorted(placed), 0
    for before, now in itertools.pairwise(moments):
        nearest = min(distance(here, there) for here in placed[before] for there in placed[now])
        hours = (now - before + known.tick) / HOUR
        found += now >= begin and nearest > 50 and nearest / hours > 900
    return found


def share(hits: list[bool]) -> float:
    return sum(hits) / len(hits) if hits else math.nan


def paid_from_new_device(known: Known, account: str) -> float:
    logged = [row for row in known.sessions_of(account, 10**17) if row["device_hash"]]
    first = {}
    for row in logged:
        first.setdefault(row["device_hash"], row["time"])
    changes = [time for time in first.values() if time > min(first.values())]
    begin = known.as_of - max(MONTH, known.tick)
    paid = [row for row in known.transfers if row["source"] == account != row["target"] and row["time"] >= begin]
    after = [row["amount"] for row in paid if any(0 <= row["time"] - time <= DAY for time in changes)]
    total = sum(row["amount"] for row in paid)
    return sum(after) / total if total else math.nan


def oracle(known: Known, account: str) -> dict[str, float]:
    rows = known.sessions_of(account, MONTH)
    faces = [row["event"] == "face_fail" for row in rows if row["event"] in {"face_ok", "face_fail"}]
    return {
        "co_located": co_located(known, account),
        "common_terminal": common_terminal(known, account),
        "impossible_travel": jumps(known, account),
        "remote_share": share([bool(row["remote_access"]) for row in rows]),
        "emulator_share": share([bool(row["emulator"]) for row in rows]),
        "camera_share": share([bool(row["virtual_camera"]) for row in rows]),
        "face_fail_share": share(faces),
        "paid_from_new_device": paid_from_new_device(known, account),
    }


@pytest.mark.parametrize("part", range(4))
def test_place_and_logins_equal_their_oracle_in_random_worlds(part: int) -> None:
    n_met = 0
    for seed in range(part * 10, part * 10 + 10):
        dataset = read_dataset(random_world(seed), currency="THB")
        as_of = moment_in(dataset, seed)
        known, table = Known(dataset, as_of), table_of(dataset, as_of, FEATURES)
        expected = {account: oracle(known, account) for account in known.accounts}
        n_met += sum(row["co_located"] > 0 for row in expected.values())
        for name, values in table.items():
            wanted = [expected[account][name.removesuffix("__window_30d")] for account in values]
            np.testing.assert_allclose(list(values.values()), wanted, rtol=1e-12, err_msg=f"{name}, world {seed}")
    assert n_met > 0


@pytest.mark.slow
def test_features_of_place_obey_the_laws() -> None:
    check_features(FEATURES, n_worlds=8)


def drawn(rows: list[tuple[str, str, int, int]], terminals: list[str | None] | None = None, **sessions) -> Dataset:
    tables = {"transfers": transfers_table(rows)}
    if terminals:
        tables["transfers"] = tables["transfers"].append_column("terminal_id", pa.array(terminals))
    if sessions:
        times = pa.array(sessions.pop("time"), pa.int64()).cast(pa.timestamp("us", tz="UTC"))
        names = [str(n) for n in range(len(times))]
        tables["sessions"] = pa.table({"session_id": names, "time": times, **sessions})
    return read_dataset(tables, currency="THB", tick="1us")


def test_two_on_one_network_for_three_days_and_a_guest_of_two() -> None:
    # a and b are on network i on days 0, 1, 2; c on days 1 and 2. Before noon of day 2 nobody met on three days.
    who = [(day, account) for day, there in enumerate(("ab", "abc", "abc")) for account in there]
    dataset = drawn(
        [("a", "b", 0, 1), ("b", "c", 1, 1)],
        account_id=[account for _, account in who],
        time=[day * DAY + 12 * HOUR for day, _ in who],
        ip_hash=["i"] * len(who),
    )
    for as_of, expected in ((2 * DAY, {"a": 0, "b": 0, "c": 0}), (3 * DAY, {"a": 1, "b": 1, "c": 0})):
        assert table_of(dataset, as_of, [place.co_located])["co_located__window_30d"] == expected


def test_three_cards_at_one_machine_within_half_an_hour() -> None:
    # a, b and c draw cash at m at 0, 20 and 40 min: only b is within 30 min of both others. d is at another machine.
    # At 40 min c is not known yet, so b met a alone.
    rows = [("a", "z", 0, 1), ("b", "z", 20 * MINUTE, 1), ("c", "z", 40 * MINUTE, 1), ("d", "z", 20 * MINUTE, 1)]
    dataset = drawn(rows, ["m", "m", "m", "n"])
    for as_of, expected in ((40 * MINUTE, [1, 1, 0, 0]), (HOUR, [1, 2, 1, 0]), (2 * HOUR, [1, 2, 1, 0])):
        table = table_of(dataset, as_of, [place.common_terminal])["common_terminal__window_30d"]
        assert [table[account] for account in "abcd"] == expected


def test_nobody_flies_a_thousand_kilometres_in_an_hour_but_in_a_day() -> None:
    # nine degrees of latitude are 1,001 km: a needs an hour, b a day; c moves 1 km in a second, which is cells' noise
    dataset = drawn(
        [("a", "b", 0, 1), ("c", "b", 1, 1)],
        account_id=["a", "a", "b", "b", "c", "c"],
        time=[0, HOUR, 0, DAY, 0, 1_000_000],
        latitude=[0.0, 9.0, 0.0, 9.0, 0.0, 0.009],
        longitude=[0.0] * 6,
    )
    table = table_of(dataset, 2 * DAY, [logins.session_signs])
    assert table["impossible_travel__window_30d"] == {"a": 1, "b": 0, "c": 0}
    assert math.isnan(table["remote_share__window_30d"]["a"])


def test_money_that_left_just_after_a_change_of_device() -> None:
    # a logs in on 1 from the start and on 2 on day 10; pays 100 before, 300 an hour after, 100 two days after: 3 of 5
    rows = [("a", "b", DAY, 100), ("a", "b", 10 * DAY + HOUR, 300), ("a", "b", 12 * DAY, 100)]
    sessions = {"account_id": ["a"] * 3, "time": [0, 10 * DAY, 12 * DAY], "device_hash": ["1", "2", "1"]}
    table = table_of(drawn(rows, **sessions), 20 * DAY, [logins.paid_from_new_device])
    assert table["paid_from_new_device__window_30d"]["a"] == 0.6
    assert math.isnan(table["paid_from_new_device__window_30d"]["b"])


def test_without_tables_nothing_is_known() -> None:
    table = table_of(drawn([("a", "b", 0, 1)]), DAY, FEATURES)
    assert all(math.isnan(value) for values in table.values() for value in values.values())


@pytest.mark.parametrize("seed", range(4))
def test_a_graph_that_ends_before_the_tables_sees_the_same(seed: int) -> None:
    dataset = read_dataset(random_world(seed), currency="THB")
    as_of = moment_in(dataset, seed)
    whole = table_of(dataset, as_of, FEATURES)
    assert str(table_of(dataset, as_of, FEATURES, graph=build_graph(dataset).until(as_of))) == str(whole)
