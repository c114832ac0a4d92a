"""Measure how real a simulated bank looks, and write docs/realism.md: `python docs/realism.py`.

Needs the extra `notebook` (matplotlib draws the pictures). The page holds nothing of the machine it was made on.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from _realism_crime import knowledge, layers, mules, speed, victims
from _realism_evasion import METRICS, SHARE, Dial, dial
from _realism_life import (
    amounts,
    balances,
    bursts,
    collectors,
    counterparties_a_month,
    degrees,
    fit_tail,
    instant_payments,
    payments_a_month,
    rhythm,
    shop_tail,
)
from _realism_pictures import draw_crime, draw_dial, draw_life
from _realism_published import CRIME, LIFE, SOURCES, Figure
from _realism_world import WorldArrays, read_world

from muledetect.simulation import world_config, write_world

PRESET: Final = "thai_bank"
SETTINGS: Final = (0.0, 0.25, 0.5, 0.75, 1.0)
HERE: Final = Path(__file__).parent


def main() -> None:
    """Simulate, measure, draw and write."""
    given = _options()
    folder = given.output.parent / given.output.stem
    config = world_config(PRESET, n_accounts=given.accounts, n_days=given.days, seed=given.seed)
    with tempfile.TemporaryDirectory() as place:
        tell(f"simulating {config.n_accounts:,} accounts, {config.n_days} days")
        write_world(config, Path(place) / "world")
        world = read_world(Path(place) / "world", config)
    tell("measuring")
    parts = [head(world, given), life(world), crime(world)]
    folder.mkdir(parents=True, exist_ok=True)
    draw_life(world, folder / "life.svg")
    draw_crime(world, folder / "crime.svg")
    del world
    if given.dial_seeds:
        base = {"n_accounts": given.dial_accounts, "n_days": given.dial_days, "mule_share": given.dial_mules}
        found = dial(PRESET, base, SETTINGS, range(1, given.dial_seeds + 1), tell)
        draw_dial(found, folder / "evasion.svg")
        parts.append(evasion(found, base))
    parts.append(sources())
    given.output.write_text("\n".join(parts).replace("(realism/", f"({folder.name}/"), encoding="utf-8")


def _options() -> argparse.Namespace:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--accounts", type=int, default=50_000, help="accounts of the world that is measured")
    options.add_argument("--days", type=int, default=120)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--output", type=Path, default=HERE / "realism.md")
    options.add_argument(
        "--dial-accounts", type=int, default=40_000, help="accounts of each world with another evasion"
    )
    options.add_argument("--dial-days", type=int, default=120)
    options.add_argument("--dial-mules", type=float, default=0.005, help="their share of mules")
    options.add_argument("--dial-seeds", type=int, default=3, help="worlds a setting; 0 leaves the table out")
    return options.parse_args()


def tell(text: str) -> None:
    """Show what is being done."""
    print(text, file=sys.stderr, flush=True)


def head(world: WorldArrays, given: argparse.Namespace) -> str:
    """Return the title and what was simulated."""
    settings = {"accounts": 50_000, "days": 120, "seed": 1, "dial_accounts": 40_000, "dial_days": 120,
                "dial_mules": 0.005, "dial_seeds": 3}  # fmt: skip
    changed = "".join(
        f" --{name.replace('_', '-')} {getattr(given, name)}"
        for name, default in settings.items()
        if getattr(given, name) != default
    )
    return f"""# How real the simulated bank looks

```sh
python docs/realism.py{changed}
```

The command above made this page with muledetect {version("muledetect")}, numpy {version("numpy")} and lightgbm
{version("lightgbm")}. The simulated bank of the first two sections is preset `{PRESET}` with {
        world.config.n_accounts:,} accounts at our bank
over {world.config.n_days} days, seed {world.config.seed}: {len(world.graph.time):,} transfers and {
        int((world.is_mule & world.is_own).sum()):,} mules of ours.

A figure is *close* when ours lies in a range around the published one, and *apart* when it does not. We chose the
ranges (`docs/_realism_published.py`): they are wider where the published figure counts something different from ours.
Where no published figure was found, we say so. Close figures make a simulation plausible, not true. Nothing here shows
that a model that is good on simulated banks is good at a real one.
"""


def life(world: WorldArrays) -> str:
    """Return the section on normal life."""
    paid, n_payers = payments_a_month(world)
    instant, beat, money = instant_payments(world), rhythm(world), balances(world)
    tails = {side: fit_tail(counts) for side, counts in degrees(world).items()}
    burst, met = bursts(world), counterparties_a_month(world)
    gathered, rest = collectors(world)
    ours = {
        "payments": float(paid.sum()),
        "instant_mean": instant["mean"],
        "small_share": instant["small_share"],
        "small_mean": instant["small_mean"],
        "shop_tail": shop_tail(world),
        "log_skew": instant["log_skew"],
        "in_tail": tails["in"].exponent,
        "out_tail": tails["out"].exponent,
        "burstiness": burst.corrected,
        "memory": burst.memory,
        "quietest": float(beat["quietest"]),
        "saturday": beat["saturday_spending"],
        "under_500": money["under_500"],
        "median": money["median"],
        "under_50000": money["under_50000"],
        "top_tenth": money["top_tenth"],
        "rest": rest,
    }
    spread = amounts(world)
    spread["a person a month"] = paid.reindex(spread.index)
    tail = tails["in"]
    return f"""## Normal life

