"""Nodes of a file that are one layer here: what exporters take apart is put together before it is translated.

    MatMul(x, W) + b               Dense       (W, or what a Transpose makes of it, and b are initialisers)
    x * Sigmoid(x)                 Silu
    x * HardSigmoid(x)             HardSwish   (with the slope 1/6)
    x * Tanh(Softplus(x))          Mish
    0.5 x (1 + Erf(x / sqrt(2)))   Gelu, in any order of the factors
    0.5 x (1 + Tanh(0.797885 (x + 0.044715 x^3)))   the same, approximate

Only where nothing else reads what is in between. The joined node stands where the last of its nodes was.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from netlang.interchange.importing.node import Node, OnnxGraph, names_read
from netlang.runtime.ports import Array

DOMAIN = "netlang"
"""Of operators that are joined nodes."""
Match = tuple[Node, list[Node]]
"""The joined node, and the nodes that are in it besides the last."""


_DEFAULTS = {"HardSigmoid": {"alpha": 0.2, "beta": 0.5}}


class _View:
    """A graph by names: who makes a value, how often it is read, what is constant."""

    def __init__(self, graph: OnnxGraph) -> None:
        self.makers = {o: n for n in graph.nodes for o in n.outputs if o}
        self.readers = Counter(name for n in graph.nodes if n.read for name in names_read(n))
        self.readers.update(port.name for port in graph.outputs)
        self._constants = graph.constants

    def weight(self, name: str) -> Array | None:
        """The initialiser that a value is, perhaps under another name."""
        while name not in self._constants and name in self.makers and self.makers[name].operator == "Identity":
            name = self.makers[name].inputs[0]
        return self._constants.get(name)

    def only(self, name: str, op: str, attributes: Mapping[str, float] | None = None) -> Node | None:
        """The node of an operator that makes a value which is read once, if its attributes are these and no others."""
        node = self.makers.get(name)
        if node is None or node.operator != op or self.readers[name] != 1 or len(node.outputs) != 1:
            return None
        wanted, given = attributes or {}, {**_DEFAULTS.get(op, {}), **node.attributes}
        if {*given} != {*wanted} or any(not _near(given[k], v) for k, v in wanted.items()):
            return None
        return node

    def number(self, name: str) -> float | None:
        """The one number that a value is."""
        array: Any = self.weight(name)
        maker = self.makers.get(name)
        if array is None and maker is not None and maker.operator == "Constant":
            array = maker.attributes.get("value", maker.attributes.get("value_float"))
        if array is None or np.size(array) != 1 or np.asarray(array).dtype.kind != "f":
            return None
        return float(np.reshape(array, ()))

    def beside(self, node: Node, number: float) -> str | None:
        """The other input of a node of two, one of which is a number."""
        for one, other in (node.inputs, node.inputs[::-1]):
            if _near(self.number(one), number):
                return other
        return None


def _near(found: Any, wanted: float) -> bool:
    return isinstance(found, int | float) and math.isclose(found, wanted, rel_tol=1e-3)


def joined(graph: OnnxGraph) -> tuple[Node, ...]:
    """The nodes of a graph with those joined that are one layer."""
    view = _View(graph)
    made: dict[int, Node] = {}
    gone: set[int] = set()
    for node in graph.nodes:
        for rule in _RULES.get(node.operator, ()) if len(node.inputs) == 2 and not node.attributes else ():
            match = rule(view, node)
            if match is not None:
                made[node.number] = match[0]
                gone.update(n.number for n in match[1])
                break
    return tuple(made.get(n.number, n) for n in graph.nodes if n.number not in gone)


def _join(last: Node, op: str, inputs: tuple[str, ...], parts: list[Node], **attributes: Any) -> Match:
    return replace(last, op=op, domain=DOMAIN, inputs=inputs, attributes=attributes), parts


# ---- activations


def _gated(view: _View, node: Node) -> Match | None:
    for x, gate in (node.inputs, node.inputs[::-1]):
        sigmoid = view.only(gate, "Sigmoid")
        if sigmoid is not None and sigmoid.inputs == (x,):
            return _join(node, "Silu", (x,), [sigmoid])
        hard = view.only(gate, "HardSigmoid", {"alpha": 1 / 6, "beta": 0.5})
        if hard is not None and hard.inputs == (x,):
            return _join(node, "HardSwish", (x,), [hard])
        tanh = view.only(gate, "Tanh")
        softplus = None if tanh is None else view.only(tanh.inputs[0], "Softplus")
        if tanh is not None and softplus is not None and softplus.inputs == (x,):
            return _join(node, "Mish", (x,), [tanh, softplus])
    return None


def _gelu(view: _View, node: Node) -> Match | None:
    parts: list[Node] = []
    factors = _factors(view, node, parts)
    halves = [f for f in factors if _near(view.number(f), 0.5)]
    rest = [f for f in factors if f not in halves]
    if len(factors) != 3 or len(halves) != 1 or len(rest) != 2:
        return None
    for x, sum_name in (rest, rest[::-1]):
        for bent, approximate in ((_erf_of, False), (_tanh_of, True)):
            found = _one_more(view, sum_name)
            inside = None if found is None else bent(view, found[0], x)
            if found is not None and inside is not None:
                return _join(node, "Gelu", (x,), [*parts, found[1], *inside], approximate=int(approximate))
    return None


def _factors(view: _View, node: Node, parts: list[Node]) -> list[str]:
    """What is multiplied, through products that nothing else reads; these are added to `parts`."""
    found: list[str] = []
    for name in node.inputs:
        inner = view.only(name, "Mul")
        if inner is None or len(parts) > 2:
            found.append(name)
        else:
            parts.append(inner)
            found += _factors(view, inner, parts)
    return found


def _one_more(view: _View, name: str) -> tuple[str, Node] | None:
    """(y, the node) of 1 + y."""
    node = view.only(name, "Add")
    other = None if node is None else view.beside(node, 1)
    return None if node is None or other is None else (other, node)


def _erf_of(view: _View, name: str, x: str) -> list[Node] | None:
    """The nodes of Erf(x / sqrt(2))."""
    erf = view.only(name, "Erf")
    scaled = None if erf is None else view.only(erf.inputs[0], "Div")
    if erf is not None and scaled is not None:
        fits = scaled.inputs[0] == x and _near(view.number(scaled.inputs[1]), math.sqrt(2))
        return [erf, scaled] if fits else None
    scaled = None if erf is None else view.only(erf.inputs[0], "Mul")
    if erf is None or scaled is None or view.beside(scaled, math.sqrt(0.5)) != x:
        return None
    return [erf, scaled]


def _tanh_of(view: _View, name: str, x: str) -> list[Node] | None:
    """The nodes of Tanh(sqrt(2/pi) (x + 0.044715 x^3))."""
    tanh = view.only(name, "Tanh")
    outer = None if tanh is None else view.only(tanh.inputs[0], "Mul")
    inner = None if outer is None else view.beside(outer, math.sqrt(2 / math.pi))
    total = None if inner is None else view.only(inner, "Add")
    if tanh is None or outer is None or total is None or x not in total.inputs:
        return None
    bent = view.only(total.inputs[1 - total.inputs.index(x)], "Mul")
    cube = None if bent is None else view.beside(bent, 0.044715)
    power = None if cube is None else view.only(cube, "Pow")
    if bent is None or power is None or power.inputs[0] != x or not _near(view.number(power.inputs[1]), 3):
        return None
    return [tanh, outer, total, bent, power]


# ---- layers


def _dense(view: _View, node: Node) -> Match | None:
    for product, bias in (node.inputs, node.inputs[::-1]):
        matmul, b = view.only(product, "MatMul"), view.weight(bias)
        if matmul is None or b is None or b.ndim != 1:
            continue
        name, turned = matmul.inputs[1], []
        transpose = view.makers.get(name)
        if transpose is not None and transpose.operator == "Transpose" and view.readers[name] == 1:
            turned, name = [transpose], transpose.inputs[0]
        weight = view.weight(name)
        if weight is None or not _is_matrix(weight, turned) or weight.shape[0 if turned else 1] != b.size:
            continue
        inputs = (matmul.inputs[0], name, bias)
        return _join(node, "Dense", inputs, [matmul, *turned], transposed=int(bool(turned)))
    return None


def _is_matrix(weight: Array, turned: list[Node]) -> bool:
    order = turned[0].attributes.get("perm", (1, 0)) if turned else (1, 0)
    return weight.ndim == 2 and weight.dtype.kind in "fV" and tuple(order) == (1, 0)


_RULES: Mapping[str, tuple[Callable[[_View, Node], Match | None], ...]] = {"Mul": (_gated, _gelu), "Add": (_dense,)}
