"""From scores to rings: suspicion, suspects, links, episodes, communities, tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import pyarrow as pa

from muledetect.arrays import Float64Array, Int64Array, run_starts
from muledetect.clock import Duration, parse_duration
from muledetect.errors import OptionError
from muledetect.facts import Snapshot
from muledetect.facts.columns import numbers
from muledetect.frames import as_arrow
from muledetect.progress import Progress, silent
from muledetect.rings.account_evidence import gather_evidence, is_prevalence_unknown, read_scores
from muledetect.rings.assemble import Found, assemble
from muledetect.rings.communities import (
    RHYTHM,
    SAME_ACCOUNT,
    Communities,
    Edges,
    Episodes,
    find_communities,
    find_episodes,
    follow,
    is_close_in_time,
    join_links,
    usual_rests,
)
from muledetect.rings.links import KINDS, LinkKind, RingContext
from muledetect.rings.null import factor_of, weigh_kinds
from muledetect.rings.ring import RingTables
from muledetect.rings.suspicion import find_suspects

#: Fewer accounts are no ring.
SMALLEST_RING: Final = 3

#: An account that has at least this share of its links with another ring than its own is in both.
OVERLAP: Final = 0.35


def find_rings(
    snapshot: Snapshot,
    scores: Any,
    *,
    max_rings: int | None = None,
    min_precision: float = 0.4,
    min_suspicion: float = 0.5,
    window: Duration = "180d",
    holding_time: Duration = "72h",
    rest: Duration = "10d",
    max_counterparties: int = 200,
    resolution: float = 0.035,
    links: Sequence[LinkKind] = KINDS,
    progress: Progress | None = None,
) -> RingTables:
    """Find rings of accounts that pass money on to each other, around scores, complaints and watch lists.

    Parameters
    ----------
    snapshot : Snapshot
        What the bank knew at the moment of the search; complaints, watch lists, sessions, identifiers and kinds of
        account are used where they are there.
    scores : pyarrow.Table, pandas.DataFrame or anything with `__arrow_c_stream__`
        `account_id`, `score`, `probability`; with `as_of`, each account's latest at or before the search counts. Where
        the prevalence is unknown, `tier` as well, see Notes.
    max_rings : int, optional
        Keep so many rings, those with the most illicit money to be expected; all by default.
    min_precision : float
        Groups that are a ring with less probability are not shown, but counted as `RingTables.n_weaker`; 0 shows all.
    min_suspicion : float
        Members have at least this suspicion, see `find_suspicion`; seeds have 0.2 or more by their own evidence.
    window : Duration
        How far back transfers are looked at.
    holding_time : Duration
        Longest stay of money that counts as relayed; at least one tick of the clock.
    rest : Duration
        An account that deals with no other suspect for so long, and three times as long as it does usually, has ended
        an episode; another may be of another ring.
    max_counterparties : int
        An account with more in the window joins no ring unless its own evidence says so.
    resolution : float
        Link weight that an average pair of members must have; see `find_communities`.
    links : sequence of LinkKind
        Kinds of link to look for.
    progress : callable, optional
        Called with the stage in words and the fraction done; 0.0 where that is not known.

    Returns
    -------
    RingTables
        Empty tables with all columns if nothing was found. `ring_ties` is empty: see `find_ties`.

    Raises
    ------
    OptionError
        If an option is out of its range.
    DataError
        If the scores cannot be used.

    Notes
    -----
    Where the prevalence of the bank is unknown (the metadata of the scores say so, or tiers stand at probabilities that
    are too low for them), each alert starts a search: its probability is at least that of its rank, odds `(b / rank) **
    2` with `b` the rank of the last alert of its moment. With a known prevalence the probability counts as it is. As a
    bank without mules has alerts, too, a ring is less probable there.

    O(transfers log transfers, within the window, + pairs of accounts * 100 small trees + accounts + sessions).
    Renaming accounts or reordering rows changes no partition and no number; it changes `ring_id`, a hash of the
    members' ids.
    """
    _check(min_suspicion, min_precision, max_counterparties, resolution, max_rings)
    tell, tick = progress or silent, snapshot.graph.tick
    tell("suspicion", 0.0)
    stay, pause = parse_duration(holding_time), max(parse_duration(rest), tick)
    since = snapshot.as_of - max(parse_duration(window), tick)
    table = as_arrow(scores, "scores")
    evidence = gather_evidence(snapshot, read_scores(table, snapshot))
    suspects = find_suspects(
        snapshot, evidence, since=since, holding_time=stay, most=max_counterparties, min_suspicion=min_suspicion
    )
    if not suspects.is_seed.any():
        return RingTables()
    suspects = replace(suspects, is_prevalence_known=not is_prevalence_unknown(table))
    context = RingContext(snapshot, suspects, since, stay, pause)
    found = {}
    for place, kind in enumerate(links):
        tell("links", place / len(links))
        found[kind.name] = kind.find(context)
    tell("rings", 0.0)
    judged = weigh_kinds(context, found)
    episodes, edges = _episodes(context, found, links, factor_of(judged))
    members = _members(context, episodes, edges, resolution=resolution, min_suspicion=min_suspicion)
    tables = assemble(context, members, found, min_precision=min_precision, max_rings=max_rings)
    return replace(tables, currency=snapshot.currency, ring_kinds=judged)


def _check(
    min_suspicion: float, min_precision: float, max_counterparties: int, resolution: float, max_rings: int | None
) -> None:
    if not 0 <= min_precision <= 1:
        raise OptionError(f"rings: min_precision must lie in 0 to 1; got {min_precision}.")
    if not 0 < min_suspicion <= 1:
        raise OptionError(f"rings: min_suspicion must be above 0 and at most 1; got {min_suspicion}.")
    if max_counterparties < 1:
        raise OptionError(f"rings: max_counterparties must be at least 1; got {max_counterparties}.")
    if not 0 < resolution < np.inf:
        raise OptionError(f"rings: resolution must be positive and finite; got {resolution}.")
    if max_rings is not None and max_rings < 1:
        raise OptionError(f"rings: max_rings must be at least 1, or None for all; got {max_rings}.")


def _episodes(
    context: RingContext, found: dict[str, pa.Table], links: Sequence[LinkKind], factor: dict[str, float]
) -> tuple[Episodes, Edges]:
    """Cut the suspects' time into episodes by the links of money, and join those by all links.

    A link weighs in proportion to the suspicion of both ends, and to what its kind counts here; that of two episodes of
    one account in proportion to its suspicion.
    """
    kinds = [kind for kind in links if found[kind.name].num_rows]
    opening = [found[kind.name] for kind in kinds if kind.opens_episodes]
    ends = [context.suspects.positions(table[end].to_numpy()) for table in opening for end in ("source", "target")]
    spans = [[numbers(table, name) for table in opening for _ in range(2)] for name in ("first_time", "last_time")]
    none = np.zeros(0, np.int64)
    graph, paid = context.snapshot.graph, context.paid
    who = np.concatenate([context.suspects.positions(end[paid]) for end in (graph.source, graph.target)])
    usual = usual_rests(who, np.tile(graph.time[paid], 2), len(context.suspects))
    rest = np.maximum(context.rest, RHYTHM * usual)
    episodes = find_episodes(*(np.concatenate([none, *parts]) for parts in (ends, *spans)), rest=rest)
    parts = [_edges(context, episodes, found[kind.name], kind.opens_episodes) for kind in kinds]
    before, after = follow(episodes)
    left, right = (np.concatenate([same, *(part[side] for part in parts)]) for side, same in ((0, before), (1, after)))
    same_account = SAME_ACCOUNT * context.suspects.suspicion[episodes.suspect[before]]
    weight = np.concatenate([same_account, *(part[2] * factor[k.name] for part, k in zip(parts, kinds, strict=True))])
    return episodes, join_links(left, right, weight)


def _edges(
    context: RingContext, episodes: Episodes, table: pa.Table, opens: bool
) -> tuple[Int64Array, Int64Array, Float64Array]:
    first, last = numbers(table, "first_time"), numbers(table, "last_time")
    ends, of_ends = [], np.ones(table.num_rows)
    for name in ("source", "target"):
        suspect = context.suspects.positions(table[name].to_numpy())
        episode = episodes.of(suspect, last)
        if not opens:
            # a phone that both used months before binds no ring of today
            episode = np.where(is_close_in_time(episodes, episode, first, last, rest=context.rest), episode, -1)
        ends.append(episode)
        of_ends = of_ends * context.suspects.suspicion[suspect]
    # the product of the ends first: which end is the source of an undirected link depends on names
    return ends[0], ends[1], table["weight"].to_numpy() * of_ends


def _members(
    context: RingContext, episodes: Episodes, edges: Edges, *, resolution: float, min_suspicion: float
) -> Found:
    suspects = context.suspects
    of = episodes.suspect
    traits = (
        suspects.suspicion[of],
        suspects.is_seed[of].astype(np.int64),
        suspects.n_counterparties[of],
        context.snapshot.as_of - episodes.first_time,
    )
    groups = find_communities(edges.left, edges.right, edges.weight, traits, resolution=resolution)
    episode, label, share, inner = _overlaps(groups, edges)
    shown = suspects.suspicion[of[episode]] >= min_suspicion
    episode, label, share, inner = episode[shown], label[shown], share[shown], inner[shown]
    begin, end = _spans(context, episodes)
    # an account with several episodes in one ring is one member, from the first on
    order = np.lexsort((episode, of[episode], label))
    episode, label, share, inner = episode[order], label[order], share[order], inner[order]
    first = np.flatnonzero(run_starts(label, of[episode]))
    last = np.append(first[1:], len(order)) - 1
    account = of[episode[first]]
    ring = label[first]
    is_ring = np.bincount(ring, minlength=len(of) + 1) >= SMALLEST_RING
    is_ring &= np.bincount(ring, weights=suspects.is_seed[account], minlength=len(of) + 1) >= 1
    kept = np.flatnonzero(is_ring[ring])
    _, number = np.unique(ring[kept], return_inverse=True)
    best, inner = (np.maximum.reduceat(part, first) if len(first) else part for part in (share, inner))
    return Found(
        account=suspects.account[account[kept]],
        ring=number.astype(np.int64),
        membership=best[kept],
        suspicion=suspects.suspicion[account[kept]],
        is_seed=suspects.is_seed[account[kept]],
        bond=inner[kept],
        begin=begin[episode[first[kept]]],
        end=end[episode[last[kept]]],
    )


def _spans(context: RingContext, episodes: Episodes) -> tuple[Int64Array, Int64Array]:
    """Return from when to when each episode's transfers count: up to the holding time before the next one begins."""
    begin = episodes.first_time - context.holding_time
    end = np.full(len(episodes), context.snapshot.as_of)
    goes_on = np.flatnonzero(episodes.suspect[1:] == episodes.suspect[:-1])
    end[goes_on] = begin[goes_on + 1]
    return begin, end


