"""A small bank for the tests of pages: two gangs worked out by hand, and a twin of it whose every text is hostile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pyarrow as pa

from muledetect import schema
from muledetect.clock import DAY, HOUR, MINUTE
from muledetect.facts import Snapshot
from muledetect.holds import load_clocks
from muledetect.parties import Parties
from muledetect.records import Dataset, read_dataset
from muledetect.records.pseudonyms import Pseudonyms
from muledetect.reports.material import Material, Standing, gather_material
from muledetect.rings import RingTables, find_rings, find_ties

START = 1_735_689_600_000_000  # 2025-01-01
AS_OF = START + 30 * DAY

#: Each of these does something in a page that forgets to escape it; `hit` would say so.
PAYLOADS = (
    "<script>window.hit=1</script>", "\"><img src=x onerror=window.hit=1>", "'><svg/onload=window.hit=1>",
    "</script><script>window.hit=1</script>", "<!--", "]]>", "{{7*7}}", "${7*7}", "{% raw %}", "javascript:hit=1",
    "=HYPERLINK(\"http://example.invalid\")", "\u202egnp.exe", "' onmouseover='window.hit=1",
    "<iframe src=//example.invalid>",
    "</style><style>*{display:none}</style>", "บัญชีม้า", "<a href=javascript:window.hit=1>x", "__proto__", "x" * 200,
    "<base href=//example.invalid>", "&lt;b&gt;", "\\u003cscript\\u003e", "`;window.hit=1;`",
)  # fmt: skip


def hostile(name: str) -> str:
    """Return a name with a payload, another one for each name, the same for the same name."""
    return f"{name}{PAYLOADS[sum(name.encode()) % len(PAYLOADS)]}"


class World(NamedTuple):
    dataset: Dataset
    scores: pa.Table
    rings: RingTables


def times(moments: list[int]) -> pa.Array:
    return pa.array(moments, pa.int64()).cast(pa.timestamp("us", tz="UTC"))


def _rows() -> list[tuple[str, str, int, int, str]]:
    """Source, target, microseconds after START, amount, channel.

    In each gang three victims pay c 1,000.00 each, three hours apart; c splits it over r1 and r2, which pay x; x pays
    it abroad but for 10.00 a time. Everybody has a wage and a shop.
    """
    rows = []
    people = [f"{g}{name}" for g in ("g", "k") for name in ("c", "r1", "r2", "x", "v0", "v1", "v2")]
    for at, name in enumerate(people):
        for month in range(2):
            rows.append(("employer", name, month * 14 * DAY + at * MINUTE, 100_000 + at * 100, "payroll"))
            rows.append((name, "shop", month * 14 * DAY + DAY + at * MINUTE, 75_000 + at * 100, "qr_merchant"))
    for at, gang in enumerate(("g", "k")):
        for victim in range(3):
            begin = (18 + 3 * at) * DAY + victim * 3 * HOUR
            c, r1, r2, x = (f"{gang}{name}" for name in ("c", "r1", "r2", "x"))
            rows += [
                (f"{gang}v{victim}", c, begin, 100_000, "p2p_proxy"),
                (c, r1, begin + 5 * MINUTE, 60_000, "p2p_account"),
                (c, r2, begin + 6 * MINUTE, 38_000, "p2p_account"),
                (r1, x, begin + 15 * MINUTE, 59_000, "p2p_account"),
                (r2, x, begin + 16 * MINUTE, 37_000, "p2p_account"),
                (x, "abroad", begin + 30 * MINUTE, 95_000, "xborder"),
            ]
    return rows


def make_tables(name: Callable[[str], str] = str) -> dict[str, pa.Table]:
    """Return the tables of the bank, every free text passed through `name`."""
    rows = sorted(_rows(), key=lambda row: row[2])
    people = sorted({row[end] for row in rows for end in (0, 1)})
    n = len(rows)

    def texts(values: list[str]) -> pa.Array:
        return pa.array([name(value) for value in values], pa.string())

    def device(account: str) -> str:
        # gang g shares one Wi-Fi with others, k does not
        return "house" if account.startswith("g") else f"home {account}"

    kinds = {"employer": "company", "shop": "merchant"}
    disputed = [at for at, row in enumerate(rows) if row[0][1:] in ("v0", "v1") and row[1].endswith("c")]
    sessions = [(account, day) for account in people for day in range(20, 29)]
    return {
        "transfers": pa.table(
            {
                "transfer_id": texts([f"t{at:04d}" for at in range(n)]),
                "time": times([START + row[2] for row in rows]),
                "source": texts([row[0] for row in rows]),
                "target": texts([row[1] for row in rows]),
                "amount": pa.array([row[3] for row in rows], pa.int64()),
                "channel": [row[4] for row in rows],
                "source_bank": texts(["bank a"] * n),
                "target_bank": texts(["bank b" if row[1] == "abroad" else "bank a" for row in rows]),
                "memo": texts([f"memo {at}" for at in range(n)]),
            }
        ),
        "accounts": pa.table(
            {
                "account_id": texts(people),
                "holder_id": texts([f"h {account}" for account in people]),
                "bank_id": texts(["bank a"] * len(people)),
                "opened_at": times([START - 900 * DAY if at % 2 else START - 40 * DAY for at in range(len(people))]),
                "kind": [kinds.get(account, "individual") for account in people],
                "is_own": [account != "abroad" for account in people],
                "holder_name": texts([f"name {account}" for account in people]),
            }
        ),
        "holders": pa.table(
            {
                "holder_id": texts([f"h {account}" for account in people]),
                "birth_year": pa.array([1980] * len(people), pa.int64()),
                "occupation": texts(["rider"] * len(people)),
            }
        ),
        "sessions": pa.table(
            {
                "session_id": texts([f"s{at}" for at in range(len(sessions))]),
                "account_id": texts([account for account, _ in sessions]),
                "time": times([START + day * DAY for _, day in sessions]),
                "wifi_hash": texts([device(account) for account, _ in sessions]),
                "device_hash": texts([f"device {account}" for account, _ in sessions]),
                "remote_access": [account == "gc" and day == 25 for account, day in sessions],
            }
        ),
        "complaints": pa.table(
            {
                "complaint_id": texts([f"q{at}" for at in range(len(disputed))]),
                "known_ts": times([START + rows[at][2] + DAY for at in disputed]),
                "victim_account": texts([rows[at][0] for at in disputed]),
                "target": texts([rows[at][1] for at in disputed]),
                "transfer_id": texts([f"t{at:04d}" for at in disputed]),
                "scam_type": texts(["parcel"] * len(disputed)),
                "script_id": texts(["script 1"] * len(disputed)),
                "centre_id": texts(["centre 1"] * len(disputed)),
                "status": ["confirmed"] * len(disputed),
            }
        ),
        "watchlists": pa.table(
            {
                "list_id": texts(["list 1", "list 2"]),
                "kind": ["account", "account"],
                "value_hash": texts(["gr1", "gc"]),
                "centre_id": texts(["centre 1", "centre 1"]),
                "category": texts(["mule", "mule"]),
                "reliability": [0.9, 0.8],
                "valid_from": times([START + 20 * DAY] * 2),
            }
        ),
        "labels": pa.table(
            {
                "account_id": texts(["gr2"]),
                "label": ["not_mule"],
                "known_ts": times([START + 5 * DAY]),
                "source": texts(["branch"]),
            }
        ),
    }


def make_scores(name: Callable[[str], str] = str, as_of: int = AS_OF) -> pa.Table:
    """Return scores by hand: gang g is suspected, gang k watched, all others below."""
    probability = {f"g{m}": 0.95 - at / 100 for at, m in enumerate(("c", "r1", "r2", "x"))}
    probability |= {f"k{m}": 0.40 - at / 100 for at, m in enumerate(("c", "r1", "r2", "x"))}
    probability |= {"gv0": 0.05, "shop": 0.01, "employer": 0.01}
    ranked = sorted(probability, key=lambda account: -probability[account])
    reasons = [
        {"code": code, "feature": "f", "value": 0.9, "peer_p99": 0.4, "contribution": weight, "text": name(text)}
        for code, weight, text in (
            ("PASS_THROUGH", 1.5, "94% of the money received in 24h had left again"),
            ("FAN_IN", 0.5, "3 payers in 24h"),
            ("NEW_ACCOUNT", -0.4, "Speaks for the account: age of the account: 900 d"),
        )
    ]  # fmt: skip
    return pa.table(
        {
            "account_id": pa.array([name(account) for account in ranked], pa.string()),
            "as_of": times([as_of] * len(ranked)),
            "score": [4 * probability[account] - 2 for account in ranked],
            "probability": [probability[account] for account in ranked],
            "rank": [1 + sum(probability[other] > probability[account] for other in ranked) for account in ranked],
            "tier": [
                "suspected" if probability[a] > 0.5 else "watch" if probability[a] > 0.1 else "none" for a in ranked
            ],
            "reasons": pa.array(
                [reasons if probability[a] > 0.1 else [] for a in ranked], schema.ARROW_TYPES["reasons"]
            ),
        }
    ).cast(schema.SCORES.arrow_schema)


def make_world(
    name: Callable[[str], str] = str, tables: dict[str, Any] | None = None, key: Pseudonyms | None = None
) -> World:
    """Return the bank, its scores and its rings with ties; with a key, all of it under pseudonyms."""
    dataset = read_dataset(tables or make_tables(name), pseudonymise=key, currency="THB")
    scores = make_scores(name if key is None else lambda account: str(key.hide(pa.array([name(account)]))[0]))
    found = find_rings(Snapshot(dataset, AS_OF), scores, min_precision=0.0)
    return World(
        dataset, scores, found.with_ties(find_ties(Snapshot(dataset, AS_OF), found.ring_members, n_shuffles=20))
    )


def make_material(name: Callable[[str], str] = str, **options: Any) -> Material:
    world = make_world(name)
    given = {"rings": world.rings, "standing": make_standing(name), "parties": make_parties(name)}
    return material_of(world, **given | options)


def make_parties(name: Callable[[str], str] = str, as_of: int = AS_OF) -> Parties:
    """Return parties by hand: gc, gr1 and kv2 are one person's, by two records; all others one each.

    A phone is on file for gc, kc and kx; kr1 paid the first money into kc and gx.
    """
    one = dict.fromkeys(("gc", "gr1", "kv2"), "p 1")
    accounts = [f"{gang}{member}" for gang in ("g", "k") for member in ("c", "r1", "r2", "x", "v0", "v1", "v2")]
    party = {account: one.get(account, f"p {account}") for account in accounts}
    ids = sorted(set(party.values()))
    rank = {"p 1": 1, "p kc": 2}
    parties = schema.PARTIES.filled(
        party_id=[name(at) for at in ids], as_of=times([as_of] * len(ids)), kind=["person"] * len(ids),
        n_holders=[2 if at == "p 1" else 1 for at in ids], n_accounts=[3 if at == "p 1" else 1 for at in ids],
        probability=[0.97 if at == "p 1" else 1.0 for at in ids], since=times([START - 40 * DAY] * len(ids)),
        score=[0.5 if at in rank else None for at in ids], rank=[rank.get(at) for at in ids], n_known=[0] * len(ids),
    )  # fmt: skip
    members = schema.PARTY_MEMBERS.filled(
        party_id=[name(party[account]) for account in accounts],
        holder_id=[name("h gc" if account == "kv2" else f"h {account}") for account in accounts],
        account_id=[name(account) for account in accounts], probability=[1.0] * len(accounts),
    )  # fmt: skip
    parts = {"prior": -8.0, "name": 9.0, "phone": 7.0, "email": -0.5, "home": -4.0}
    evidence = schema.PARTY_EVIDENCE.filled(
        party_id=[name("p 1")] * 5, one=[name("h gc")] * 5, other=[name("h gr1")] * 5, family=sorted(parts),
        kind=sorted(parts), item=[name("hash") if part == "phone" else None for part in sorted(parts)],
        log_odds=[parts[part] for part in sorted(parts)], text=[name(f"said {part}") for part in sorted(parts)],
        text_th=[name(f"ว่า {part}") for part in sorted(parts)],
    )  # fmt: skip
    reached = {"C1": ("gc", "kc", "kx"), "C2": ("gx", "kc")}
    controllers = schema.CONTROLLERS.filled(
        controller_id=["C1", "C2"], kind=["contact", "funder"], value=[name("phone"), name("kr1")],
        party_id=[None, name("p kr1")], n_parties=[3, 2], n_households=[3, 2], n_accounts=[3, 2],
        text=[name("one phone of three"), name("one payer of two")], text_th=[name("โทรศัพท์"), name("ผู้โอน")],
    )  # fmt: skip
    rows = [(controller, account) for controller, held in reached.items() for account in held]
    controlled = schema.CONTROLLED_ACCOUNTS.filled(
        controller_id=[row[0] for row in rows], account_id=[name(row[1]) for row in rows],
        party_id=[name(party[row[1]]) for row in rows], item=[name("seen")] * len(rows),
        time=times([START] * len(rows)),
    )  # fmt: skip
    return Parties(parties, members, evidence, controllers, controlled)


def make_standing(name: Callable[[str], str] = str) -> Standing:
    """Return the record of holds as it stands: 100.00 for q0 in gc since a day and an hour, appealed."""
    row: dict[str, Any] = {
        "hold_id": name("hold 1"), "account_id": name("gc"), "complaint_id": name("q0"), "transfer_id": None,
        "clock": "traced_amount", "state": "appealed", "amount": 20_000, "held": 10_000,
        "started_at": AS_OF - DAY - HOUR, "bank_until": AS_OF + 2 * DAY, "police_until": None, "extended_until": None,
        "review_due": AS_OF - HOUR, "expires_at": AS_OF + 2 * DAY, "ended_at": None, "appealed_at": AS_OF - 2 * HOUR,
        "is_due": True, "last_event": "appealed", "decided_by": name("officer 7"), "why": name("the holder says rent"),
        "as_of": AS_OF,
    }  # fmt: skip
    return Standing(schema.HOLD_STATES.filled(**{key: [value] for key, value in row.items()}), load_clocks("TH"))


def material_of(world: World, **options: Any) -> Material:
    return gather_material(Snapshot(world.dataset, AS_OF), world.scores, **options)
