"""How kernels are measured on a processor."""

from __future__ import annotations

from collections.abc import Mapping

from netlang.backends.base import Array
from netlang.backends.common.tune import Method, NodeTimes
from netlang.backends.cpu.executable import Executable
from netlang.ir.graph import Node

# Whatever else the machine does makes a kernel slower, never faster: of all times of one the least counts.
METHOD = Method(kinds=(("rows",), ("algorithm",), ("tile",), ("columns",)), calls=2, typical=min)


def node_seconds(
    executable: Executable, inputs: Mapping[str, Array], params: Mapping[str, Array], calls: int
) -> NodeTimes:
    """The seconds of every node, all its steps together, in each of so many calls."""
    by_node: dict[Node, list[float]] = {}
    for step in executable.profile(inputs, params, calls):
        sums = by_node.setdefault(step.node, [0.0] * calls)
        by_node[step.node] = [a + b for a, b in zip(sums, step.seconds, strict=True)]
    return by_node
