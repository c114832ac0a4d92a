"""The text of boosted trees: read once into checked numbers, and written anew from them.

LightGBM trusts the text that it is given: it takes the lengths and positions that the text states, ends lines where
Python does not, and of two equal keys keeps the last. So no text from a file ever reaches it. `rewrite_trees` reads a
text strictly, in the one form that LightGBM 4 writes for a plain binary model, and writes a new text from the numbers
that it read. The new text of an honest model is equal to the old one, byte for byte.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, NewType

#: Text that `rewrite_trees` wrote; the only kind that may be given to LightGBM.
TreesText = NewType("TreesText", str)

#: Leaves that a tree may have.
MOST_LEAVES: Final = 4096

#: Nodes above a leaf: the time that reasons take grows with the square of it.
MOST_DEPTH: Final = 256

#: Signs that all texts of a model may have together; reading one takes some six times its memory.
MOST_SIGNS: Final = 256 << 20

#: How far from 0 the scores (log-odds) of a bag of trees may lie; beyond 40 a probability is 0 or 1 already.
MOST_SCORE: Final = 1e6

_MOST_INT: Final = 2**31 - 1
_MOST_FLOAT32: Final = 3.5e38
_MOST_FLOAT: Final = 1.7e308


class TreesError(ValueError):
    """The text is not that of plain binary trees; says where, what was wanted and what is there."""


class _Form(NamedTuple):
    """How numbers of one kind are spelled: the signs that they may be made of, how they are read and written."""

    signs: re.Pattern[str]
    read: type[int] | type[float]
    write: str


_WHOLE: Final = _Form(re.compile(r"[-0-9 ]*"), int, "%d")
#: Numbers that scores depend on: written with all 17 digits, so that reading gives the same bits.
_EXACT: Final = _Form(re.compile(r"[-+.0-9einf ]*"), float, "%.17g")
#: Numbers that only describe a tree: LightGBM writes 6 digits of them.
_ROUND: Final = _Form(re.compile(r"[-+.0-9e ]*"), float, "%g")


class _Line(NamedTuple):
    """One line `key=numbers` of a tree: how many numbers, as leaves minus `fewer` (None: one), and their range."""

    key: str
    form: _Form
    fewer: int | None
    low: float
    high: float


#: The lines of a tree, in their order. A threshold may be infinite: it parts the rows without value from all others.
_LINES: Final = (
    _Line("num_leaves", _WHOLE, None, 1, MOST_LEAVES),
    _Line("num_cat", _WHOLE, None, 0, 0),
    _Line("split_feature", _WHOLE, 1, 0, _MOST_INT),
    _Line("split_gain", _ROUND, 1, -_MOST_FLOAT32, _MOST_FLOAT32),
    _Line("threshold", _EXACT, 1, -_MOST_FLOAT, float("inf")),
    _Line("decision_type", _WHOLE, 1, 2, 10),
    _Line("left_child", _WHOLE, 1, -MOST_LEAVES, MOST_LEAVES),
    _Line("right_child", _WHOLE, 1, -MOST_LEAVES, MOST_LEAVES),
    _Line("leaf_value", _EXACT, 0, -MOST_SCORE, MOST_SCORE),
    _Line("leaf_weight", _EXACT, 0, 0, _MOST_FLOAT),
    _Line("leaf_count", _WHOLE, 0, 0, _MOST_INT),
    _Line("internal_value", _ROUND, 1, -_MOST_FLOAT, _MOST_FLOAT),
    _Line("internal_weight", _ROUND, 1, 0, _MOST_FLOAT),
    _Line("internal_count", _WHOLE, 1, 1, _MOST_INT),
    _Line("is_linear", _WHOLE, None, 0, 0),
    _Line("shrinkage", _ROUND, None, 1e-12, 1),
)

#: Where a row without value goes, as LightGBM writes it for numeric columns: 2 = as if it were 0, 8 = right, 10 = left.
_DECISIONS: Final = frozenset((2, 8, 10))

Numbers = Sequence[float]
Tree = dict[str, Numbers]


class _Head(NamedTuple):
    """What a text says of its columns: directions (empty: none), and smallest and largest values (None: all are 0)."""

    directions: Numbers
    ranges: Sequence[tuple[float, float] | None]


def rewrite_trees(text: str, n_columns: int) -> TreesText:
    """Return the text of a plain binary model on `n_columns` numeric columns, written anew from its checked numbers.

    Every line is known and stands once, in its place; every number is finite (a threshold may be infinite) and in its
    range; each node and leaf of a tree is reached exactly once; no sum of leaves leaves `MOST_SCORE`. O(length).

    Raises
    ------
    TreesError
        If anything in the text is otherwise.
    """
    start, _, rest = text.partition("\n\n")
    body, _, end = rest.partition("end of trees\n")
    blocks = body.split("\n\n\n")
    if len(blocks) < 2 or blocks.pop():
        raise TreesError("its trees must each end with two empty lines, and 'end of trees' must follow the last")
    head, sizes = _read_head(start, n_columns)
    if sizes != [len(block) + 3 for block in blocks]:
        raise TreesError(f"'tree_sizes' does not fit its {len(blocks):,} trees")
    written: list[str] = []
    splits: Counter[float] = Counter()
    reach = 0.0
    for position, block in enumerate(blocks):
        tree = _read_tree(block, position)
        _check_shape(tree, n_columns, position)
        splits.update(
            column for column, gain in zip(tree["split_feature"], tree["split_gain"], strict=True) if gain > 0
        )
        reach += max(abs(value) for value in tree["leaf_value"])
        written.append(_write_tree(tree, position))
    if reach > MOST_SCORE:
        raise TreesError(f"its leaves add up to scores of {reach:g}; a score must lie within {MOST_SCORE:,.0f} of 0")
    if end != _write_end(splits):
        raise TreesError("what follows 'end of trees' does not fit the trees")
    return TreesText(_write_head(head, n_columns, written) + "".join(written) + "end of trees\n" + end)


def read_trees(text: TreesText) -> list[Tree]:
    """Return the numbers of each tree of a text that `rewrite_trees` wrote, in their order."""
    body = text.partition("\n\n")[2].partition("end of trees\n")[0]
    return [_read_tree(block, position) for position, block in enumerate(body.split("\n\n\n")[:-1])]


def _first_lines(n_columns: int) -> list[str]:
    return [
        "tree", "version=v4", "num_class=1", "num_tree_per_iteration=1", "label_index=0",
        f"max_feature_idx={n_columns - 1}", "objective=binary sigmoid:1",
        "feature_names=" + " ".join(f"Column_{column}" for column in range(n_columns)),
    ]  # fmt: skip


def _read_head(text: str, n_columns: int) -> tuple[_Head, Numbers]:
    lines = text.split("\n")
    fixed = _first_lines(n_columns)
    for nth, (line, wanted) in enumerate(zip(lines, fixed, strict=False), start=1):
        if line != wanted:
            raise TreesError(f"line {nth} must be {_shown(wanted)}; got {_shown(line)}")
    rest = lines[len(fixed) :]
    if len(rest) not in (2, 3):
        raise TreesError(f"its head must have {len(fixed) + 2} or {len(fixed) + 3} lines; got {len(lines)}")
    where = "the head"
    directions: Numbers = []
    if len(rest) == 3:
        directions = _numbers(_value(rest[0], "monotone_constraints", where), _WHOLE, "'monotone_constraints'")
        _check_length(directions, n_columns, "'monotone_constraints'")
        _check_range(directions, -1, 1, "'monotone_constraints'")
    ranges = [_read_range(info) for info in _value(rest[-2], "feature_infos", where).split(" ")]
    _check_length(ranges, n_columns, "'feature_infos'")
    sizes = _numbers(_value(rest[-1], "tree_sizes", where), _WHOLE, "'tree_sizes'")
    return _Head(directions, ranges), sizes


def _read_range(info: str) -> tuple[float, float] | None:
    where = "'feature_infos'"
    if info == "none":
        return None
    if not (info.startswith("[") and info.endswith("]")):
        raise TreesError(f"{where} must hold ranges of numbers such as [0:1], or none; got {_shown(info)}")
    ends = _numbers(info[1:-1].replace(":", " ", 1), _EXACT, where)
    _check_length(ends, 2, where)
    _check_range(ends, -_MOST_FLOAT, _MOST_FLOAT, where)
    if ends[0] > ends[1]:
        raise TreesError(f"{where}: a range must not end before it begins")
    return ends[0], ends[1]


def _read_tree(block: str, position: int) -> Tree:
    lines = block.split("\n")
    if lines[0] != f"Tree={position}" or len(lines) != len(_LINES) + 1:
        raise TreesError(f"tree {position} must be 'Tree={position}' and {len(_LINES)} lines; got {len(lines)} lines")
    tree: Tree = {}
    for text, line in zip(lines[1:], _LINES, strict=True):
        where = f"tree {position}, {line.key!r}"
        numbers = _numbers(_value(text, line.key, f"tree {position}"), line.form, where)
        _check_length(numbers, 1 if line.fewer is None else int(tree["num_leaves"][0]) - line.fewer, where)
        _check_range(numbers, line.low, line.high, where)
        tree[line.key] = numbers
    return tree


def _value(line: str, key: str, where: str) -> str:
    begin = f"{key}="
    if not line.startswith(begin):
        raise TreesError(f"{where}: a line must begin with {begin!r}; got {_shown(line)}")
    return line[len(begin) :]


def _numbers(text: str, form: _Form, where: str) -> Numbers:
    if not text:
        return []
    if not form.signs.fullmatch(text):
        raise TreesError(f"{where} must hold numbers with single blanks between them; got {_shown(text)}")
    try:
        return list(map(form.read, text.split(" ")))
    except ValueError:
        raise TreesError(f"{where} must hold numbers with single blanks between them; got {_shown(text)}") from None


def _check_length(numbers: Sequence[object], wanted: int, where: str) -> None:
    if len(numbers) != wanted:
        raise TreesError(f"{where} must have length {wanted:,}; got {len(numbers):,}")


def _check_range(numbers: Numbers, low: float, high: float, where: str) -> None:
    if numbers and not (low <= min(numbers) and max(numbers) <= high):
        wrong = min(numbers) if min(numbers) < low else max(numbers)
        raise TreesError(f"{where} must lie between {low:g} and {high:g}; got {_shown(str(wrong))}")


def _check_shape(tree: Tree, n_columns: int, position: int) -> None:
    """Refuse what is no tree: each node but the first, and each leaf, must be the child of exactly one earlier node."""
    where = f"tree {position}"
    left, right = tree["left_child"], tree["right_child"]
    n_splits = len(left)
    _check_range(tree["split_feature"], 0, n_columns - 1, f"{where}, 'split_feature'")
    if not _DECISIONS.issuperset(tree["decision_type"]):
        raise TreesError(f"{where}, 'decision_type' must hold {', '.join(map(str, sorted(_DECISIONS)))} only")
    wanted = [*range(-n_splits - 1, 0), *range(1, n_splits)] if n_splits else []
    if sorted([*left, *right]) != wanted:
        raise TreesError(f"{where}: 'left_child' and 'right_child' must name each node and leaf exactly once")
    if any(0 < child <= node for children in (left, right) for node, child in enumerate(children)):
        raise TreesError(f"{where}: a child must stand after its node")
    if n_splits > MOST_DEPTH and _depth(left, right) > MOST_DEPTH:
        raise TreesError(f"{where} is more than {MOST_DEPTH} nodes deep")
    leaves, nodes = tree["leaf_count"], tree["internal_count"]
    if n_splits and min(leaves) < 1:
        raise TreesError(f"{where}, 'leaf_count' must be at least 1")
    for node, (one, other) in enumerate(zip(left, right, strict=True)):
        below = sum(nodes[int(child)] if child > 0 else leaves[-int(child) - 1] for child in (one, other))
        if nodes[node] != below:
            raise TreesError(f"{where}, 'internal_count' of node {node} must be the sum over its two children")


def _depth(left: Numbers, right: Numbers) -> int:
    above = [1] * len(left)
    for node, children in enumerate(zip(left, right, strict=True)):
        for child in children:
            if child > 0:
                above[int(child)] = above[node] + 1
    return max(above, default=0)


def _write_tree(tree: Tree, position: int) -> str:
    lines = [f"{line.key}={_written(tree[line.key], line.form)}" for line in _LINES]
    return "\n".join([f"Tree={position}", *lines]) + "\n\n\n"


def _write_head(head: _Head, n_columns: int, trees: Sequence[str]) -> str:
    lines = _first_lines(n_columns)
    if head.directions:
        lines.append(f"monotone_constraints={_written(head.directions, _WHOLE)}")
    ranges = ("none" if ends is None else "[{:.17g}:{:.17g}]".format(*ends) for ends in head.ranges)
    lines.append("feature_infos=" + " ".join(ranges))
    lines.append(f"tree_sizes={_written([len(tree) for tree in trees], _WHOLE)}")
    return "\n".join(lines) + "\n\n"


def _write_end(splits: Counter[float]) -> str:
    ranked = sorted(splits.items(), key=lambda item: (-item[1], item[0]))
    lines: Iterable[str] = (f"Column_{column}={n_splits}\n" for column, n_splits in ranked)
    return "\nfeature_importances:\n" + "".join(lines) + "\npandas_categorical:null\n"


def _written(numbers: Numbers, form: _Form) -> str:
    return " ".join([form.write] * len(numbers)) % tuple(numbers)


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:40] + "...")
