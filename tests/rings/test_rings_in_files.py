"""With a limit of memory rings are the same: what has a row a transfer lies in files and is worked on in pieces."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pyarrow as pa
import pytest

import muledetect as md
from muledetect.facts import Snapshot
from muledetect.memory import Room
from muledetect.records import Dataset
from muledetect.rings import find_rings
from muledetect.rings.sharing import IN_SESSIONS, Uses, find_uses

AS_OF = "2025-02-25"


@pytest.fixture(scope="module")
def bank() -> Dataset:
    return md.simulate(preset="small", n_accounts=1_500, n_days=60, mule_share=0.03, seed=5)


def scores_of(bank: Dataset) -> pa.Table:
    """Return scores that are wrong about a fifth of the mules and about one in fifty of the others."""
    random = np.random.default_rng(1)
    mules = set(bank.tables["truth_rings"]["account_id"].to_pylist())
    ids = bank.account_ids.to_pylist()
    score = [0.6 if random.random() < (0.8 if name in mules else 0.02) else 0.01 for name in ids]
    return pa.table({"account_id": ids, "score": score, "probability": score})


def test_rings_are_the_same_in_files_and_in_pieces(bank: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = scores_of(bank)
    whole = find_rings(Snapshot(bank, AS_OF), scores, min_precision=0)
    assert whole.rings.num_rows > 3
    for module in ("muledetect.arrays", "muledetect.rings.money", "muledetect.rings.payments"):
        monkeypatch.setattr(f"{module}.PIECE", 700)
    limited = find_rings(Snapshot(replace(bank, room=Room(10**9, least=0)), AS_OF), scores, min_precision=0)
    for field in fields(whole):
        assert getattr(limited, field.name) == getattr(whole, field.name), field.name


def groups_of(uses: Uses, accounts: np.ndarray) -> dict[tuple[tuple[int, ...], str], list[tuple[float, int, int]]]:
    """Return what is known of each group, by its accounts and what they used."""
    found = {}
    for number in np.unique(uses.group):
        rows = np.flatnonzero(uses.group == number)
        key = (tuple(accounts[uses.account[rows]].tolist()), uses.value[int(rows[0])].as_py())
        columns = (uses.rarity, uses.first_time, uses.last_time)
        found[key] = list(zip(*(column[rows].tolist() for column in columns), strict=True))
    return found


@pytest.mark.parametrize("kind", [*IN_SESSIONS, "phone"])
def test_what_some_used_is_part_of_what_all_share(bank: Dataset, kind: str) -> None:
    snapshot = Snapshot(bank, AS_OF)
    everyone = np.flatnonzero(~snapshot.serves_public).astype(np.int32)
    some = everyone[::9]
    everything = groups_of(find_uses(snapshot, everyone, kind), everyone)
    of_some = groups_of(find_uses(snapshot, everyone, kind, by=some), everyone)
    expected = {key: rows for key, rows in everything.items() if set(key[0]) & set(some.tolist())}
    assert 0 < len(of_some) < len(everything)
    assert of_some == expected


def test_values_that_the_table_holds_as_codes_are_shared_alike(bank: Dataset) -> None:
    sessions = bank.tables["sessions"]
    place = sessions.schema.get_field_index("device_hash")
    coded = sessions.set_column(place, "device_hash", sessions["device_hash"].dictionary_encode())
    plain = sessions.set_column(place, "device_hash", sessions["device_hash"].cast(pa.string()))
    found = []
    for table in (coded, plain):
        snapshot = Snapshot(replace(bank, tables={**bank.tables, "sessions": table}), AS_OF)
        everyone = np.arange(snapshot.graph.n_accounts, dtype=np.int32)
        found.append(groups_of(find_uses(snapshot, everyone, "device"), everyone))
    assert found[0] == found[1] != {}
