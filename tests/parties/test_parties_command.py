"""The command and the function: tables on disk, ranks with scores, a calibration from earlier moments."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command_line import ended

import muledetect as md
from muledetect import schema
from muledetect.facts import Snapshot
from muledetect.parties import PartyCalibration
from muledetect.records import write_table
from muledetect.simulation import simulate
from muledetect.simulation.identities import with_identities

pytestmark = pytest.mark.slow

MOMENTS = ("2025-02-10", "2025-02-24")
EARLIER = ("2025-01-14", "2025-01-24", "2025-01-31")


@cache
def bank() -> md.Dataset:
    tables = simulate(n_accounts=900, n_days=70, seed=8, mule_share=0.1, found_share=1.0, activity=0.2)
    return md.read_dataset(with_identities(tables, seed=8)[0])


def scores_of(moment: str) -> pa.Table:
    """Return scores that know the truth a little: mules of the truth get 0.5, others 0.05."""
    truth = bank().tables["truth_accounts"].to_pydict()
    is_mule = dict(zip(truth["account_id"], truth["is_mule"], strict=True))
    own = bank().tables["accounts"].to_pandas().query("is_own")["account_id"].tolist()
    share = [0.5 if is_mule.get(account) else 0.05 for account in own]
    times = pa.array([moment + "T00:00:00Z"] * len(own)).cast(pa.timestamp("us", tz="UTC"))
    return pa.table({"account_id": own, "as_of": times, "probability": share})


def test_the_command_writes_the_tables_of_the_function(tmp_path: Path) -> None:
    place, scores = tmp_path / "bank", tmp_path / "scores.parquet"
    place.mkdir()
    for name, table in bank().tables.items():
        write_table(table, place / f"{name}.parquet")
    write_table(scores_of(MOMENTS[1]), scores)
    options = ("parties", place, "--scores", scores, "--as-of", MOMENTS[1], "--output", tmp_path / "out")
    status, said = ended(*options)
    assert status == 0, said
    found = md.find_parties(bank(), scores_of(MOMENTS[1]), MOMENTS[1])
    for name, table in found.tables.items():
        assert table.schema.equals(schema.OUTPUTS[name].arrow_schema)
        assert pq.read_table(tmp_path / "out" / f"{name}.parquet").equals(table)
    assert found.n_joined > 5
    assert f"{found.n_joined:,} parties of several records" in said
    assert found.parties["rank"].to_pylist()[:3] == [1, 2, 3]
    assert f"{found.n_joined:,}" in repr(found)
    assert found.parties["party_id"][0].as_py() in found._repr_html_()
    status, said = ended(*options[:-1], place)
    assert status == 1
    assert "input" in said


def test_earlier_scores_teach_the_calibration_and_a_snapshot_needs_no_moment() -> None:
    snapshot = Snapshot(bank(), "2025-03-10")
    learnt = md.evaluation.learn_party_scores(snapshot, [scores_of(moment) for moment in EARLIER])
    assert learnt.n_parties > 100
    assert learnt.n_positive >= 20
    assert learnt != PartyCalibration()
    plain = md.find_parties(snapshot, scores_of("2025-03-10"))
    taught = md.find_parties(snapshot, scores_of("2025-03-10"), earlier=[scores_of(moment) for moment in EARLIER])
    assert plain.parties["score"].to_pylist() != taught.parties["score"].to_pylist()
    assert plain.party_members.equals(taught.party_members)


def test_the_future_of_findings_does_not_show_in_the_calibration() -> None:
    now, later = (Snapshot(bank(), moment) for moment in ("2025-03-08", "2025-03-10"))
    past = md.read_dataset(dict(now.tables))
    known = md.evaluation.learn_party_scores(Snapshot(past, "2025-03-08"), [scores_of(moment) for moment in EARLIER])
    assert md.evaluation.learn_party_scores(now, [scores_of(moment) for moment in EARLIER]) == known
    assert md.evaluation.learn_party_scores(later, [scores_of(moment) for moment in EARLIER]) != known
