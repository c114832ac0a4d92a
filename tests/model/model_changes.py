"""Changes of a real model folder, each with right hashes, and a plain reading of what the changed folder says.

Run as a program, in a process of its own, because a change may end it: `python model_changes.py FOLDER SEED FIRST LAST`
prints a line of JSON before each change and one after it.
"""

from __future__ import annotations

import faulthandler
import hashlib
import json
import math
import random
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from muledetect.errors import ModelError
from muledetect.model import MuleModel, load_model, trees
from muledetect.model.card import build_card, write_card

#: A change may take so long; then the process ends, and the change is named.
_BOUND_SECONDS = 60

#: What some programs take for the end of a line, or for nothing at all.
SEPARATORS = (
    "\x0b",
    "\x0c",
    "\x1c",
    "\x1d",
    "\x85",
    "\u2028",
    "\u2029",
    "\r",
    "\r\n",
    "\n",
    "\x00",
    "\u00a0",
    "\ufeff",
    "\t",
)

#: In place of a number of the trees.
NUMBERS = (
    "inf", "-inf", "nan", "-1", "-2", "0", "1", "7", "1e999", "1e308", "-1e308", "1e-400", "2147483648", "-2147483649",
    "9223372036854775808", "1" + "0" * 30, "9" * 5000, "", " ", "1_0", "0x10", "+1", "--1", "1.", "1e", "\u0661", "01",
    "1000000", "NaN", "null", "0.5", "-0.5", "1e5", "3 4",
)  # fmt: skip

#: In place of a value of the manifest, as JSON; some are none.
VALUES = (
    "null", "true", "false", "0", "-1", "1", "3", "0.5", "-0.5", "1.0", "1e308", "-1e308", "1e-308", "1e999", "1000000",
    "2147483648", "9223372036854775808", "1" + "0" * 30, "1" + "0" * 400, "9" * 5000, "NaN", "Infinity", "-Infinity",
    '""', '"x"', '"1"', '"1.5"', '"nan"', '"365d"', '"\\ud800"', '"a\\u0000b"', '"\u0e01\u2028"',
    '"' + "x" * 20_000 + '"', "[]", "{}", "[[]]", "[null]", "[0, 0]", "[1, 2]", '["a", "b"]', '{"a": 1}',
    "[" * 50 + "]" * 50, "[" * 100_000 + "]" * 100_000,
)  # fmt: skip

TAILS = (
    "\nparameters:\n[num_threads: 1000000]\n\nend of parameters\n", "\nparser:\n{}\nend of parser\n",
    "\npandas_categorical:[[1, 2]]\n", "pandas_categorical:{", "Tree=0\n", "\x00", "linear_tree: 1\n", "end of trees\n",
)  # fmt: skip

Change = Callable[[random.Random, str], str]


def _flip_a_bit(rng: random.Random, text: str) -> str:
    at = rng.randrange(len(text))
    return text[:at] + chr(ord(text[at]) ^ 1 << rng.randrange(8)) + text[at + 1 :]


def _put_a_byte(rng: random.Random, text: str) -> str:
    at = rng.randrange(len(text))
    return text[:at] + chr(rng.randrange(256)) + text[at + rng.randrange(2) :]


def _cut_a_piece(rng: random.Random, text: str) -> str:
    at = rng.randrange(len(text))
    return text[:at] + text[at + rng.choice((1, 2, 10, 100, 10_000)) :]


def _double_a_piece(rng: random.Random, text: str) -> str:
    at = rng.randrange(len(text))
    end = at + rng.choice((1, 10, 100, 1_000))
    return text[:end] + text[at:end] + text[end:]


def _swap_lines(rng: random.Random, text: str) -> str:
    lines = text.split("\n")
    one, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    if rng.random() < 0.5:
        other = min(one + 1, len(lines) - 1)
    lines[one], lines[other] = lines[other], lines[one]
    return "\n".join(lines)


def _double_a_line(rng: random.Random, text: str) -> str:
    lines = text.split("\n")
    lines.insert(rng.randrange(len(lines)), rng.choice(lines))
    return "\n".join(lines)


