"""Every command that writes x every state that its output can be in: nothing that is not ours is ever lost."""

from __future__ import annotations

import ctypes
import gc
import json
import os
import re
import resource
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from command_line import ended

from muledetect import pipeline
from muledetect.errors import OutputError
from muledetect.features import write_features
from muledetect.graph import Points
from muledetect.holds import add_event
from muledetect.labels import every_account
from muledetect.model import MuleModel
from muledetect.outputs import MANIFEST
from muledetect.records import Dataset, read_dataset, write_table, write_text
from muledetect.records.own import suggest_columns
from muledetect.records.pseudonyms import new_key
from muledetect.reports.exports import write_csv
from muledetect.rings import read_rings
from muledetect.simulation import world_config, write_world

pytestmark = pytest.mark.slow

#: Command -> its line; {out} is the output, the other names are inputs. A suffix tells what kind of output is meant.
LINES = {
    "demo": "demo --output {out}",
    "simulate": "simulate {out} --accounts 200 --days 14",
    "check .parquet": "check {bank} --output {out}",
    "prepare": "prepare {bank} --output {out}",
    "columns .toml": "columns {csv} --source-tz UTC --currency THB --output {out}",
    "import own": "import own {csv} --columns {toml} --output {out}",
    "import amlsim": "import amlsim {amlsim} --currency USD --output {out}",
    "import iso20022": "import iso20022 {messages} --source-tz UTC --output {out}",
    "recall": "recall {bank} --as-of 2025-03-05 --sender AAAATHBK --output {out}",
    "answers .parquet": "answers {answer} --recalls {recalls} --output {out}",
    "holds .parquet": "holds {record} --pack TH --as-of 2025-03-05 --output {out}",
    "release .parquet": "release {bank} --record {record} --pack TH --as-of 2025-03-05 --output {out}",
    "train": "train {bank} --as-of 2025-02-10 --target ever --max-rows 150 --model {out}",
    "score .parquet": "score {bank} --model {model} --as-of 2025-03-05 --explain 5 --output {out}",
    "threshold .json": "threshold {bank} --model {model} --as-of 2025-03-05 --per-day 2 --output {out}",
    "explain": "explain {bank} --scores {scores} --output {out}",
    "rings": "rings {bank} --scores {scores} --as-of 2025-03-05 --output {out}",
    "trace": "trace {bank} --as-of 2025-03-05 --output {out}",
    "trace .parquet": "trace {bank} --as-of 2025-03-05 --output {out}",
    "report": "report {bank} --scores {scores} --rings {rings} --alerts 3 --output {out}",
    "evaluate": "evaluate {bank} --model {model} --as-of 2025-03-05 --truth --output {out}",
    "monitor": "monitor {bank} --model {model} --before 2025-03-05 --after 2025-03-05 --weeks 1 --output {out}",
    "replay": "replay {bank} --model {live} --from 2025-03-05 --until 2025-03-05T03:00Z --output {out}",
    "key": "key {out}",
    "reveal": "reveal {key} --table {hidden} --output {out}",
    "reveal .parquet": "reveal {key} --table {hidden_file} --output {out}",
    "export": "export {rings} --output {out}",
    "export .csv": "export {scores} --output {out}",
    "export .xlsx": "export {rings} --output {out}",
}
#: What writes its own bytes in one step or several outputs at once is held to the states that are refused.
REFUSED_ONLY = ("demo", "key")
FOLDERS = tuple(name for name in LINES if "." not in name and name != "key")
FILES = tuple(name for name in LINES if name not in FOLDERS)
RUNNING = tuple(name for name in LINES if name not in REFUSED_ONLY)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Inputs for every command, made by the commands themselves."""
    place = tmp_path_factory.mktemp("inputs")
    made = {name: place / name for name in ("bank", "model", "live", "rings", "hidden", "key")}
    made |= {name: place / f"{name}.parquet" for name in ("scores", "hidden_file")}
    made |= {"csv": place / "export.csv", "toml": place / "columns.toml", "amlsim": place / "transactions.csv"}
    write_world(world_config(n_accounts=400, n_days=70, seed=4, least_mules=50), made["bank"])
    bank = read_dataset(made["bank"])
    pipeline.train(
        bank, "2025-02-10", target="ever", model=MuleModel(n_estimators=50, n_bags=1), output=made["model"]
    )  # fmt: skip
    pipeline.train(
        bank, "2025-02-10", target="ever", live=True, model=MuleModel(n_estimators=8, n_bags=1), output=made["live"]
    )  # fmt: skip
    scores = pipeline.score(bank, made["model"], "2025-03-05", n_explained=5, output=made["scores"])
    pipeline.find_rings(bank, scores, "2025-03-05", output=made["rings"])
    hidden = read_dataset(made["bank"], pseudonymise=new_key(made["key"]))
    under = pipeline.score(hidden, made["model"], "2025-03-05", n_explained=5, output=made["hidden_file"])
    pipeline.find_rings(hidden, under, "2025-03-05", output=made["hidden"])
    rows = [f"2025-03-{day:02d} 10:00:00,A{day % 7},B{day % 5},{day}.50" for day in range(1, 29)]
    made["csv"].write_text("\n".join(["time,source,target,amount", *rows, ""]), "utf-8")
    suggest_columns(made["csv"], source_tz="UTC", currency="THB").write(made["toml"])
    made["amlsim"].write_text(
        "tran_id,orig_acct,bene_acct,tx_type,base_amt,tran_timestamp,is_sar,alert_id\n"
        "1,007,8,TRANSFER,150.5,2017-01-01T00:00:00Z,False,-1\n"
    )
    examples = Path(__file__).parents[1] / "data" / "messages"
    made |= {"messages": examples / "camt053.xml", "answer": examples / "camt029.xml", "recalls": place / "recalls"}
    pipeline.recall(bank, "2025-03-05", sender="AAAATHBK", output=made["recalls"])
    made["record"] = place / "record.parquet"
    add_event(
        made["record"], "held", pack="TH", time="2025-03-04T10:00Z", recorded="2025-03-04T10:00Z", decided_by="desk",
        why="traced", account_id=scores["account_id"][0].as_py(), complaint_id="q", clock="traced_amount", amount=1,
    )  # fmt: skip
    return made


@pytest.fixture(scope="module")
def ours(inputs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """What each command wrote to a place that did not exist: the state "empty"."""
    made = {}
    for name in RUNNING:
        place = tmp_path_factory.mktemp("ours") / ("out" + suffix(name))
        run(name, inputs, place)
        made[name] = place
    return made


def suffix(name: str) -> str:
    return name.partition(" ")[2] if "." in name else ""


def run(name: str, inputs: dict[str, Path], output: Path, *more: str, status: int = 0) -> str:
    """Run a command in this process and return what it printed on one line."""
    left, said = ended(*(word.format(out=output, **inputs) for word in LINES[name].split()), *more)
    assert left == status, said
    assert "Traceback" not in said
    return " ".join(said.split())


def refused(name: str, inputs: dict[str, Path], output: Path, *more: str) -> str:
    """Run a command that must end before its work: with inputs that break every command that looks at them."""
    before = tree(output.parent)
    with broken(inputs) as useless:
        said = run(name, useless, output, *more, status=2 if name == "key" else 1)
    assert "error: output:" in said or name == "key"
    assert tree(output.parent) == before
    return said


@contextmanager
def broken(inputs: dict[str, Path]) -> Iterator[dict[str, Path]]:
    """Give inputs of the same shape that hold nothing which could be read, but for the mapping that tells the table."""
    top = next(iter(inputs.values())).parent.parent / "broken"
    made = {}
    for name, path in inputs.items():
        made[name] = top / path.name
        if name == "toml":
            top.mkdir(exist_ok=True)
            shutil.copy(path, made[name])
        elif path.is_dir():
            made[name].mkdir(parents=True)
            (made[name] / "transfers.parquet").write_text("no table")
        else:
            top.mkdir(exist_ok=True)
            made[name].write_text("no table")
    try:
        yield made
    finally:
        shutil.rmtree(top)


def tree(folder: Path) -> dict[str, object]:
    """Return every entry below a folder with its content, its target or None."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        found[name] = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
    return found


