"""Which dimensions of the tensors of an elementwise-and-reduction graph are the same loop.

Every dimension that is not 1 belongs to a class: ops say which dims of their inputs and results are one (union-find).
If all classes meet in one tensor, and all reductions go over the same classes, the graph is one loop nest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from netlang.ir.dims import Dim
from netlang.ir.graph import Node, Value
from netlang.ir.opdef import opdef

Place = tuple[Value, int]


class Axes:
    """Classes of dimensions; a class is named by one of its members."""

    def __init__(self) -> None:
        self._parent: dict[Place, Place] = {}

    def find(self, place: Place) -> Place:
        parents = self._parent
        parent = parents.setdefault(place, place)
        while parent is not place and parent != place:
            above = parents[parent]
            parents[place] = above
            place, parent = parent, above
        return place

    def unite(self, a: Value, i: int, b: Value, j: int) -> None:
        """Say that dim i of a and dim j of b are one, unless one of them is 1."""
        if a.shape[i] != 1 and b.shape[j] != 1:
            self._parent[self.find((a, i))] = self.find((b, j))

    def of(self, value: Value) -> tuple[Place | None, ...]:
        """The class of every dim; None for dims of size 1."""
        return tuple(None if d == 1 else self.find((value, i)) for i, d in enumerate(value.shape))

    def classes(self, value: Value) -> list[Place]:
        """The classes of the dims that are not 1, in order."""
        return [c for c in self.of(value) if c is not None]

    # ---- what ops say

    def visit(self, node: Node) -> bool:
        """Unite the dims that `node` walks together. False: not an op of a loop nest."""
        if node.op in ("const", "extent", "iota") or "random" in opdef(node.op).traits:
            return True
        if node.op == "transpose":
            for i, p in enumerate(node.attrs["perm"]):
                self.unite(node.out, i, node.inputs[0], p)
        elif node.op == "one_hot":
            for i in range(node.inputs[0].rank):
                self.unite(node.out, i, node.inputs[0], i)
        elif node.op in ("reduce_sum", "reduce_mean", "reduce_max", "reduce_min"):
            self._reduction(node)
        elif node.op == "reshape":
            return self._reshape(node)
        else:
            for value in node.inputs:
                shift = node.out.rank - value.rank
                for i in range(value.rank):
                    self.unite(node.out, i + shift, value, i)
        return True

    def _reduction(self, node: Node) -> None:
        (x,), axes = node.inputs, node.attrs["axes"]
        kept = [i for i in range(x.rank) if i not in axes]
        places = kept if node.attrs["keepdims"] else range(len(kept))
        for i, j in zip(kept, places, strict=True):
            self.unite(x, i, node.out, j)

    def _reshape(self, node: Node) -> bool:
        """Only dims of size 1 may come and go."""
        (x,), y = node.inputs, node.out
        old, new = _longer(x.shape), _longer(y.shape)
        if [x.shape[i] for i in old] != [y.shape[j] for j in new]:
            return False
        for i, j in zip(old, new, strict=True):
            self.unite(x, i, y, j)
        return True

    def reduced(self, node: Node) -> set[Place]:
        """The classes that a reduction goes over."""
        of = self.of(node.inputs[0])
        return {c for a in node.attrs["axes"] if (c := of[a]) is not None}


def _longer(shape: Sequence[Dim]) -> list[int]:
    return [i for i, d in enumerate(shape) if d != 1]


def widest(axes: Axes, values: Iterable[Value]) -> list[Place] | None:
    """The classes of the first value that has all of them, each once, in its order; None where there is none."""
    found = [axes.classes(v) for v in dict.fromkeys(values)]
    everything = {c for classes in found for c in classes}
    if any(len(set(classes)) != len(classes) for classes in found):
        return None
    return next((classes for classes in found if len(classes) == len(everything)), None)
