"""After warming up no payment or event waits for a kernel, and nothing of it stays."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from live_bank import arriving, before, micros, model

from muledetect.clock import DAY
from muledetect.facts import Snapshot
from muledetect.live import LiveScorer
from muledetect.live.finding import find_money
from muledetect.live.policy import load_policy
from muledetect.live.state import LiveState
from muledetect.live.warm_up import warm_up
from muledetect.records import read_dataset
from muledetect.testing import random_world

#: Run by itself: kernels that other tests called would be there already.
_SCRIPT = """
import sys
sys.path[:0] = {paths!r}
from test_live_warm_up import loaded_after_warming_up
print("loaded:", *sorted(loaded_after_warming_up({busy})), sep="\\n")
"""


def loaded_after_warming_up(busy: int | None) -> set[str]:
    """Return the kernels that a stream of rows of all kinds calls for other types than are there."""
    from numba.core.dispatcher import Dispatcher  # noqa: PLC0415 - of this process alone

    found, there = set[str](), Dispatcher.compile

    def compiled(kernel: Dispatcher, signature: object) -> object:
        found.add(f"{kernel.py_func.__module__}.{kernel.py_func.__name__} {signature}")
        return there(kernel, signature)

    policy, rows = load_policy("none"), arriving()
    with LiveScorer(model(), before(), busy=busy) as scorer:
        warm_up(scorer, policy)
        Dispatcher.compile = compiled
        for low, high in ((0, 1), (1, 2), (2, 66), (66, 400)):
            scorer.book_many(rows[low:high])
            scorer.score_many(rows[low:high], explain=high < 66)
        scorer.book_many(rows[500:564])
        scorer.book_many(rows[400:500])  # late
        known = rows[0]
        back = {**known, "transfer_id": "back", "reversal_of": known["transfer_id"]}
        odd = {**rows[600], "amount": f"{rows[600]['amount']}"}
        alone = {**rows[601], "target": rows[601]["source"]}
        strange = {**rows[602], "source": "nobody", "device_hash": "new"}
        for row in (known, back, odd, odd, alone, strange):
            scorer.book(row)
            scorer.score(row)
        at = known["time"].isoformat()
        heard = {"complaint_id": "new", "known_ts": at, "transfer_id": known["transfer_id"], "status": "open"}
        events = {
            "sessions": [{"session_id": "new", "account_id": known["source"], "time": at, "device_hash": "d"}],
            "complaints": [heard, {**heard, "status": "confirmed", "status_ts": at}],
            "accounts": [{"account_id": "new"}, {"account_id": "new", "balance": 5, "balance_at": at}],
            "labels": [{"account_id": known["source"], "label": "mule", "known_ts": at}],
        }
        scorer.advance_many([{"table": name, **row} for name, some in events.items() for row in some])
        scorer.score_many(rows[640:700])
        lent, values = scorer.state.lend(), scorer.state.lend_signals()
        find_money(Snapshot(lent(), scorer.state.latest + 1), policy, complaint_id="new")
        values()
        scorer._look_ahead(scorer.state.latest // DAY * DAY + DAY)
        scorer.book_many(rows[700:800])
        scorer.begin_day(scorer.state.latest + DAY)
        scorer.book_many(rows[800:])
        scorer.score_many(rows[800:])
    return found


@pytest.mark.slow
@pytest.mark.parametrize("busy", [None, 40])
def test_no_row_of_any_kind_waits_for_a_kernel(busy: int | None) -> None:
    here = Path(__file__).parent
    script = _SCRIPT.format(paths=[str(here), str(here.parent)], busy=busy)
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=600)
    assert said.stdout.splitlines() == ["loaded:"]


@pytest.mark.parametrize("seed", range(4))
def test_made_up_rows_count_in_any_state_and_stay_outside(seed: int) -> None:
    scorer = LiveScorer(model(), before())
    dataset = read_dataset(random_world(seed), currency="THB")
    if seed:  # other tables and columns, and every clock
        scorer.state = LiveState(lambda: dataset, since=int(micros(dataset.transfers)[0]) // DAY * DAY)
    state = scorer.state
    rows = {name: table.take(slice(None)) for name, table in state.tables.items()}
    booked = warm_up(scorer, load_policy("none"))
    assert {one.outcome for one in booked} == {"accepted", "duplicate"}
    assert sum(one.outcome == "accepted" for one in booked) >= 160 + 2 * (len(rows) - 1)
    assert scorer.state is state
    assert {name: table.take(slice(None)) for name, table in state.tables.items()} == rows
    assert len(state.accounts) == len((dataset if seed else before()).account_ids)