{compare(LIFE, ours)}

Tail exponents are maximum-likelihood estimates; the tail begins where the Kolmogorov-Smirnov distance is smallest
(Clauset, Shalizi, Newman 2009): payers {tail.exponent:.2f} +/- {tail.error:.2f} from {tail.least} on ({tail.n:,}
accounts), payees {tails["out"].exponent:.2f} +/- {tails["out"].error:.2f} from {tails["out"].least} on ({
        tails["out"].n:,}). Burstiness:
median over {burst.n:,} persons with 30 payments or more, {burst.plain:.2f} before the correction for few events.
Payments a month are means over the {n_payers:,.0f} persons' accounts that made any payment.

![Degrees, amounts, hours and balances](realism/life.svg)

Amounts in baht of transfers that are not part of a crime, by channel. `log_spread` is the standard deviation of the
logarithm:

{frame(spread, {"transfers": ",.0f", "log_spread": ".2f", "a person a month": ".2f"}, ",.0f")}

A person's account deals with {np.median(met):.0f} others in a month (median; a tenth with {np.quantile(met, 0.1):.0f}
or fewer, a tenth with {np.quantile(met, 0.9):.0f} or more). No published figure was found. The busiest hour begins at
{beat["busiest"]}:00; {beat["night"]:.1%} of payments are made from midnight to 6:00. By weekday:
{", ".join(f"{day} {share:.1%}" for day, share in beat["by_weekday"].items())}. A day around pay day (26th to 5th) has
{beat["payday"]:.2f} times the payments of another. No published figure was found for these either.

**Most accounts with many payers are honest.** The table counts our accounts that look like a collector at any time, and
how many of them are not mules. It shows how often a simple rule on the number of payers would be wrong. No published
figure was found.

{frame(gathered, {"accounts": ",.0f", "honest": ".1%"}, "")}
"""


def crime(world: WorldArrays) -> str:
    """Return the section on crime."""
    fast, who, known, lost, deep = speed(world), mules(world), knowledge(world), victims(world), layers(world)
    ours = {
        "prevalence": who["prevalence"],
        "15min": fast["15min"],
        "1h": fast["1h"],
        "loss_mean": lost["mean"],
        "within_a_week": who["within_a_week"],
        "younger_than_90d": who["younger_than_90d"],
        "per_holder": who["accounts_per_holder"],
        "layers": deep["layers_of_a_ring"],
        "moves": deep["moves_per_payment"],
    }
    config = world.config
    return f"""## Crime

{compare(CRIME, ours)}

Of the stolen money that reached our accounts (`truth_money`, first in first out), {
        fast["24h"]:.0%} had left after a day,
{fast["7d"]:.0%} after a week. {who["n"]:,} mules of ours in {deep["n_rings"]:,} rings, so these figures are rough.

![How fast stolen money moves on, and what cases lose](realism/crime.svg)

| what | ours | parameter |
|---|---|---|
| evasion | {config.evasion:g} | `evasion` |
| mules used for a day or less; median days | {who["within_a_day"]:.0%}; {who["median_life_days"]:.1f} | |
| recruited as | {shares(who["recruited_as"])} | `new_mule_share`, ... |
| most mule accounts of one holder | {who["most_accounts_of_a_holder"]} | |
| ring members by layer | {shares(deep["layers"])} | |
| money leaving the rings, by channel | {shares(deep["exits"])} | |
| cases; median, 90th percentile, largest loss (baht) | {lost["cases"]:,.0f}; {lost["median"]:,.0f}, {
        lost["p90"]:,.0f}, {lost["largest"]:,.0f} | |
| payments of a case that our bank sees | {lost["payments"]:.1f} | |
| cases whose victim complained to us | {lost["complained"]:.0%} | `complaint_share` |
| complaint after the last payment: median hours; within a day | {lost["median_delay_hours"]:.0f}; {
        lost["within_a_day"]:.0%} | `median_complaint_delay_h` |
| complaints that no victim made | {lost["not_a_victim"]:.0%} | `wrong_complaint_share` |
| mules that the bank has found by the end | {known["found"]:.0%} | `found_share` |
| label after the first illicit transfer: median, 90th percentile, days | {known["median_delay_days"]:.0f}, {
        known["p90_delay_days"]:.0f} | |
| labels `mule` that are wrong | {known["wrong"]:.0%} | `wrong_label_share` |

