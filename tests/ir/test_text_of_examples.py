"""The text form of every example after every pass reads back as the same text, and as a graph that verifies."""

from __future__ import annotations

from pathlib import Path

import pytest

from netlang.frontend import load
from netlang.ir.graph import Graph
from netlang.ir.parse import parse_graph
from netlang.ir.text import print_graph
from netlang.ir.verify import verify
from netlang.passes import inference_pipeline, training_pipeline
from netlang.passes.manager import PassManager
from netlang.passes.optimizer import training_step

_EXAMPLES = sorted((Path(__file__).parent.parent.parent / "examples").glob("*.net"))


def reads_back(name: str, graph: Graph) -> None:
    text = print_graph(graph, spans=True, origins=True)
    again = parse_graph(text)
    assert print_graph(again, spans=True, origins=True) == text, name
    verify(again, name)


@pytest.mark.parametrize("path", _EXAMPLES, ids=lambda p: p.stem)
def test_examples(path: Path) -> None:
    module = load(path)
    PassManager().run(module.net, inference_pipeline(), observe=reads_back)
    if module.train is not None:
        PassManager().run(training_step(module.train), training_pipeline(), observe=reads_back)
