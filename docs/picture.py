"""Draw docs/demo.svg, the picture of README.md, from a real run: `python docs/picture.py`.

The beginning of what the run prints: two accounts, three rings, the methods beside each other.
"""

import io
import re
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

from muledetect import console, pipeline

out = Console(record=True, width=118, file=io.StringIO())
with tempfile.TemporaryDirectory() as folder:
    result = pipeline.demo(folder)
out.print("$ muledetect demo", style="bold")
out.rule("accounts to look at first")
console.show_scores(out, result.scores, n_rows=2)
out.rule("rings, and the call centres that they seem to serve")
console.show_rings(out, result.rings, n_rows=3)
out.rule("how good is it, against the whole truth of the simulated world")
aside = Console(width=118, file=io.StringIO())
console.show_evaluation(aside, result.evaluation)
out.print(Text(aside.file.getvalue().partition("Innocent recipients")[0].rstrip()))
svg = out.export_svg(title="muledetect")
# the picture must not fetch fonts: the reader's monospace font will do
svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL).replace("Fira Code,", "")
(Path(__file__).parent / "demo.svg").write_text(svg, encoding="utf-8")
