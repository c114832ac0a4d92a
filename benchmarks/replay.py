"""Would stolen money have been held in time: scores of each payment, beside those of the last midnight and rules only?

    python benchmarks/replay.py [--accounts 2500] [--days 7] [--evasion 0 0.25 0.5]

For each setting of evasion a model of live columns learns in one simulated bank. Some days of another bank, with
another seed, are then replayed. A policy holds the payment for 24 hours where payer or payee is at least "suspected",
and what a complaint traced; another holds from "watch" on, as a list of alerts would if nobody looked at it first. Of
each policy only the tiers differ:

- live: payer and payee are scored just before each payment;
- nightly: the same model, but each payment gets the scores that its accounts had at the last midnight;
- rules only: the rules-only score of the last midnight; each tier has as many accounts as with the nightly model;
- traced only: no scores, only what complaints traced is held.

The bank has far more mules than a real one, as a week would else measure nothing. Prints Markdown.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from muledetect import pipeline
from muledetect.clock import DAY, parse_time
from muledetect.evaluation.rules import rule_columns, rules_score
from muledetect.features import extract
from muledetect.graph import build_graph
from muledetect.labels import every_account
from muledetect.live.desk import Scorer
from muledetect.live.history import history, known_at
from muledetect.live.policy import Policy, read_policy
from muledetect.live.scorer import LiveScorer
from muledetect.live.types import AccountScore, Assessment, Booked, Explain
from muledetect.model import MuleModel
from muledetect.records import Dataset
from muledetect.replay.run import in_process, send
from muledetect.replay.tally import Tally

#: Days after the beginning of the world.
LEARNT: Final = (60, 75, 90)
KNOWN: Final = 104
FIRST: Final = 105

_HOLD: Final = {"action": "hold", "hold_for": "24h", "source": "", "choice": "of this benchmark"}

Tiers = dict[str, AccountScore]


def policy_from(tier: str) -> Policy:
    """Return the policy that holds payments of and to accounts from a tier on."""
    traced = {"name": "traced", "when": {"kind": "traced"}, "text": "hold the traced amount", **_HOLD}
    sides = [
        {"name": side, "when": {"kind": "tier", "side": side, "tier": tier}, "text": "hold the payment", **_HOLD}
        for side in ("payee", "payer")
    ]
    return read_policy("benchmark", {"currency": "", "rules": [traced, *sides]})


class Remembered:
    """A scorer whose answers are kept, so that the time can be replayed again under another policy."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer
        self._found, self._booked = dict[str, Assessment](), dict[str, list[Booked]]()

    def score_many(self, transfers: Sequence[Mapping[str, Any]], *, explain: Explain = False) -> list[Assessment]:  # noqa: ARG002 - of the protocol
        """Score what was not scored before."""
        if any(row["transfer_id"] not in self._found for row in transfers):
            self._found |= {one.transfer_id: one for one in self._scorer.score_many(transfers)}
        return [self._found[row["transfer_id"]] for row in transfers]

    def book_many(self, transfers: Sequence[Mapping[str, Any]]) -> list[Booked]:
        """Book what was not booked before."""
        return self._once(transfers, self._scorer.book_many)

    def advance_many(self, events: Sequence[Mapping[str, Any]]) -> list[Booked]:
        """Take what was not taken before."""
        return self._once(events, self._scorer.advance_many)

    def _once(self, rows: Sequence[Mapping[str, Any]], work: Callable[..., list[Booked]]) -> list[Booked]:
        key = repr(rows)
        if key not in self._booked:
            self._booked[key] = work(rows)
        return self._booked[key]

    def swap(self, model: Any) -> None:
        """Refuse: the answers are those of one model."""
        raise NotImplementedError


class Midnight:
    """A scorer that answers with what was said of each account at the begin of the payment's day (UTC)."""

    def __init__(self, at_midnight: Callable[[int], Tiers]) -> None:
        self._at_midnight, self._days = at_midnight, dict[int, Tiers]()

    def score_many(self, transfers: Sequence[Mapping[str, Any]], *, explain: Explain = False) -> list[Assessment]:  # noqa: ARG002 - of the protocol
        """Look both ends up."""
        found = []
        for row in transfers:
            moment = parse_time(row["time"])
            day = moment // DAY * DAY
            if day not in self._days:
                self._days[day] = self._at_midnight(day)
            ends = [self._days[day].get(row[side]) for side in ("source", "target")]
            found.append(Assessment(row["transfer_id"], moment, ends[0], ends[1], "midnight", ""))
        return found

    def book_many(self, transfers: Sequence[Mapping[str, Any]]) -> list[Booked]:
        """Take them as they are: the records of the night have them."""
        return [Booked("accepted")] * len(transfers)

    advance_many = book_many

    def swap(self, model: Any) -> None:
        """Refuse: the model is that of the night."""
        raise NotImplementedError