def _drop_a_line(rng: random.Random, text: str) -> str:
    lines = text.split("\n")
    del lines[rng.randrange(len(lines))]
    return "\n".join(lines)


def _put_a_separator(rng: random.Random, text: str) -> str:
    ends = [found.start() for found in re.finditer(r"[\n =]", text)]
    at = rng.choice(ends)
    return text[:at] + rng.choice(SEPARATORS) + text[at + rng.randrange(2) :]


def _change_a_number(rng: random.Random, text: str) -> str:
    found = rng.choice(list(re.finditer(r"(?<=[= ])[-+.e0-9]+", text)))
    return text[: found.start()] + rng.choice(NUMBERS) + text[found.end() :]


def _change_a_digit(rng: random.Random, text: str) -> str:
    at = rng.choice([found.start() for found in re.finditer(r"[0-9]", text)])
    return text[:at] + str(rng.randrange(10)) + text[at + 1 :]


def _change_a_list(rng: random.Random, text: str) -> str:
    """Shorten, lengthen, empty or reorder the numbers of a line."""
    found = rng.choice(list(re.finditer(r"(?m)^(\w+=)(.+)$", text)))
    numbers = found[2].split(" ")
    how = rng.randrange(5)
    if how == 0:
        numbers.pop()
    elif how == 1:
        numbers.append(numbers[-1])
    elif how == 2:
        rng.shuffle(numbers)
    elif how == 3:
        numbers = [rng.choice(NUMBERS)] * len(numbers)
    return text[: found.start()] + found[1] + (" ".join(numbers) if how < 4 else "") + text[found.end() :]


def _change_a_leaf(rng: random.Random, text: str) -> str:
    """Put another sound number for a leaf or threshold: the changed text is a model, though another one."""
    found = rng.choice(list(re.finditer(r"(?m)^(leaf_value|threshold)=(.+)$", text)))
    numbers = found[2].split(" ")
    numbers[rng.randrange(len(numbers))] = rng.choice(("0.5", "-0.25", "1", "0", "1e-30", "12"))
    changed = text[: found.start(2)] + " ".join(numbers) + text[found.end(2) :]
    sizes = [len(block) + 3 for block in changed[changed.index("\n\n") + 2 :].split("end of trees")[0].split("\n\n\n")]
    return re.sub("(?m)^tree_sizes=.*$", "tree_sizes=" + " ".join(map(str, sizes[:-1])), changed)


def _put_a_key_twice(rng: random.Random, text: str) -> str:
    """Put a bad copy of a line before or behind the good one, at once or after an empty line or a separator."""
    found = rng.choice(list(re.finditer(r"(?m)^(\w+)=(.*)$", text)))
    bad = f"{found[1]}={' '.join([rng.choice(NUMBERS)] * (found[2].count(' ') + 1))}"
    between = rng.choice(("\n", "\n\n", *SEPARATORS))
    line = bad + between + found[0] if rng.random() < 0.5 else found[0] + between + bad
    return text[: found.start()] + line + text[found.end() :]


def _swap_trees(rng: random.Random, text: str) -> str:
    blocks = text.split("\n\n\n")
    one, other = rng.randrange(len(blocks)), rng.randrange(len(blocks))
    blocks[one], blocks[other] = blocks[other], blocks[one]
    return "\n\n\n".join(blocks)


def _end_otherwise(rng: random.Random, text: str) -> str:
    return text + rng.choice(TAILS) if rng.random() < 0.7 else rng.choice(TAILS) + text


def _cut_off(rng: random.Random, text: str) -> str:
    return text[: rng.choice((0, 1, rng.randrange(len(text))))]


CHANGES: tuple[Change, ...] = (
    _flip_a_bit, _put_a_byte, _cut_a_piece, _double_a_piece, _swap_lines, _double_a_line, _drop_a_line,
    _put_a_separator, _change_a_number, _change_a_digit, _change_a_list, _change_a_leaf, _put_a_key_twice,
    _swap_trees, _end_otherwise, _cut_off,
)  # fmt: skip


class _Raw(NamedTuple):
    """JSON text to stand for a value."""

    text: str


