"""The functions that a file defines, written out where they are called.

A function that calls another twice, which calls a third twice, and so on, is a small file and an endless graph. So what
it comes to is counted before anyone writes it out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from netlang.diagnostics import NetError
from netlang.interchange.proto import brief

MOST_NODES = 100_000
MOST_BYTES = 1 << 30
"""Of a graph with all its functions written out."""
_DEEPEST = 50
"""Functions called by functions."""

_Key = tuple[str, str, str]


def inlined(model: Any) -> Any:
    """The graph of a model, with its functions written out. Raises NetError where that would be too much."""
    functions = {_key(f.domain, f.name, f.overload): f for f in model.functions}
    count, size = _Extent(functions).of(model.graph.node, ())
    if count > MOST_NODES:
        raise NetError(f"the graph has {_told(count)} nodes; at most {MOST_NODES:,} are read")
    if not functions:
        return model.graph
    if size > MOST_BYTES:
        raise NetError(f"the graph has {_told(size)} bytes when its functions are written out: too many")
    try:
        import onnx.inliner

        return onnx.inliner.inline_local_functions(model).graph
    except Exception as fault:  # the package's own classes of errors, from C++
        told = next(iter(str(fault).splitlines()), type(fault).__name__)
        raise NetError(f"the functions of the file cannot be written out: {brief(told)}") from None


@dataclass
class _Extent:
    """Counts (nodes, bytes) of what calls of functions come to; each function once."""

    functions: dict[_Key, Any]
    counted: dict[_Key, tuple[int, int]] = field(default_factory=dict)

    def of(self, nodes: Iterable[Any], within: tuple[_Key, ...]) -> tuple[int, int]:
        """Of some nodes, which stand in the innermost of the functions `within`."""
        count = size = 0
        for node in nodes:
            key = _key(node.domain, node.op_type, node.overload)
            more = self._called(key, within) if key in self.functions else (1, 0)
            count, size = count + more[0], size + more[1]
            for attribute in node.attribute:
                for graph in (attribute.g, *attribute.graphs) if attribute.HasField("g") else attribute.graphs:
                    inner = self.of(graph.node, within)
                    count, size = count + inner[0], size + inner[1]
        return count, size

    def _called(self, key: _Key, within: tuple[_Key, ...]) -> tuple[int, int]:
        if key in within:
            raise NetError(f"the function '{brief(key[1])}' of the file calls itself")
        if len(within) >= _DEEPEST:
            raise NetError(f"functions of the file call each other more than {_DEEPEST} deep")
        if key not in self.counted:
            function = self.functions[key]
            count, size = self.of(function.node, (*within, key))
            self.counted[key] = count, size + function.ByteSize()
        return self.counted[key]


def _key(domain: str, name: str, overload: str) -> _Key:
    return "" if domain == "ai.onnx" else domain, name, overload


def _told(count: int) -> str:
    """A number, which may be of thousands of digits."""
    return f"{count:,}" if count < 10**18 else "more than 10^18"