def copied(name: str, ours: dict[str, Path], folder: Path) -> Path:
    """Copy an output of ours, with its manifest, into a folder."""
    shutil.copytree(ours[name].parent, folder, dirs_exist_ok=True, symlinks=True)
    return folder / ours[name].name


def change(output: Path) -> Path:
    """Change one of the files that the manifest lists, as an analyst would, and return it."""
    manifest = output / MANIFEST if output.is_dir() else output.with_name(f".{output.name}{MANIFEST}")
    file = manifest.parent / sorted(json.loads(manifest.read_text())["files"])[0]
    file.write_bytes(file.read_bytes() + b"# mine\n")
    return file


@pytest.mark.parametrize("name", RUNNING)
def test_what_was_not_there_is_written_with_its_manifest(name: str, ours: dict[str, Path]) -> None:
    manifest = ours[name] / MANIFEST if name in FOLDERS else ours[name].with_name(f".{ours[name].name}{MANIFEST}")
    listed = set(json.loads(manifest.read_text())["files"])
    there = {path.relative_to(manifest.parent).as_posix() for path in manifest.parent.rglob("*") if path.is_file()}
    assert listed == {file for file in there if not file.rpartition("/")[2].startswith(".")}
    assert not [path for path in ours[name].parent.iterdir() if re.search(r"\.(tmp|old)$", path.name)]


