"""What the nets of a file have in common: layers of the file that several of them apply, nets inside other nets.

Nets that have parameters in common, directly or by way of others, are kept together: one set of arrays, one weights
file. In it a parameter is called as the last of these nets calls it; the others' own are called `net.parameter`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from netlang.diagnostics import Diagnostic
from netlang.frontend.faults import Reporter
from netlang.ir.build import Builder
from netlang.ir.graph import Graph, Value

Key = tuple[str, str]
"""What a parameter is, whichever net it is seen from: see `netlang.frontend.values.Instance`."""


@dataclass(frozen=True)
class Seen:
    """The parameters of a graph of a net: the net's own, or one of its training. `keys` are by their names there."""

    net: str
    graph: Graph
    keys: Mapping[str, Key]
    is_net: bool


@dataclass(frozen=True)
class Sharing:
    """names    for each key, how its parameter is called in a file of weights
    weights     for each net, the parameters that are kept with its own, under those names
    """

    names: Mapping[Key, str]
    weights: Mapping[str, tuple[Value, ...]]

    def of(self, seen: Seen) -> dict[str, str]:
        """How weights files call the parameters of a graph; layers of a `train` section alone are in none."""
        return {name: self.names[key] for name, key in seen.keys.items() if key in self.names}


def share(graphs: Sequence[Seen], reporter: Reporter) -> Sharing:
    """What the graphs of a file share. A parameter that has different types in two of them is a fault."""
    _check_types(graphs, reporter)
    kept: dict[str, dict[Key, str]] = {}
    for seen in graphs:
        mine = kept.setdefault(seen.net, {})
        mine.update({key: name for name, key in seen.keys.items() if seen.is_net or not key[0]})
    params = {seen.keys[p.node.name]: p for seen in graphs for p in seen.graph.params}
    names: dict[Key, str] = {}
    weights: dict[str, tuple[Value, ...]] = {}
    for group in _groups(kept):
        ours = _names(group, kept)
        names.update(ours)
        found = tuple(_renamed(params[key], name) for key, name in ours.items())
        weights.update(dict.fromkeys(group, found))
    return Sharing(names, weights)


def _groups(kept: Mapping[str, Mapping[Key, str]]) -> list[list[str]]:
    """The nets, those that share parameters together, in the order of the text."""
    groups: list[tuple[list[str], set[Key]]] = []
    for net, keys in kept.items():
        joined = [g for g in groups if g[1] & keys.keys()]
        groups = [g for g in groups if g not in joined]
        together = [name for g in joined for name in g[0]] + [net]
        groups.append(([n for n in kept if n in together], set(keys).union(*(g[1] for g in joined))))
    return [names for names, _ in groups]


def _names(group: Iterable[str], kept: Mapping[str, Mapping[Key, str]]) -> dict[Key, str]:
    last, *others = reversed([*group])
    found = dict(kept[last])
    taken = set(found.values())
    for net in others:
        for key, name in kept[net].items():
            if key in found:
                continue
            owner, inner = key
            whole = f"{owner.rpartition(':')[2]}.{inner}" if owner else name
            while whole in taken:
                whole += "_"
            found[key] = whole
            taken.add(whole)
    return found


def _renamed(param: Value, name: str) -> Value:
    node = param.node
    return Builder(node.spans).param(name, param.type, node.attrs["role"], node.attrs["init"])


def _check_types(graphs: Sequence[Seen], reporter: Reporter) -> None:
    first: dict[Key, tuple[Seen, Value]] = {}
    for seen in graphs:
        for param in seen.graph.params:
            other, known = first.setdefault(seen.keys[param.node.name], (seen, param))
            if known.type != param.type:
                message = (
                    f"the shared parameter '{param.node.name}' is {param.type} in net '{seen.net}', "
                    f"but {known.type} in net '{other.net}'"
                )
                hint = "a layer of the file has the same parameters wherever it is applied; a block has its own"
                reporter.add(Diagnostic(message, param.node.spans[:1], hint=hint))