def _change_a_value(rng: random.Random, manifest: dict[str, Any]) -> None:
    """Put another value, drop it, double it, or put one under a key of no meaning."""
    holder, key = _somewhere(rng, manifest)
    how = rng.randrange(8)
    if how == 0 and isinstance(holder, dict):
        del holder[key]
    elif how == 1 and isinstance(holder, list):
        holder.insert(key, holder[rng.randrange(len(holder))])
    elif how == 2 and isinstance(holder, dict):
        holder[rng.choice(("n_jobs", "x", "", "\u2028", "__class__", "kind", "trees"))] = _Raw(rng.choice(VALUES))
    elif how == 3 and isinstance(holder, list):
        rng.shuffle(holder)
    else:
        holder[key] = _Raw(rng.choice(VALUES))


def _somewhere(rng: random.Random, manifest: dict[str, Any]) -> tuple[Any, Any]:
    holder: Any = manifest
    while True:
        key = rng.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
        if not isinstance(holder[key], dict | list) or not holder[key] or rng.random() < 0.15:
            return holder, key
        holder = holder[key]


def _as_json(manifest: dict[str, Any]) -> str:
    """Write the manifest with a right `config_hash`, and raw JSON where a value stands for it."""
    raw: list[str] = []

    def placed(value: Any) -> Any:
        if isinstance(value, _Raw):
            raw.append(value.text)
            return f"@{len(raw) - 1}@"
        if isinstance(value, dict):
            return {key: placed(inner) for key, inner in value.items()}
        return [placed(inner) for inner in value] if isinstance(value, list) else value

    text = json.dumps(placed(manifest), indent=1)
    text = re.sub(r'"@(\d+)@"', lambda found: raw[int(found[1])], text)
    return _with_config_hash(text)


def _with_config_hash(text: str) -> str:
    try:
        found = json.loads(text)
        parameters = {name: value for name, value in found["parameters"].items() if name != "n_jobs"}
        names = [entry["name"] for entry in found["features"]]
        wanted = hashlib.sha256(json.dumps([parameters, names], sort_keys=True).encode()).hexdigest()
        return text.replace(found["config_hash"], wanted)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return text  # so changed that there is nothing to hash


def change_folder(folder: Path, rng: random.Random) -> str:
    """Change the model in a folder somewhere, let all hashes agree, and return what was done."""
    place = folder / "manifest.json"
    manifest = json.loads(place.read_text())
    kind = rng.choice(("trees", "trees", "trees", "value", "value", "text"))
    if kind == "value":
        for _ in range(rng.choice((1, 1, 1, 2))):
            _change_a_value(rng, manifest)
        place.write_bytes(_as_json(manifest).encode("utf-8", "surrogatepass"))
        return "a value of the manifest"
    change = rng.choice(CHANGES[:10] if kind == "text" else CHANGES)
    coding = rng.choice(("utf-8", "latin-1")) if rng.random() < 0.9 else "utf-16"
    if kind == "text":
        changed = change(rng, place.read_text())
        place.write_bytes(_with_config_hash(changed).encode(coding, "replace"))
        return f"manifest{change.__name__} in {coding}"
    nth = rng.randrange(len(manifest["trees"]))
    text = (folder / f"trees-{manifest['trees'][nth][:16]}.txt").read_text()
    content = change(rng, text).encode(coding, "replace")
    digest = hashlib.sha256(content).hexdigest()
    (folder / f"trees-{digest[:16]}.txt").write_bytes(content)
    manifest["trees"][nth] = digest
    place.write_text(json.dumps(manifest))
    return f"trees{change.__name__} in {coding}"