@pytest.mark.parametrize("name", RUNNING)
def test_ours_is_replaced_and_a_foreign_file_beside_it_stays(
    name: str, inputs: dict[str, Path], ours: dict[str, Path], tmp_path: Path
) -> None:
    output = copied(name, ours, tmp_path)
    before = tree(tmp_path)
    folder = output if output.is_dir() else tmp_path
    (folder / "notes of an analyst.txt").write_text("mine")
    (folder / "more").mkdir()
    (folder / "more" / "trees-of-our-park.txt").write_text("mine")
    (folder / "more" / "link").symlink_to("nowhere")
    (folder / "nothing in it").mkdir()
    run(name, inputs, output)
    after = tree(tmp_path)
    at = f"{output.name}/" if output.is_dir() else ""
    assert after.pop(f"{at}notes of an analyst.txt") == after.pop(f"{at}more/trees-of-our-park.txt") == b"mine"
    assert after.pop(f"{at}more/link") == "nowhere"
    assert after.pop(f"{at}more") is after.pop(f"{at}nothing in it") is None
    assert after == before  # same input, same bytes, and nothing left over


@pytest.mark.parametrize("name", RUNNING)
def test_ours_that_was_changed_is_refused_until_told_otherwise(
    name: str, inputs: dict[str, Path], ours: dict[str, Path], tmp_path: Path
) -> None:
    output = copied(name, ours, tmp_path)
    before = tree(tmp_path)
    change(output)
    said = refused(name, inputs, output)
    assert "--overwrite" in said
    run(name, inputs, output, "--overwrite")
    assert tree(tmp_path) == before


@pytest.mark.parametrize("name", RUNNING)
def test_ours_of_another_kind_is_refused(
    name: str, inputs: dict[str, Path], ours: dict[str, Path], tmp_path: Path
) -> None:
    of_kind = "report" if name in FOLDERS else "score .parquet"
    other = ("evaluate" if name in FOLDERS else "check .parquet") if name == of_kind else of_kind
    if name == "import own":  # adds its table to any folder, and is refused where it would replace one
        other = "simulate"
    output = copied(other, ours, tmp_path)
    refused(name, inputs, output.rename(tmp_path / ("out" + suffix(name))) if name in FOLDERS else output)