Not simulated: banks that block accounts or hold money (in Thailand 2% to 11% of it, by press reports), refunds,
investigators who act on a model's results, and criminals who learn which accounts were found.
"""


def evasion(found: Dial, base: Mapping[str, Any]) -> str:
    """Return the section on evasion."""
    rows = []
    for setting, (table, worlds) in found.items():
        positives = int(sum(world.target.sum() for world in worlds))
        known = sum(world.n_known for world in worlds)
        accounts = sum(len(world.target) for world in worlds)
        for method, row in table.iterrows():
            cells = [f"{row[m]:.3f} [{row[f'{m}_low']:.3f}, {row[f'{m}_high']:.3f}]" for m in METRICS]
            rows.append(f"| {setting:g} | {method} | {' | '.join(cells)} | {positives:,} of {accounts:,} | {known:,} |")
    gone = [
        f"{setting:g}: " + ", ".join(f"{np.mean([world.gone[t] for world in worlds]):.0%}" for t in ("15min", "1h"))
        for setting, (_, worlds) in found.items()
    ]
    usual = world_config(PRESET)
    rules, model = (found[usual.evasion][0].loc[method] for method in ("rules only", "this model"))
    n_worlds = len(next(iter(found.values()))[1])
    return f"""## Evasion

The parameter `evasion` (0 to 1) makes criminals split amounts, wait, spend, imitate salaries, use old accounts with a
real history, change devices, and talk honest customers into passing money on. For each value {
        n_worlds
    } banks are simulated
(preset `{PRESET}`, {base["n_accounts"]:,} accounts, {base["n_days"]} days, seeds 1 to {n_worlds}). {
        base["mule_share"]:.2%} of
the accounts are mules, more than the {usual.mule_share:.2%} of the preset, so that a few banks have enough of them to
measure. In each bank the models learn at two thirds of the time from what the bank had found by then (target `ever`,
pack `TH`). All methods then rank the accounts at the end, and are compared with the whole truth. Rings and persons that
were known in training are left out. Honest customers who passed money on count as mules.

AP is average precision. Recall and precision are those of the {
        SHARE:.1%} of accounts ranked highest. *Recall at precision
1/2* is the highest recall of any threshold at which every second account shown is a mule. `known` counts the mules in
training. Brackets are 95% intervals from drawing whole rings and persons again. Rules are those of
`muledetect/evaluation/rules.py`. *LightGBM without graph* uses totals, amounts and times; *with all* is our model.

With the preset's own value ({usual.evasion:g}), a team that reviews the highest {SHARE:.1%} finds {
        rules["recall"]:.0%} of the mules with rules, and {rules["precision"]:.0%} of
the accounts it reviews are mules. With our model it finds {model["recall"]:.0%}, and {
        model["precision"]:.0%} are mules. A team that wants every second account
to be a mule finds {rules["half"]:.0%} with rules and {model["half"]:.0%} with our model.

| evasion | method | AP | recall | precision | recall at precision 1/2 | mules sought | known |
|---|---|---|---|---|---|---|---|
{chr(10).join(rows)}

Criminals who wait move the money more slowly. Share of the money that left our accounts within 15 minutes and within an
hour, by value of `evasion`, mean over banks:
{"; ".join(gone)}. The published shares are 28% and more than half.

![Average precision and recall at each value of evasion](realism/evasion.svg)
"""


def sources() -> str:
    """Return the list of sources."""
    lines = [f"- **{key}**: {text}" for key, text in SOURCES.items()]
    return "## Sources\n\nThe brackets say what we read of each source.\n\n" + "\n".join(lines) + "\n"


def compare(figures: Mapping[str, Figure], ours: Mapping[str, float]) -> str:
    """Return a table of our figures beside the published ones."""
    rows = ["| what | ours | published | source | verdict | remark |", "|---|---|---|---|---|---|"]
    for key, figure in figures.items():
        shown, verdict = f"{ours[key]:{figure.form}}", figure.verdict(ours[key])
        source = ", ".join(figure.sources)
        rows.append(f"| {figure.what} | {shown} | {figure.published} | {source} | {verdict} | {figure.remark} |")
    return "\n".join(rows)


def frame(table: pd.DataFrame, forms: Mapping[str, str], otherwise: str) -> str:
    """Return a table in Markdown; what is not known stays empty."""
    rows = [f"| {table.index.name} | {' | '.join(table.columns)} |", "|---" * (len(table.columns) + 1) + "|"]
    for name, row in table.iterrows():
        cells = ["" if pd.isna(value) else f"{value:{forms.get(str(c), otherwise)}}" for c, value in row.items()]
        rows.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(rows)


def shares(values: Mapping[Any, float]) -> str:
    """Return shares in words, the largest first."""
    ordered = sorted(values.items(), key=lambda item: (-item[1], str(item[0])))
    return ", ".join(f"{name} {share:.0%}" for name, share in ordered if share >= 0.005)


if __name__ == "__main__":
    main()