def nightly(dataset: Dataset, model: MuleModel) -> Callable[[int], Tiers]:
    """Return what scores all accounts at a midnight by the batch function."""

    def at_midnight(moment: int) -> Tiers:
        rows = pipeline.score(dataset, model, moment, n_explained=0).to_pylist()
        return {row["account_id"]: AccountScore(row["account_id"], row["score"], row["probability"], row["tier"])
                for row in rows}  # fmt: skip

    return at_midnight


def rules_only(dataset: Dataset, of_model: Callable[[int], Tiers]) -> Callable[[int], Tiers]:
    """Return what puts, by the rules-only score, as many accounts into each tier at a midnight as the model does."""

    def at_midnight(moment: int) -> Tiers:
        n_of = Counter(one.tier for one in of_model(moment).values())
        table = extract(dataset, every_account(dataset, moment), rule_columns())
        names, score = table["account_id"].to_pylist(), rules_score(table)
        tier = np.full(len(names), "none", object)
        # ties by name: the score has few values, and the number must be equal
        ranked = np.lexsort((names, -score))
        tier[ranked[: n_of["suspected"] + n_of["watch"]]] = "watch"
        tier[ranked[: n_of["suspected"]]] = "suspected"
        return {name: AccountScore(name, float(s), float("nan"), t)
                for name, s, t in zip(names, score, tier, strict=True)}  # fmt: skip

    return at_midnight


def replay(dataset: Dataset, scorer: Scorer, policy: Policy, begin: int, end: int) -> dict[str, Any]:
    """Send the time from `begin` to `end` through a scorer and the policy; return the figures, and payments held."""
    tally, target = (
        Tally(dataset, begin, end),
        in_process(dataset, lambda: known_at(dataset, begin), scorer, policy, begin),
    )
    for part in history(dataset, begin, end):
        send(part, target, tally)
    target.close()
    found = tally.found()
    return found.figures | {"n_held": found.tables["decisions"]["subject"].to_pylist().count("transfer")}


def compare(evasion: float, given: argparse.Namespace) -> None:
    """Print a line for each scorer."""
    world = {"n_accounts": given.accounts, "n_days": FIRST + given.days, "mule_share": given.mules, "evasion": evasion}
    learnt = pipeline.simulate(seed=1, **world)
    start = int(build_graph(learnt).time[0]) // DAY * DAY
    model = pipeline.train(
        learnt, [start + day * DAY for day in LEARNT], target="active", known_by=start + KNOWN * DAY, live=True,
        model=MuleModel(n_jobs=1),
    )  # fmt: skip
    bank = pipeline.simulate(seed=101, **world)
    begin = int(build_graph(bank).time[0]) // DAY * DAY + FIRST * DAY
    by_night = nightly(bank, model)
    with LiveScorer(model, known_at(bank, begin)) as live:
        scorers: dict[str, Scorer] = {
            "live": live, "nightly": Midnight(by_night), "rules only": Midnight(rules_only(bank, by_night)),
            "traced only": Midnight(lambda _: {name: AccountScore(name, 0.0, 0.0, "none")
                                               for name in by_night(begin)}),
        }  # fmt: skip
        for name, scorer in scorers.items():
            kept = Remembered(scorer)
            for tier in ("suspected", "watch") if name != "traced only" else ("suspected",):
                found = replay(bank, kept, policy_from(tier), begin, begin + given.days * DAY)
                print(line(evasion, name, tier if name != "traced only" else "-", found), flush=True)


def line(evasion: float, name: str, tier: str, found: Mapping[str, Any]) -> str:
    """Return a line of the table."""
    per_million = 1e6 * found["innocent_held"] / found["saved"] if found["saved"] else None
    median, share = found["seconds_q50"], found["share_saved"]
    cells = [
        f"{evasion:g}", name, tier, f"{found['at_stake'] / 100:,.0f}", "-" if share is None else f"{share:.1%}",
        "-" if per_million is None else f"{per_million:,.0f}", f"{found['n_detected']} of {found['n_accounts']}",
        "-" if median is None else f"{median:,.0f}", f"{found['n_held']:,} of {found['n_transfers']:,}",
    ]  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--accounts", type=int, default=2_500)
    options.add_argument("--mules", type=float, default=0.05, help="share of the accounts that are ever mules")
    options.add_argument("--days", type=int, default=7, help="that are replayed")
    options.add_argument("--evasion", type=float, nargs="+", default=[0.0, 0.25, 0.5])
    given = options.parse_args()
    began = time.process_time()
    print("| evasion | scores | held from | stolen money at stake | saved | innocent held per million saved "
          "| accounts detected | median seconds | payments held |\n|---:|---|---|" + "---:|" * 6)  # fmt: skip
    for evasion in given.evasion:
        compare(evasion, given)
    print(f"\n{time.process_time() - began:.0f} s of the processor")


if __name__ == "__main__":
    main()