@pytest.mark.parametrize("name", FOLDERS)
def test_a_foreign_folder_is_refused_and_what_is_in_it_outlives_overwrite(
    name: str, inputs: dict[str, Path], ours: dict[str, Path], tmp_path: Path
) -> None:
    output = tmp_path / "out"
    foreign = output / "data" if name == "demo" else output
    foreign.mkdir(parents=True)
    # as the fault was found: the name of one of our own files, with other content
    own = "report.json" if name in REFUSED_ONLY else sorted(tree(ours[name]).keys() - {MANIFEST})[-1]
    if name == "import own":
        own = "transfers.parquet"
    (foreign / own).parent.mkdir(parents=True, exist_ok=True)
    (foreign / own).write_text("foreign")
    (foreign / "source.py").write_text("mine")
    refused(name, inputs, output)
    if name not in REFUSED_ONLY:
        run(name, inputs, output, "--overwrite")
        assert (output / "source.py").read_text() == "mine"
        assert tree(output) == {**tree(ours[name]), "source.py": b"mine"}


@pytest.mark.parametrize("name", FILES)
def test_a_foreign_file_is_refused(name: str, inputs: dict[str, Path], ours: dict[str, Path], tmp_path: Path) -> None:
    output = tmp_path / ("out" + suffix(name))
    output.write_text("mine")
    refused(name, inputs, output)
    if name != "key":
        run(name, inputs, output, "--overwrite")
        assert tree(tmp_path) == tree(ours[name].parent)


def inputs_of(name: str) -> list[str]:
    return [given for given in re.findall(r"\{(\w+)\}", LINES[name]) if given != "out"]


@pytest.mark.parametrize(("name", "given"), [(name, given) for name in RUNNING for given in inputs_of(name)])
def test_an_input_is_never_an_output(name: str, given: str, inputs: dict[str, Path], tmp_path: Path) -> None:
    mine = {key: tmp_path / path.name for key, path in inputs.items()}
    shutil.copytree(inputs["bank"].parent, tmp_path, dirs_exist_ok=True)
    roundabout = tmp_path / "bank" / ".." / mine[given].name
    for output in (mine[given], roundabout):
        before = tree(tmp_path)
        said = run(name, mine, output, *() if name == "key" else ("--overwrite",), status=1)
        assert "is an input of this command" in said
        assert tree(tmp_path) == before
    if mine[given].is_dir():
        before = tree(tmp_path)
        assert "lies in the input" in run(name, mine, mine[given] / ("new" + suffix(name)), "--overwrite", status=1)
        assert tree(tmp_path) == before


