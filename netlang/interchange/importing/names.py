"""Short names for what a file calls by paths.

Exporters put the place of a value before its name: `model/decoder/rnn/LSTM`, `F0::decoder::rnn::Slice_3`. In a net of
its own the end of the path says as much, as long as no other name ends the same.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from netlang.interchange.importing.node import OnnxGraph

_STEPS = re.compile(r"/|::")
_LONGEST = 200
"""Letters of the end of a path that are looked at."""


def shortened(names: Iterable[str]) -> dict[str, str]:
    """The shortest end of each path that no other one has; names that are no paths stay as they are."""
    parts = {name: [part for part in _STEPS.split(name[-_LONGEST:]) if part] for name in names}
    ends = Counter(tuple(path[-count:]) for path in parts.values() for count in range(1, len(path) + 1))
    return {name: "/".join(_own_end(path, ends)) for name, path in parts.items() if path}


def _own_end(path: list[str], ends: Counter[tuple[str, ...]]) -> list[str]:
    own = (count for count in range(1, len(path) + 1) if ends[tuple(path[-count:])] == 1)
    return path[-next(own, len(path)) :]


def names_in(graph: OnnxGraph) -> set[str]:
    """What a graph and those inside it call values; a node stands for what it makes."""
    found = {port.name for port in (*graph.inputs, *graph.outputs)} | {*graph.constants}
    for node in graph.everything():
        found |= {node.name, *node.outputs[1:]} if node.name else {*node.outputs}
    return found - {""}
