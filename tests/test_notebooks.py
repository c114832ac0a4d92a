"""Every notebook runs from top to bottom; it is committed with outputs that are whole, small, and tell no paths."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

nbclient = pytest.importorskip("nbclient")
nbformat = pytest.importorskip("nbformat")

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
#: No picture in a notebook is larger, bytes.
LARGEST_PICTURE = 100_000
#: Folders of the machine that a notebook was run on.
MACHINE = re.compile(rf"(/home|/root|/tmp|/Users|/var/folders|{re.escape(str(ROOT))})/|ipykernel_|[A-Z]:\\\\Users")


def outputs(notebook: Any) -> Iterator[Any]:
    for cell in notebook.cells:
        yield from cell.get("outputs", [])


@pytest.mark.filterwarnings("default")  # of the kernel's libraries, not of ours
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
@pytest.mark.slow
def test_a_notebook_runs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    assert any(cell.get("outputs") for cell in notebook.cells), "committed without outputs"
    nbclient.NotebookClient(notebook, timeout=1_200, resources={"metadata": {"path": path.parent}}).execute()
    assert not [output for output in outputs(notebook) if output.get("name") == "stderr"], "it warns"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_committed_outputs_are_whole_and_small_and_tell_nothing_of_the_machine(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1)), "not run once, from top to bottom"
    for output in outputs(notebook):
        assert output.output_type != "error"
        assert output.get("name") != "stderr"
        data = output.get("data", {})
        assert len(base64.b64decode(data.get("image/png", ""))) <= LARGEST_PICTURE
        texts = [output.get("text", ""), *(value for name, value in data.items() if name.startswith("text/"))]
        assert not MACHINE.search("".join(texts))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_links_of_a_notebook_lead_somewhere(path: Path) -> None:
    text = "".join(cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "markdown")
    links = re.findall(r"\]\(([^)#]+)\)", text)
    assert not [link for link in links if not link.startswith("http") and not (path.parent / link).exists()]
    assert not [name for name in re.findall(r"\w+\.ipynb", text) if not (path.parent / name).exists()]