def test_the_inputs_of_the_faults_that_were_found_are_safe(inputs: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(inputs["bank"], tmp_path / "b", ignore=shutil.ignore_patterns(MANIFEST))  # a bank's own
    mine = inputs | {"bank": tmp_path / "b"}
    before = tree(tmp_path)
    run("check .parquet", mine, tmp_path / "b" / "transfers.parquet", status=1)
    run("score .parquet", mine, tmp_path / "b" / "accounts.parquet", status=1)
    run("simulate", mine, tmp_path / "b", status=1)
    run("import own", mine, tmp_path / "b", status=1)
    assert tree(tmp_path) == before


@pytest.mark.parametrize("name", [name for name in FILES if name != "key"])
def test_a_key_is_never_replaced(name: str, inputs: dict[str, Path], tmp_path: Path) -> None:
    output = tmp_path / ("my.key" + suffix(name))
    new_key(output)
    assert "a key is never replaced" in refused(name, inputs, output, "--overwrite")


@pytest.mark.parametrize("name", RUNNING)
@pytest.mark.parametrize("to", ["ours", "nothing"])
def test_a_link_is_refused(name: str, to: str, inputs: dict[str, Path], ours: dict[str, Path], tmp_path: Path) -> None:
    target = copied(name, ours, tmp_path / "there") if to == "ours" else tmp_path / "nowhere"
    link = tmp_path / ("link" + suffix(name))
    link.symlink_to(target)
    assert "is a symbolic link" in refused(name, inputs, link, "--overwrite")


@pytest.mark.parametrize("name", RUNNING)
def test_a_mount_point_is_refused(
    name: str, inputs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    point = tmp_path / "a b"
    point.mkdir()
    listed = str(point).replace(" ", "\\040")
    (tmp_path / "mountinfo").write_text(f"36 35 98:0 /mnt1 {listed} rw,noatime master:1 - ext3 /dev/root rw\n")
    monkeypatch.setattr("muledetect.outputs._places._MOUNTS", tmp_path / "mountinfo")
    said = refused(name, inputs, point)
    assert "mount point" in said or "is a folder, and one file is written" in said


@pytest.mark.skipif(not Path("/proc/self/mountinfo").exists(), reason="a system without /proc")
@pytest.mark.parametrize("name", [name for name in FOLDERS if name not in REFUSED_ONLY])
def test_a_real_mount_point_is_refused(name: str, inputs: dict[str, Path]) -> None:
    assert "mount point" in run(name, inputs, Path("/proc"), "--overwrite", status=1)


@pytest.mark.parametrize("name", RUNNING)
def test_no_permission_is_told_before_the_work(name: str, inputs: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o555)
    before = tree(tmp_path)
    with broken(inputs) as useless, without_rights_of_root():
        said = run(name, useless, tmp_path / "locked" / ("out" + suffix(name)), status=1)
    assert "Permission denied" in said
    assert tree(tmp_path) == before


# XlsxWriter does not close its own scratch files when the disk is full
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", RUNNING)
def test_a_full_disk_leaves_the_old_output_and_nothing_else(
    name: str, inputs: dict[str, Path], ours: dict[str, Path], tmp_path: Path
) -> None:
    output = copied(name, ours, tmp_path / "old")
    before = tree(tmp_path)
    new = tmp_path / "new" / "folder" / output.name
    with no_more_than(64):
        run(name, inputs, output, status=1)
        run(name, inputs, new, status=1)
    gc.collect()
    assert tree(tmp_path) == before


@contextmanager
def no_more_than(size: int) -> Iterator[None]:
    """Let no file grow beyond a size: to the writer the same as a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class _Head(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


@contextmanager
def without_rights_of_root() -> Iterator[None]:
    """Take root's right to write everywhere (CAP_DAC_OVERRIDE) from this thread; other users have none to lose."""
    if os.geteuid() != 0 or not sys.platform.startswith("linux"):
        yield
        return
    library = ctypes.CDLL(None, use_errno=True)
    head, sets = _Head(0x20080522, 0), (_Sets * 2)()
    assert library.capget(ctypes.byref(head), sets) == 0
    held = sets[0].effective
    sets[0].effective = held & ~0b110
    assert library.capset(ctypes.byref(head), sets) == 0
    try:
        yield
    finally:
        sets[0].effective = held
        assert library.capset(ctypes.byref(head), sets) == 0


def functions(inputs: dict[str, Path]) -> dict[str, Callable[..., None]]:
    """Return public functions that write without a command of their own, each as `write(path, overwrite=...)`."""
    bank = read_dataset(inputs["bank"])
    points = every_account(bank, "2025-03-05")
    ring = next(iter(read_rings(inputs["rings"])))
    return {
        "write_features": partial(_features, bank, points),
        "to_graphml": ring.to_graphml,
        "write_table": partial(write_table, ring.members),
        "write_text": lambda path, **options: write_text(path, "text", **options),
        "write_csv": partial(write_csv, ring.members),
    }


def _features(bank: Dataset, points: Points, path: Path, **options: bool) -> None:
    write_features(bank, points, path, ["in_amount__window_7d"], **options)


@pytest.mark.parametrize("name", ["write_features", "to_graphml", "write_table", "write_text", "write_csv"])
def test_functions_without_a_command_obey_the_same_rule(name: str, inputs: dict[str, Path], tmp_path: Path) -> None:
    write, output = functions(inputs)[name], tmp_path / "out"
    output.write_text("mine")
    with pytest.raises(OutputError, match="did not write it"):
        write(output)
    assert output.read_text() == "mine"
    write(output, overwrite=True)
    new = output.read_bytes()
    write(output)
    assert output.read_bytes() == new
    output.write_text("mine again")
    with pytest.raises(OutputError, match="was changed"):
        write(output)
    assert output.read_text() == "mine again"
    new_key(tmp_path / "key")
    key = (tmp_path / "key").read_bytes()
    with pytest.raises(OutputError, match="a key is never replaced"):
        write(tmp_path / "key", overwrite=True)
    assert (tmp_path / "key").read_bytes() == key
