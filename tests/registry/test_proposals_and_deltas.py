"""What is proposed, never above the lowest tier; what changed between two days; the commands for both."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from command_line import ended

from muledetect.clock import parse_time
from muledetect.errors import DataError, OptionError
from muledetect.registry import diff_registries, import_registry, load_scheme, open_registry, propose, write_proposals
from muledetect.schema import INPUTS, SCORES
from muledetect.score_basis import Basis

DAY_ONE, DAY_TWO = parse_time("2025-03-01"), parse_time("2025-03-02")


def scores(*rows: tuple[str, float, str], as_of: int = DAY_ONE) -> pa.Table:
    """Return scores of accounts: id, score, tier."""
    reason = {"code": "X", "feature": "x", "value": 1.0, "contribution": 1.0, "text": "94% left within 15 minutes"}
    return SCORES.filled(
        account_id=[name for name, _, _ in rows], as_of=pa.array([as_of] * len(rows)).cast(pa.timestamp("us", "UTC")),
        score=[score for _, score, _ in rows], probability=[score for _, score, _ in rows],
        rank=list(range(1, len(rows) + 1)), tier=[tier for _, _, tier in rows],
        reasons=pa.array([[reason]] * len(rows), SCORES.column("reasons").arrow_type),
    )  # fmt: skip


def statements(*rows: dict[str, Any]) -> pa.Table:
    """Return a registry; `day` is the day of March 2025 from which a row is valid and known."""
    made = []
    for row in rows:
        time = pc.cast(pa.scalar(f"2025-03-{row['day']:02d}T00:00:00Z"), pa.timestamp("us", "UTC")).as_py()
        base = {"scheme": "TH", "entry_id": row["subject_id"], "subject_kind": "account", "status": "listed",
                "listed_by": "police", "tier": "light_grey", "valid_from": time, "known_ts": time}  # fmt: skip
        made.append(base | {name: value for name, value in row.items() if name != "day"})
    return pa.Table.from_pylist(made, INPUTS["registry"].arrow_schema)


SCORED = scores(("b", 0.7, "suspected"), ("=c", 0.9, "suspected"), ("d", 0.2, "watch"), ("e", 0.1, "none"))


def test_suspected_accounts_are_proposed_in_the_lowest_tier_with_reason_and_expiry() -> None:
    found = propose(SCORED, scheme="TH", listed_by="us").to_pylist()
    assert [(row["subject_id"], row["tier"], row["status"]) for row in found] == [
        ("=c", "light_brown", "proposed"), ("b", "light_brown", "proposed"),
    ]  # fmt: skip
    assert found[0]["reason"] == "94% left within 15 minutes"
    assert found[0]["valid_to"].isoformat() == "2025-05-30T00:00:00+00:00"
    assert found[0]["reliability"] == 0.9
    assert found[0]["is_own"] is True


def test_the_probability_of_another_bank_is_no_reliability() -> None:
    unknown = SCORED.replace_schema_metadata(Basis("unknown").to_metadata())
    assert propose(unknown, scheme="TH", listed_by="us")["reliability"].null_count == 2


def test_no_proposal_above_the_lowest_tier_can_be_written(tmp_path: Path) -> None:
    found = propose(SCORED, scheme="TH", listed_by="us")
    for column, value in (("tier", "black"), ("tier", None), ("status", "listed"), ("scheme", "GB")):
        place = found.column_names.index(column)
        forged = found.set_column(place, column, pa.array([value, found[column][1].as_py()], pa.string()))
        with pytest.raises(OptionError, match="lowest tier"):
            write_proposals(forged, tmp_path / "out.csv", scheme="TH")
    assert not (tmp_path / "out.csv").exists()


def test_a_proposal_is_no_entry_until_somebody_lists_it(tmp_path: Path) -> None:
    write_proposals(propose(SCORED, scheme="TH", listed_by="us"), tmp_path / "out.json", scheme="TH")
    given = {"scheme": "TH", "sender": "us", "role": "bank", "received": "2025-03-03", "own": True}
    with pytest.raises(DataError, match="not a declared value"):
        import_registry(tmp_path / "out.json", tmp_path / "ds", **given)  # type: ignore[arg-type]
    text = (tmp_path / "out.json").read_text().replace('"proposed"', '"listed"')
    (tmp_path / "decided.json").write_text(text)
    done = import_registry(tmp_path / "decided.json", tmp_path / "ds", **given)  # type: ignore[arg-type]
    assert (done.rows_added, set(done.table["is_own"].to_pylist())) == (2, {True})


def test_what_a_registry_said_before_stands_beside_a_proposal() -> None:
    held = statements({"day": 1, "subject_id": "b"}, {"day": 1, "subject_id": "b", "status": "removed"},
                      {"day": 9, "subject_id": "=c"})  # fmt: skip
    found = propose(scores(("b", 0.7, "suspected"), ("=c", 0.9, "suspected"), as_of=DAY_TWO), scheme="TH",
                    listed_by="us", registry=held)  # fmt: skip
    said = dict(zip(found["subject_id"].to_pylist(), found["history"].to_pylist(), strict=True))
    assert said == {"=c": None, "b": "listed in light_grey by police on 2025-03-01; removed in light_grey by police on "
                    "2025-03-01"}  # fmt: skip


def test_scores_without_tiers_or_of_another_moment_are_refused() -> None:
    with pytest.raises(DataError, match="are missing"):
        propose(SCORED.drop_columns("tier"), scheme="TH", listed_by="us")
    with pytest.raises(DataError, match="none of this moment"):
        propose(SCORED, scheme="TH", listed_by="us", as_of="2020-01-01")


def test_deltas_say_what_was_added_appealed_changed_removed_and_what_expired() -> None:
    ends = pc.cast(pa.scalar("2025-03-05T00:00:00Z"), pa.timestamp("us", "UTC")).as_py()
    held = statements(
        *({"day": 1, "subject_id": name} for name in "abcd"),
        {"day": 1, "subject_id": "e", "valid_to": ends},
        {"day": 4, "subject_id": "b", "status": "appealed"},
        {"day": 4, "subject_id": "c", "tier": "dark_grey", "reliability": 0.9},
        {"day": 4, "subject_id": "d", "status": "removed", "reason": "mistaken"},
        {"day": 5, "subject_id": "f"},
        {"day": 9, "subject_id": "a", "status": "removed"},
    )
    found = diff_registries(held, before_as_of="2025-03-02", after_as_of="2025-03-08").to_pylist()
    assert {(row["subject_id"], row["change"], row["what"]) for row in found} == {
        ("b", "appealed", "status"), ("c", "changed", "tier, reliability"), ("d", "removed", None),
        ("e", "expired", None), ("f", "added", None),
    }  # fmt: skip
    changed = next(row for row in found if row["change"] == "changed")
    assert (changed["tier_before"], changed["tier"]) == ("light_grey", "dark_grey")
    assert next(row for row in found if row["change"] == "removed")["reason"] == "mistaken"
    assert len(diff_registries(held, before_as_of="2025-03-02", after_as_of="2025-03-03")) == 0


def test_deltas_of_what_was_known_do_not_look_ahead() -> None:
    held = statements({"day": 1, "subject_id": "a"}, {"day": 9, "subject_id": "a", "status": "removed"})
    past = held.slice(0, 1)
    moments = {"before_as_of": "2025-02-01", "after_as_of": "2025-03-05"}
    assert diff_registries(held, **moments).equals(diff_registries(past, **moments))


def test_two_files_are_compared_as_they_are(tmp_path: Path) -> None:
    pq.write_table(statements({"day": 1, "subject_id": "a"}), tmp_path / "old.parquet")
    pq.write_table(statements({"day": 1, "subject_id": "b"}), tmp_path / "new.parquet")
    found = diff_registries(tmp_path / "old.parquet", tmp_path / "new.parquet", before_as_of="2025-03-05",
                            after_as_of="2025-03-05")  # fmt: skip
    assert found.select(["change", "subject_id"]).to_pylist() == [
        {"change": "added", "subject_id": "b"}, {"change": "removed", "subject_id": "a"},
    ]  # fmt: skip


def test_the_commands_import_propose_and_compare(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("tier,subject_kind,subject_id,name\nlight_grey,account,b,x\nblack,account,q,y\n")
    pq.write_table(SCORED, tmp_path / "scores.parquet")
    given = ["--scheme", "TH", "--sender", "police", "--role", "police", "--output", tmp_path / "ds"]
    status, said = ended("registry-import", tmp_path / "list.csv", *given, "--received", "2025-02-20")
    assert status == 0, said
    assert "1 rows left out: tier: tier that the sender may not set" in said
    assert "columns that are not read: name" in said
    status, said = ended("registry-export", "--scores", tmp_path / "scores.parquet", "--scheme", "TH", "--listed-by",
                         "us", "--registry", tmp_path / "ds", "--output", tmp_path / "out.csv")  # fmt: skip
    assert status == 0, said
    assert "a registry has spoken of 1 of them before" in said
    assert "'=c" in (tmp_path / "out.csv").read_text("utf-8-sig")
    moments = ["--before-as-of", "2025-02-01", "--after-as-of", "2025-03-01"]
    status, said = ended("registry-diff", tmp_path / "ds", *moments, "--output", tmp_path / "deltas.json")
    assert status == 0, said
    assert json.loads((tmp_path / "deltas.json").read_text())["entries"][0]["change"] == "added"
    assert len(open_registry(tmp_path / "ds")) == 1
    assert load_scheme("TH").lowest.name in (tmp_path / "out.csv").read_text("utf-8-sig")
