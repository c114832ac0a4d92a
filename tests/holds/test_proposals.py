"""Proposals: the amount that was traced, what a policy holds, and nothing beyond the pack."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest
from command_line import ended
from hold_worlds import held, later

from muledetect.clock import DAY, HOUR, parse_time
from muledetect.errors import DataError, OptionError
from muledetect.holds import hold_states, propose_holds
from muledetect.holds.propose import traced_hold
from muledetect.records import write_tables
from muledetect.schema import HOLDS

AS_OF = parse_time("2025-02-28T09:00Z")


def traced(*rows: tuple[str, str, int, int]) -> pa.Table:
    """Holds that a trace proposes: complaint, account, hold, balance."""
    n = len(rows)
    complaint, account, hold, available = zip(*rows, strict=True)
    return HOLDS.filled(
        complaint_id=complaint, account_id=account, hop=[1] * n, traced_low=hold, traced_high=hold, available=available,
        is_stated=[True] * n, hold=hold, shortfall=[0] * n, as_of=[AS_OF] * n, expires_at=[AS_OF + DAY] * n,
    )  # fmt: skip


def test_the_amount_is_proposed_and_not_the_account() -> None:
    found = propose_holds(traced(("q", "m", 600, 90_000), ("p", "n", 0, 500)), pack="TH").to_pylist()
    assert [(row["account_id"], row["amount"], row["clock"]) for row in found] == [("m", 600, "traced_amount")]
    assert found[0]["until"].isoformat() == "2025-03-01T09:00:00+00:00"


@pytest.mark.parametrize("pack", ["GB", "SG", "EU", "IN", "KR", "none"])
def test_a_pack_that_lets_no_trace_hold_money_proposes_nothing(pack: str) -> None:
    assert propose_holds(traced(("q", "m", 600, 90_000)), pack=pack).num_rows == 0


def test_what_is_held_is_not_proposed_again_and_no_more_than_is_there(tmp_path: Path) -> None:
    held(tmp_path / "r", amount=400, time=AS_OF, recorded=AS_OF)  # q in m
    held(tmp_path / "r", amount=300, complaint_id="z", time=AS_OF, recorded=AS_OF)
    states = hold_states(tmp_path / "r", AS_OF + HOUR, "TH")
    table = traced(("p", "m", 900, 1_000), ("q", "m", 600, 1_000), ("r", "m", 50, 1_000))
    found = propose_holds(table, pack="TH", states=states).to_pylist()
    # 1,000 are there and 700 are held: p gets the other 300, and nothing is left for q and r
    assert [(row["complaint_id"], row["amount"]) for row in found] == [("p", 300)]
    later(tmp_path / "r", "released", "2025-02-28T12:00Z")
    states = hold_states(tmp_path / "r", "2025-02-28T13:00Z", "TH")
    found = propose_holds(table, pack="TH", states=states).to_pylist()
    assert [(row["complaint_id"], row["amount"]) for row in found] == [("p", 700)]


def test_decisions_of_a_policy_are_proposals(tmp_path: Path) -> None:
    said = {
        "transfer_id": "t1",
        "action": "delay",
        "rule": "payment_delay",
        "amount": 700,
        "until": "2025-03-03T09:00:00Z",
    }
    lines = [
        said, {**said, "transfer_id": "t2", "action": "review", "rule": "suspected_payee", "until": None},
        {**said, "transfer_id": "t3", "rule": "of_no_clock"}, {**said, "transfer_id": "t4"},
        {**said, "transfer_id": "t4", "action": "allow"},  # decided anew
        {**said, "transfer_id": "t5"},
    ]  # fmt: skip
    path = tmp_path / "decisions.jsonl"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), "utf-8")
    found = propose_holds(pack="GB", decisions=path).to_pylist()
    assert [(row["transfer_id"], row["amount"], row["account_id"]) for row in found] == [
        ("t1", 700, None),
        ("t5", 700, None),
    ]
    given = {"pack": "GB", "clock": "payment_delay", "complaint_id": None, "transfer_id": "t1", "amount": 700}
    held(tmp_path / "r", **given)
    states = hold_states(tmp_path / "r", "2025-03-01", "GB")
    assert propose_holds(pack="GB", decisions=path, states=states)["transfer_id"].to_pylist() == ["t5"]
    path.write_text("no json\n", "utf-8")
    with pytest.raises(DataError, match="cannot be read"):
        propose_holds(pack="GB", decisions=path)


def test_a_hold_from_a_trace_takes_at_most_its_proposal(tmp_path: Path) -> None:
    write_tables({"holds": traced(("q", "m", 600, 90_000))}, tmp_path / "traces")
    given = {"recorded": "2025-02-28T10:00Z", "pack": "TH"}
    assert traced_hold(tmp_path / "traces", tmp_path / "r", "q", "m", **given)["amount"] == 600
    assert traced_hold(tmp_path / "traces", tmp_path / "r", "q", "m", 599, **given)["amount"] == 599
    with pytest.raises(OptionError, match="600 minor units and no more"):
        traced_hold(tmp_path / "traces", tmp_path / "r", "q", "m", 601, **given)
    with pytest.raises(OptionError, match="nothing more"):
        traced_hold(tmp_path / "traces", tmp_path / "r", "q", "other", **given)
    line = ["hold", tmp_path / "r", "held", "--pack", "TH", "--traces", tmp_path / "traces", "--account", "m",
            *"--complaint q --by d --why w --at 2025-02-28T10:00Z --recorded 2025-02-28T10:00Z".split()]  # fmt: skip
    assert ended(*line)[0] == 0
    row = hold_states(tmp_path / "r", "2025-03-01", "TH").to_pylist()[0]
    assert (row["held"], row["clock"]) == (600, "traced_amount")
    assert ended(*line)[0] == 2  # it is held already
    status, said = ended(
        "holds", tmp_path / "r", "--pack", "TH", "--as-of", "2025-03-01", "--traces", tmp_path / "traces"
    )
    assert status == 0
    assert "0 proposals" in said
