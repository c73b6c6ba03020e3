"""Golden tests of passes: the graph before and after, as text, in `tests/golden/<name>.ir`.

`pytest --update-golden` writes the files anew; what changed is then read in the diff.
"""

from __future__ import annotations

from pathlib import Path

from netlang.ir.graph import Graph
from netlang.ir.text import print_graph

FOLDER = Path(__file__).parent.parent / "golden"


def check_golden(name: str, update: bool, **stages: Graph) -> None:
    """Compare the text of some graphs, one after the other under their labels, with the golden file."""
    text = "\n".join(f"# {label}\n{print_graph(graph)}" for label, graph in stages.items())
    path = FOLDER / f"{name}.ir"
    if update:
        path.write_text(text, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text, f"{path.name} differs: run with --update-golden and read the diff"
