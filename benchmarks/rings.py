"""How well rings are found, beside other ways, in banks of several makers; see _ring_sources.py.

    python benchmarks/rings.py --cache DIR [--amlsim DIR] [--fragments HI-Medium_PatternTransactions.csv]
    python benchmarks/rings.py --cache DIR --sources thai_bank hard --ours    # some of them, without the other ways
    python benchmarks/rings.py --cache DIR --stable                           # 5% of transfers removed
    python benchmarks/rings.py --speed [--accounts 1e6 --transfers 20e6]
    python benchmarks/rings.py --cache ANOTHER --fit                          # coefficients of suspicion and pairs

All ways get the same scores: out of fold by ring, from the transfers only, of models of one stage (of two with
`--stages 2` and a cache of its own). The search sees all tables of a bank but labels. Banks and scores stay in the
cache, so that a changed search is measured in minutes. Prints Markdown.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import _ring_peers as peers
import numpy as np
import pandas as pd
import pyarrow as pa
from _ring_fit import fit_coefficients
from _ring_measures import FOUND, RIGHT, compare, measure, table
from _ring_sources import Source, source_names, sources
from _ring_speed import speed

from muledetect.facts import Facts, Snapshot
from muledetect.records import read_dataset
from muledetect.rings import RingTables, find_rings

#: Patterns of AMLworld, where a folder of data sets has them.
PATTERNS: Final = "amlworld_fragments/HI-Medium_PatternTransactions.csv"

SAYS: Final = f"""\
*Shown*: candidates in the list. *@ n*: the first so many of the list as there are true rings. *Value recall*: share of
the rings' money in accounts that a candidate catches, each candidate answering for one ring. *Rings found*: share of
true rings with which a candidate has a Jaccard index of {FOUND} or more. *Purity*: share of the candidates' members
that belong to the ring most common in theirs. *Right*: share of the candidates with a Jaccard index of {RIGHT} or more
with a true ring; *expected*: the mean of their stated probabilities, whose calibration error is next to it.
"""


def search(source: Source, scores: pa.Table) -> RingTables:
    """Return the rings of a source."""
    return find_rings(Snapshot(Facts(source.dataset, source.graph), source.as_of), scores, window="all")


def ours(source: Source, scores: pa.Table) -> dict[str, float]:
    """Search, and measure what is shown."""
    found = search(source, scores)
    stated = found.rings["probability"].to_numpy() if "probability" in found.rings.column_names else None
    return measure(source, members_of(found), found.rings["ring_id"].to_pylist(), stated)


def members_of(found: RingTables) -> pd.DataFrame:
    """Return `ring_id`, `account_id` and `membership`."""
    members = found.ring_members.select(["ring_id", "account_id", "membership"]).to_pandas()
    return members.astype({"ring_id": object, "account_id": object})


def ways(source: Source, *, only_ours: bool) -> Iterator[tuple[str, dict[str, float]]]:
    """Yield the figures of every way to find rings."""
    probability = np.zeros(source.graph.n_accounts)
    probability[source.graph.codes(source.scores["account_id"])] = source.scores["probability"].to_numpy()
    yield "**muledetect**", ours(source, source.scores)
    yield "muledetect, true scores", ours(source, source.true_scores())
    if only_ours:
        return
    others: dict[str, Callable[[], peers.Candidates]] = {
        "components of suspects": lambda: peers.components(source.graph, probability),
        "Leiden among suspects": lambda: peers.leiden(source.graph, probability, whole=False),
        "Leiden on all transfers": lambda: peers.leiden(source.graph, probability, whole=True),
        "flow peeling": lambda: peers.peel(source.graph, probability),
    }
    for name, way in others.items():
        yield name, measure(source, *way())


def show(source: Source, *, only_ours: bool) -> None:
    """Print the block of a source."""
    begun = time.process_time()
    n_rings, members = source.true["ring_id"].nunique(), source.true["account_id"].nunique()
    print(f"**{source.name}.** {source.graph.n_accounts:,} accounts, {source.graph.n_transfers:,} transfers, {n_rings} "
          f"rings of {members:,} accounts. Average precision of the scores: {source.precision():.2f}.\n")  # fmt: skip
    print(table(dict(ways(source, only_ours=only_ours))) + "\n", flush=True)
    print(f"{source.name}: {time.process_time() - begun:.0f} s of the processor", file=sys.stderr, flush=True)


def stable(source: Source) -> None:
    """Compare the rings of all transfers with those of 95% of them."""
    before = members_of(search(source, source.scores))
    rng, transfers = np.random.default_rng(0), source.dataset.transfers
    runs = []
    for _ in range(5):
        kept = np.sort(rng.permutation(len(transfers))[: int(0.95 * len(transfers))])
        tables = source.dataset.tables | {"transfers": transfers.take(pa.array(kept))}
        thinned = read_dataset(tables, currency=source.dataset.currency)
        found = find_rings(Snapshot(thinned, source.as_of), source.scores, window="all")
        runs.append(compare(members_of(found), before))
    print(f"{source.name}, 5% of transfers removed, 5 draws, rings compared with those of all transfers:")
    print("mean of", ", ".join(f"{name} {np.mean([run[name] for run in runs]):.2f}" for name in runs[0]))
    print("least of", ", ".join(f"{name} {np.min([run[name] for run in runs]):.2f}" for name in runs[0]))


def main() -> None:
    """Print the page, or what an option asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, help="where banks and scores are kept")
    parser.add_argument("--amlsim", type=Path, help="folder of IBM AMLSim as a data set")
    parser.add_argument("--fragments", type=Path, help="patterns of AMLworld; by default those beside AMLSim, if there")
    parser.add_argument("--sources", nargs="+", default=[], help="some of the banks, by name")
    parser.add_argument("--ours", action="store_true", help="leave the other ways out")
    parser.add_argument("--stages", type=int, choices=(1, 2), default=1, help="stages of the models that score")
    parser.add_argument("--accounts", type=float, default=1e6)
    parser.add_argument("--transfers", type=float, default=20e6)
    for flag in ("--stable", "--speed", "--fit"):
        parser.add_argument(flag, action="store_true")
    args = parser.parse_args()
    if args.speed:
        return speed(int(args.accounts), int(args.transfers))
    if args.cache is None:
        parser.error("--cache DIR is needed")
    beside = args.amlsim.parent / PATTERNS if args.amlsim else None
    fragments = args.fragments or (beside if beside and beside.exists() else None)
    names = source_names(args.amlsim, fragments)
    if unknown := set(args.sources) - set(names):
        parser.error(f"no bank {sorted(unknown)}; choose of {names}")
    if args.fit:
        return fit_coefficients(sources(args.cache, amlsim=args.amlsim, fragments=fragments, wanted=args.sources))
    if args.stable:
        return stable(next(sources(args.cache, amlsim=None, fragments=None, wanted=args.sources or names[:1])))
    print(SAYS)
    every = sources(args.cache, amlsim=args.amlsim, fragments=fragments, wanted=args.sources, n_stages=args.stages)
    for source in every:
        show(source, only_ours=args.ours)
    return None


if __name__ == "__main__":
    main()
