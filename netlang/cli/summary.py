"""netc summary: what a net consists of."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from netlang.cli.arguments import (
    Verbs,
    add_net,
    add_options,
    add_sizes,
    add_target,
    backend_of,
    module_of,
    sizes_of,
    sizes_text,
    verb,
)
from netlang.cli.footprint import footprint
from netlang.cli.graphs import CLEANED
from netlang.cli.output import bytes_text, count, table
from netlang.driver import choose
from netlang.ir import dims
from netlang.ir.graph import Graph, Node, Value
from netlang.ir.opdef import opdef
from netlang.ir.types import shape_text
from netlang.ir.work import multiply_adds
from netlang.passes import inference_pipeline
from netlang.passes.manager import PassManager

_COLUMNS = ("layer", "output", "parameters", "multiply-adds", "bytes")


def add_verbs(verbs: Verbs) -> None:
    new = verb(verbs, "summary", summary, "a table of layers: shapes, parameters, work, memory")
    add_sizes(new, "1")
    add_net(new)
    add_target(new)
    add_options(new)


def summary(args: argparse.Namespace) -> None:
    module = module_of(args)
    net, backend = choose(module, args.net), backend_of(args)
    simplified = PassManager().run(net, inference_pipeline(), after=CLEANED)
    sizes = sizes_of(args, net, args.batch or 1)
    layers = list(rows(simplified, sizes))
    shown = [(r.name, r.shape, count(r.parameters), count(r.madds), bytes_text(r.bytes)) for r in layers]
    sums = [sum(getattr(r, key) for r in layers) for key in ("parameters", "madds", "bytes")]
    totals = ("total", "", count(sums[0]), count(sums[1]), bytes_text(sums[2]))
    table(f"{net.name} with {sizes_text(sizes)}", _COLUMNS, shown, totals, text_columns=2)
    trained = sum(dims.evaluate(p.type.size, {}) for p in net.params if p.node.attrs["role"] == "weight")
    if trained != sums[0]:
        print(f"trained parameters: {count(trained)}")
    needed = footprint(module, net, backend, sizes, training=False)
    print(f"peak memory for inference: {bytes_text(needed.total)}")
    if module.train is not None:
        step = sizes_of(args, module.train.graph, args.batch or 1)
        needed = footprint(module, net, backend, step, training=True)
        print(f"peak memory for training:  {bytes_text(needed.total)}")


@dataclass
class Row:
    """One layer: `shape` and `bytes` are those of its output."""

    name: str
    shape: str = ""
    parameters: int = 0
    madds: int = 0
    bytes: int = 0
    params: set[Value] = field(default_factory=set)


def rows(graph: Graph, sizes: Mapping[str, int]) -> Iterable[Row]:
    """The layers of a graph in the order in which they are computed; a shared weight counts where it is first used."""
    found: dict[str, Row] = {}
    seen: set[Value] = set()
    for node in graph.nodes:
        if node.op == "input" and not node.name.startswith("$"):
            found[f"input {node.name}"] = Row(node.name, _shape(node, sizes), bytes=_bytes(node, sizes))
        if "leaf" in opdef(node.op).traits:
            continue
        row = found.setdefault(node.name, Row(node.name or f"({node.op})"))
        # As the field counts: running statistics are no parameters.
        params = [v for v in node.inputs if v not in seen and v.node.attrs.get("role") in ("weight", "frozen")]
        seen.update(params)
        row.shape = _shape(node, sizes)
        row.parameters += sum(dims.evaluate(v.type.size, {}) for v in params)
        row.madds += dims.evaluate(multiply_adds(node), sizes)
        row.bytes = _bytes(node, sizes)
    return found.values()


def _shape(node: Node, sizes: Mapping[str, int]) -> str:
    return shape_text(node.types[0].concrete(sizes))


def _bytes(node: Node, sizes: Mapping[str, int]) -> int:
    return sum(dims.evaluate(t.bytes, sizes) for t in node.types)