def plain_scores(folder: Path, rows: np.ndarray[Any, np.dtype[np.float32]]) -> tuple[np.ndarray, np.ndarray]:
    """Return the scores and probabilities that the files state, read by the plainest code, without LightGBM."""
    manifest = json.loads((folder / "manifest.json").read_text())
    bags = []
    for digest in manifest["trees"]:
        text = (folder / f"trees-{digest[:16]}.txt").read_bytes().decode("ascii")
        bags.append(np.array([sum(_plain_leaves(text, row), 0.0) for row in rows.astype(np.float64)]))
    score = sum(bags, np.zeros(len(rows))) / len(bags)
    curve = manifest["calibrator"]
    if curve["kind"] == "isotonic":
        probability = np.interp(score, *np.array(curve["knots"], dtype=np.float64).T)
    else:
        log_odds = curve["slope"] * score + curve["intercept"]
        probability = np.array([1 / (1 + math.exp(-x)) if x > -700 else math.exp(x) for x in log_odds])
    prior = manifest["class_prior"]
    if prior is not None and not prior["is_bound"]:
        probability = np.minimum(1, probability / prior["label_frequency"])
    return score, probability


def _plain_leaves(text: str, row: np.ndarray) -> list[float]:
    leaves = []
    for block in text.partition("end of trees")[0].split("\nTree=")[1:]:
        tree = dict(line.split("=") for line in block.split("\n")[1:] if line)
        numbers = {key: value.split(" ") for key, value in tree.items() if value}
        node = 0 if int(tree["num_leaves"]) > 1 else -1
        while node >= 0:
            value, way = row[int(numbers["split_feature"][node])], int(numbers["decision_type"][node])
            if (math.isnan(value) and way < 8) or abs(value) <= 1e-35:  # for LightGBM, so little is 0
                value = 0.0
            goes_left = way == 10 if math.isnan(value) else value <= float(numbers["threshold"][node])
            node = int(numbers["left_child" if goes_left else "right_child"][node])
        leaves.append(float(numbers["leaf_value"][-node - 1]))
    return leaves


def judge(folder: Path, rows: np.ndarray[Any, np.dtype[np.float32]]) -> str:
    """Load the folder and use the model in every way; return "refused", "sound", or what went wrong."""
    try:
        model = load_model(folder)
    except ModelError as error:
        is_clear = re.match(r"(?s)(manifest|trees|model): .{20,700}\.$", str(error)) and str(error).isprintable()
        return "refused" if is_clear else f"unclear message: {error}"
    except Exception as error:  # any other error is what is looked for
        return f"{type(error).__name__} on loading: {str(error)[:200]}"
    try:
        return _use(model, folder, rows)
    except Exception as error:  # likewise
        return f"{type(error).__name__} on use: {str(error)[:200]}"


def _use(model: MuleModel, folder: Path, rows: np.ndarray[Any, np.dtype[np.float32]]) -> str:
    if model.n_jobs is not None:
        return "the folder sets threads"
    model.n_jobs = 1
    values = rows[:, : model.n_features_in_]
    score = trees.raw_scores(model.boosters_, values, 1)
    probability = model.probability(score)
    wanted, wanted_probability = plain_scores(folder, values)
    write_card(build_card(model, {}, ""))
    repr(model)
    model._html_repr()
    if not np.isfinite(score).all() or not np.array_equal(score, wanted):
        return f"wrong scores: {np.abs(score - wanted).max()}"
    if not np.isfinite(probability).all() or not np.allclose(probability, wanted_probability, rtol=1e-9, atol=1e-12):
        return f"wrong probabilities: {np.abs(probability - wanted_probability).max()}"
    is_finite = np.isfinite(trees.contributions(model.boosters_, values, 1)).all()
    return "sound" if is_finite else "reasons that are not finite"


def main(source: Path, seed: int, first: int, last: int) -> None:
    """Make the changes `first` to `last` of a seed, each on a fresh copy of one of the models in `source`."""
    models = sorted(path for path in source.iterdir() if path.is_dir() and path.name.startswith("model"))
    rows = np.load(source / "rows.npy")
    work = source / "changed"
    for nth in range(first, last):
        rng = random.Random(f"{seed}:{nth}")
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(rng.choice(models), work)
        what = change_folder(work, rng)
        print(json.dumps([nth, what]), flush=True)
        faulthandler.dump_traceback_later(_BOUND_SECONDS, exit=True)
        result = judge(work, rows)
        faulthandler.cancel_dump_traceback_later()
        print(json.dumps([nth, what, result]), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
