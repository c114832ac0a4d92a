"""Cases made by hand for the tests of drafts: a small one whose values are worked out, a bare one, a hostile one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd

from muledetect.clock import DAY, HOUR, MINUTE, parse_time
from muledetect.reports.accounts.case import AccountCase

START = parse_time("2025-03-01")

#: What a bank's records may hold: markup, ends of CDATA and comments, controls, Thai, a year that looks Buddhist.
HOSTILE = (
    "<script>alert(1)</script>", "]]>", "--><x>", "a\x00b\x08\x1f", "\ud800", "\ufffe", "บัญชีม้า", "2568-03-01", "=1+1",
    "'\"&amp;&", "line\r\nline\rline", "\u202eevil", "x" * 5000, "%s{0}{zone}", "items", "{{ 7 * 7 }}",
)  # fmt: skip

COLUMNS = (
    "transfer_id", "time", "is_credit", "other", "other_bank", "amount", "channel", "relation", "codes", "traced_low",
    "traced_high",
)  # fmt: skip
Row = tuple[Any, ...]


def transfer_rows(*rows: Row) -> pd.DataFrame:
    """Transfers of a case, by the columns of `COLUMNS`; amounts in minor units."""
    return pd.DataFrame(list(rows), columns=list(COLUMNS)).astype({"codes": object})


def bare_case(**given: Any) -> AccountCase:
    """A case of which nothing is known but the account, the moment and the currency."""
    nothing = pd.DataFrame()
    bare = AccountCase(
        account_id="a", as_of=START + 30 * DAY, currency="THB", minor_units=100, score={}, model={}, missing=(),
        account={}, holder={}, reasons=(), period=None, is_period_whole=False, transfers=nothing, n_transfers=0,
        victims=nothing, n_victims=0, traces=nothing, n_complaints=0, hold=0,
        by_method=nothing, recoverable=nothing, ring={}, exculpatory=(), actions=(), coercion=(),
    )  # fmt: skip
    return replace(bare, **given)


def small_case(**given: Any) -> AccountCase:
    """A case worked out by hand.

    Window 00:00 to 03:00: credits 1,000.00 from v at 00:00 (named by a complaint), 500.00 from u at 01:00; debits
    600.00 to m at 00:30, 700.00 to n at 02:30. First in, first out, 600.00 stays 30 min; of the 700.00, 400.00
    stayed 150 min and 300.00 stayed 90 min: 600.00 leaves within an hour. Before the window 20.00 came from f, which
    proves nothing.
    """
    transfers = transfer_rows(
        ("t0", START - DAY, True, "f", "B2", 20_00, "p2p_account", "", [], 0, 0),
        ("t1", START, True, "v", "B2", 1_000_00, "p2p_proxy", "victim", [], 900_00, 1_000_00),
        (
            "t2",
            START + 30 * MINUTE,
            False,
            "m",
            "B1",
            600_00,
            "p2p_account",
            "member",
            ["PASS_THROUGH"],
            500_00,
            600_00,
        ),
        ("t3", START + HOUR, True, "u", None, 500_00, None, "inferred_victim", [], 0, 0),
        ("t4", START + 150 * MINUTE, False, "n", "B3", 700_00, "cash_atm", "", ["NIGHT"], 0, 0),
    )
    made = bare_case(
        account={
            "account_id": "a", "holder_id": "h", "bank_id": "B1", "branch_id": "X1", "kind": "individual",
            "opened_at": START - 40 * DAY, "balance": 220_05, "balance_at": START + 3 * HOUR, "is_own": True,
        },
        holder={"kind": "person", "birth_year": 1990, "occupation": "driver", "declared_income": 15_000_00},
        reasons=(
            {"code": "PASS_THROUGH", "contribution": 2.0, "key_transfers": ["t2"],
             "text": {"en": "97% of the money paid so far", "th": "97% ของเงินที่จ่าย"}},
            {"code": "NIGHT", "contribution": -1.0, "text": {"en": "by day", "th": "กลางวัน"}, "key_transfers": []},
        ),
        period=(START, START + 3 * HOUR),
        transfers=transfers,
        n_transfers=5,
        victims=pd.DataFrame(
            {
                "account_id": ["v", "u"], "kind": ["confirmed", "inferred"], "complaint_ids": [["c1"], []],
                "n_transfers": [1, 1], "amount": [1_000_00, 500_00], "first_time": [START, START + HOUR],
                "last_time": [START, START + HOUR], "scam_type": ["pretended_police", None],
            }
        ),
        traces=pd.DataFrame(
            {
                "complaint_id": ["c1"], "lost": [1_200_00], "in_low": [900_00], "in_high": [1_000_00], "hold": [220_05],
                "shortfall": [79_95], "expires_at": [START + 4 * DAY],
            }
        ),
        ring={"ring_id": "r", "n_accounts": 7},
        exculpatory=({"code": "OLD", "text": {"en": "It pays rent each month.", "th": "จ่ายค่าเช่าทุกเดือน"}},),
        coercion=({"code": "ONE_PLACE", "text": {"en": "Six holders on one network", "th": "เครือข่ายเดียวหกคน"}},),
    )  # fmt: skip
    return replace(made, **given)


def hostile_case(text: str) -> AccountCase:
    """A case with that text wherever the records may hold text."""
    small = small_case()
    transfers = _with(small.transfers, text, "other other_bank channel relation terminal_id")
    transfers["transfer_id"] = pd.Series([f"{text}{number}" for number in range(len(transfers))], dtype=object)
    return replace(
        small,
        account_id=text,
        account=dict.fromkeys(("bank_id", "branch_id", "kind", "holder_id", "open_channel"), text),
        holder=dict.fromkeys(("kind", "occupation", "province"), text),
        reasons=({"code": text, "contribution": 1.0, "text": {"en": text, "th": text}, "key_transfers": [text]},),
        transfers=transfers,
        victims=_with(small.victims, text, "account_id scam_type"),
        traces=_with(small.traces, text, "complaint_id"),
        exculpatory=({"code": text, "text": {"en": text}},),
        coercion=({"code": text, "text": {"en": text}},),
    )


def _with(frame: pd.DataFrame, text: str, names: str) -> pd.DataFrame:
    """Return the frame with the text in the named columns; as objects, for Arrow's text takes no lone surrogate."""
    column = pd.Series([text] * len(frame), dtype=object)
    return frame.assign(**dict.fromkeys(names.split(), column))
