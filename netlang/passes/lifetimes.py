"""When every tensor of a graph is needed, which moment is the fullest, and what lies idle then."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

from netlang.ir.graph import Node, Value
from netlang.passes.memory import VIEWS
from netlang.passes.repeat import Choice, Draft, root
from netlang.placement import Buffer, lower_bound

_LEAVES = frozenset({"input", "param", "const"})
LONGEST_CHAIN = 32
"""So many nodes are run again at most to get the results of one."""


class Lives:
    """The lifetimes of a draft. A plan may need a little more: for gaps, and where it lets steps overlap."""

    def __init__(self, current: Draft) -> None:
        self.draft = current
        self.nodes: Sequence[Node] = current.graph.nodes
        self.uses = self._find_uses()
        """When each tensor in the arena is read, in order; the time after the last node stands for the caller."""
        self.time = {node: t for t, node in enumerate(self.nodes)}
        self.peak, self._profile = lower_bound(self._buffers(), len(self.nodes))

    @property
    def moments(self) -> int:
        """How many moments are as full as the fullest."""
        return self._profile.count(self.peak)

    @cached_property
    def fullest(self) -> int:
        """The first of them, as the number of the node that runs."""
        return self._profile.index(self.peak)

    def _find_uses(self) -> dict[Value, list[int]]:
        found: dict[Value, list[int]] = {}
        for time, node in enumerate(self.nodes):
            # A view is no use of what it views, but `after` reads its second input.
            for value in node.inputs[1:] if node.op in VIEWS else node.inputs:
                found.setdefault(root(value), []).append(time)
        for value in self.draft.graph.escaping:
            found.setdefault(root(value), []).append(len(self.nodes))
        return {value: times for value, times in found.items() if not _outside(value.node)}

    def _buffers(self) -> list[Buffer]:
        facts = self.draft.facts
        found = [Buffer(facts[node].scratch, t, t) for t, node in enumerate(self.nodes) if facts[node].scratch]
        for time, node in enumerate(self.nodes):
            if node.op not in VIEWS and not _outside(node):
                for value, size in zip(node.results, facts[node].results, strict=True):
                    found.append(Buffer(size, time, max(time, self._end(value, time))))
        return found

    def _end(self, value: Value, made: int) -> int:
        """The last moment at which the storage of a value is its own."""
        last = self.uses.get(value, [made])[-1]
        if last == len(self.nodes):
            return last
        node = self.nodes[last]
        return last - 1 if any(root(node.inputs[i]) == value for i in self.draft.facts[node].over) else last

    def choices(self) -> Iterator[Choice]:
        """What can be computed again rather than lie idle at the fullest moment."""
        now = self.fullest
        for node in self.nodes[:now]:
            idle = [r for r in node.results if self._is_idle(r, now)]
            if not idle or node.op in VIEWS or _outside(node):
                continue
            at = min(t for r in idle for t in self.uses[r] if t > now)
            chain = self._chain(node, at)
            if chain:
                freed = sum(self.draft.facts[node].results[r.index] for r in idle)
                work = sum(self.draft.facts[n].work for n in chain)
                yield Choice(chain, frozenset(idle), at, freed, work)

    def _is_idle(self, value: Value, now: int) -> bool:
        """Whether a value is alive at a moment without being read then, and does not leave the graph."""
        times = self.uses.get(value, [])
        return bool(times) and now < times[-1] < len(self.nodes) and now not in times

    def _chain(self, node: Node, at: int) -> tuple[Node, ...]:
        """A node and what it needs that is gone at a time, in order; empty where that is too much or makes no sense."""
        found: set[Node] = set()
        asked = [node] if _varies(node) else []
        while asked:
            current = asked.pop()
            if current in found:
                continue
            found.add(current)
            if len(found) > LONGEST_CHAIN:
                return ()
            sources = [root(v) for v in current.inputs]
            asked += [s.node for s in sources if _varies(s.node) and self.uses[s][-1] < at]
        return tuple(sorted(found, key=self.time.__getitem__))


def _varies(node: Node) -> bool:
    """Whether a node reads something that was computed. What does not is small, or weights: it stays."""
    return any(root(v).node.op not in ("param", "const") for v in node.inputs)


def _outside(node: Node) -> bool:
    """Whether the results have no place in the arena."""
    return node.op in _LEAVES
