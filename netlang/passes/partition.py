"""A graph cut into groups of nodes that are to become one node each: which groups may be joined, and in what order they
can be carried out.

This is the one place where fusion is judged legal. Joining groups is legal if no path leaves them and comes back: the
graph of groups must stay free of cycles, whatever was joined before.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from netlang.ir.graph import Graph, Node, Value
from netlang.ir.types import TensorType


def is_free(node: Node) -> bool:
    """Whether a node costs nothing inside a kernel and is copied into every body that reads it: one number, the size of
    a dimension, and what only changes how a tensor is indexed."""
    if node.op == "const":
        return bool(node.attrs["value"].size == 1)
    if node.op == "reshape":
        return only_moves_ones(node.inputs[0].type, node.out.type)
    return node.op in ("extent", "broadcast", "stop_gradient")


def only_moves_ones(old: TensorType, new: TensorType) -> bool:
    """Whether two shapes differ only in dims of size 1."""
    return [d for d in old.shape if d != 1] == [d for d in new.shape if d != 1]


def source(value: Value) -> Value:
    """The value that `value` is a view of, past all free nodes; a free const or extent is its own source."""
    while is_free(value.node) and value.node.inputs:
        value = value.node.inputs[0]
    return value


class Partition:
    """Groups of the nodes of a graph, at first one node each, with an order in which they can be carried out.

    Free nodes belong to no group; dependencies are seen through them.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        nodes = [n for n in graph.nodes if not is_free(n)]
        self._position = {node: i for i, node in enumerate(nodes)}
        self._group = dict(self._position)
        self._members: dict[int, list[Node]] = {i: [node] for i, node in enumerate(nodes)}
        self._rank = {i: i for i in range(len(nodes))}
        self._order: list[int | None] = list(range(len(nodes)))
        self._after: dict[int, set[int]] = {i: set() for i in range(len(nodes))}
        self._before: dict[int, set[int]] = {i: set() for i in range(len(nodes))}
        for node in nodes:
            for value in map(source, node.inputs):
                if not is_free(value.node):
                    self._after[self._group[value.node]].add(self._group[node])
                    self._before[self._group[node]].add(self._group[value.node])

    def group(self, node: Node) -> int:
        """The group of a node that is not free."""
        return self._group[node]

    def members(self, group: int) -> Sequence[Node]:
        """The nodes of a group, each after its inputs."""
        return self._members[group]

    def groups(self) -> list[int]:
        """All groups, each after those it depends on."""
        return [g for g in self._order if g is not None]

    def join(self, groups: Iterable[int]) -> bool:
        """Make one group of several, under the number of the first in order, if that is legal."""
        chosen = sorted(set(groups), key=lambda g: self._rank[g])
        if len(chosen) < 2:
            return True
        between = self._reached_between(chosen)
        if between is None:
            return False
        self._reorder(chosen, between)
        self._absorb(chosen[0], chosen[1:])
        return True

    def _reached_between(self, chosen: Sequence[int]) -> set[int] | None:
        """The groups reached from `chosen` and ranked before the last of them; None if one of them leads back."""
        last, inside = self._rank[chosen[-1]], set(chosen)
        reached: set[int] = set()
        waiting = [g for c in chosen for g in self._after[c] if g not in inside]
        while waiting:
            group = waiting.pop()
            if group in reached or self._rank[group] > last:
                continue
            reached.add(group)
            if not inside.isdisjoint(self._after[group]):
                return None
            waiting.extend(self._after[group])
        return reached

    def _reorder(self, chosen: Sequence[int], between: set[int]) -> None:
        """Move what is reached from the new group behind it, and everything else of that stretch before it."""
        start, end = self._rank[chosen[0]], self._rank[chosen[-1]] + 1
        stretch = [g for g in self._order[start:end] if g is not None and g not in chosen]
        new: list[int | None] = [g for g in stretch if g not in between]
        new += [chosen[0], *(g for g in stretch if g in between)]
        new += [None] * (end - start - len(new))
        self._order[start:end] = new
        self._rank.update({g: start + i for i, g in enumerate(new) if g is not None})

    def _absorb(self, kept: int, others: Sequence[int]) -> None:
        inside = {kept, *others}
        for other in others:
            for node in self._members[other]:
                self._group[node] = kept
            self._members[kept] += self._members.pop(other)
            del self._rank[other]
        self._members[kept].sort(key=self._position.__getitem__)
        for edges, back in ((self._after, self._before), (self._before, self._after)):
            ends = {kept: edges[kept], **{other: edges.pop(other) for other in others}}
            edges[kept] = set().union(*ends.values()) - inside
            for end in edges[kept]:
                back[end] = (back[end] - inside) | {kept}