def _overlaps(groups: Communities, edges: Edges) -> tuple[Int64Array, Int64Array, Float64Array, Float64Array]:
    """Add the episodes that have much of their links with another community.

    Returns episode, community, membership and weight of the links with that community.
    """
    label, n = groups.label, len(groups.label)
    end = np.concatenate([edges.left, edges.right])
    there = label[np.concatenate([edges.right, edges.left])]
    weight = np.concatenate([edges.weight, edges.weight])
    order = np.lexsort((weight, there, end))
    key = end[order] * (n + 1) + there[order]
    begins = run_starts(key)
    total = np.bincount(np.cumsum(begins) - 1, weights=weight[order]) if len(key) else np.zeros(0)
    end, there = end[order][begins], there[order][begins]
    # the same order for every name: by size within the account
    by_size = np.lexsort((total, end))
    whole = np.bincount(end[by_size], weights=total[by_size], minlength=n)
    share = total / whole[end]
    own, inner = there == label[end], np.zeros(n)
    inner[end[own]] = total[own]
    also = ~own & (share >= OVERLAP)
    return (
        np.concatenate([np.arange(n), end[also]]),
        np.concatenate([label, there[also]]),
        np.concatenate([groups.membership, share[also]]),
        np.concatenate([inner, total[also]]),
    )
