"""Parts of graphs by device."""

from __future__ import annotations

from netlang.backends.cuda.parts import Split, split
from netlang.ir.parse import parse_graph

LEAVES = ("input", "param", "const")
CROSSING = """\
graph crossing {
  input %x: f32[N, 4]
  param %w: f32[4] {role = "weight", init = ("constant", 0.0)}
  %0: f32[N, 4] = relu(%x) on 0
  %1: f32[N, 4] = neg(%x) on 1
  %2: f32[N, 4] = exp(%0)
  %3: f32[N, 4] = sub(%2, %1) on 1
  %4: f32[N, 4] = mul(%2, %w) on 0
  %5: f32[N, 4] = div(%3, %4)
  %6: f32[4] = add(%w, %w) on 1
  output y = %5
  output x = %x
  update w = %6
}
"""


def ops(found: Split) -> list[tuple[int, set[str]]]:
    """Of each part its device and ops."""
    return [(p.device, {n.op for n in p.graph.nodes if n.op not in LEAVES}) for p in found.parts]


def handed(found: Split) -> list[tuple[set[str], set[str]]]:
    """Of each part the inputs, as they are called or by the ops that make them, and outputs by their ops."""
    made = {name: value.node.op for part in found.parts for name, value in part.graph.outputs}
    return [
        ({made.get(v.node.name, v.node.name) for v in p.graph.inputs}, {made[name] for name, _ in p.graph.outputs})
        for p in found.parts
    ]


def test_a_part_ends_where_it_has_to_wait_for_another_device() -> None:
    found = split(parse_graph(CROSSING), 2)
    assert ops(found) == [(0, {"relu", "exp", "mul"}), (1, {"neg", "add"}), (1, {"sub"}), (0, {"div"})]
    # A result that nobody computes is handed on by the first part.
    assert handed(found) == [
        ({"x"}, {"input", "exp", "mul"}),
        ({"x"}, {"neg", "add"}),
        ({"exp", "neg"}, {"sub"}),
        ({"sub", "mul"}, {"div"}),
    ]
    assert {name: found.makers[at] for name, at in {**found.outputs, **found.updates}.items()} == {
        "y": 3,
        "x": 0,
        "w": 1,
    }
    assert [[p.node.name for p in part.graph.params] for part in found.parts] == [["w"], ["w"], [], []]


def test_on_one_device_all_is_one_part() -> None:
    graph = parse_graph(CROSSING)
    [part] = split(graph, 1).parts
    assert {n.op for n in part.graph.nodes} == {n.op for n in graph.nodes}
