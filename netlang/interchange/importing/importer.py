"""A graph of a file, node by node, onto a sheet."""

from __future__ import annotations

import math
from collections.abc import Container, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from netlang.diagnostics import NetError
from netlang.interchange.importing import folding, operators  # noqa: F401  # fills the registries
from netlang.interchange.importing.cell import Draft
from netlang.interchange.importing.evaluate import Allowance, evaluated
from netlang.interchange.importing.functions import body_of, has_body
from netlang.interchange.importing.given import as_declared
from netlang.interchange.importing.items import Anything
from netlang.interchange.importing.joining import joined
from netlang.interchange.importing.judging import complaint
from netlang.interchange.importing.known import Known, fold, sizes
from netlang.interchange.importing.names import names_in, shortened
from netlang.interchange.importing.node import Node, OnnxGraph, Port, free
from netlang.interchange.importing.operator import (
    REQUIRED,
    Call,
    Declined,
    Needed,
    Operator,
    Result,
    Results,
    element_type,
    find,
)
from netlang.interchange.importing.schema import check, check_inputs
from netlang.interchange.importing.sheet import Refused, Sheet, Tensor, known_shape
from netlang.interchange.proto import brief, onnx_package
from netlang.ir.dims import Dim
from netlang.ir.graph import Value, topological
from netlang.ir.types import TensorType
from netlang.runtime.ports import Array

_IDLE = ("consumed_inputs",)
"""Attributes of the first versions of operators that said where results may be put, not what they are."""
_IDLE_UNTIL = 5
_WIDEST = 1 << 32
"""A size of an input without elements at most."""
MOST_CONSTANT = 1 << 28
"""Elements of a tensor that depends on no input."""


class Importer:
    """Writes a graph on a sheet. `folded` counts nodes that were carried out rather than written.

    opsets   version of each domain
    sizes    numbers for named sizes of inputs
    values   inputs that are given their value now
    """

    def __init__(
        self, sheet: Sheet, opsets: Mapping[str, int], sizes: Mapping[str, int], values: Mapping[str, Array]
    ) -> None:
        self.sheet, self.opsets, self.sizes, self.given = sheet, opsets, sizes, values
        self.found: dict[str, Anything] = {}
        self.folded = 0
        self._allowance = Allowance()
        self._settled: set[Value] = set()
        self.needed: list[str] = []
        self.inputs: dict[str, str] = {}
        self._size_names: dict[str, str] = {}

    def whole(self, graph: OnnxGraph) -> dict[str, Result]:
        """The outputs of the file's own graph by name. Raises NetError."""
        check_supported(graph, self.opsets)
        self.sheet.short = shortened(names_in(graph))
        for name in self.given:
            if name not in {p.name for p in graph.inputs}:
                known = ", ".join(p.name for p in graph.inputs)
                raise NetError(f"the network has no input '{brief(name)}' to give a value", hint=f"it has {known}")
        named = {d for p in graph.inputs for d in p.dims or () if isinstance(d, str) and d}
        for name in self.sizes:
            if name not in named:
                known = f"it has {', '.join(sorted(named))}" if named else "all sizes of its inputs are numbers"
                raise NetError(f"the inputs have no size '{name}'", hint=known)
        for port in graph.inputs:
            self._input(port)
        self._carry_out(graph)
        return {port.name: self._output(port) for port in graph.outputs}

    def _output(self, port: Port) -> Result:
        found = self._made(port.name)
        if not isinstance(found, Tensor | Known):
            raise NetError(f"the output '{port.name}' is no tensor but a sequence or optional, which netlang has not")
        return found

    def _input(self, port: Port) -> None:
        if port.name in self.given:
            self.found[port.name] = Known(as_declared(port, np.asarray(self.given[port.name])))
            return
        if port.dims is None:
            raise NetError(
                f"the input '{brief(port.name)}' has no shape", hint="give the model one before exporting it"
            )
        dims = [self._dim(d) for d in port.dims]
        try:
            dtype = element_type(port.dtype)
            if 0 in dims and all(isinstance(d, str) or 0 <= d < _WIDEST for d in dims):
                self.found[port.name] = Known(np.zeros([d if isinstance(d, int) else 0 for d in dims], dtype.numpy))
                return
            tensor = self.sheet.input(port.name, dtype, dims)
        except Refused as fault:
            raise NetError(f"input '{brief(port.name)}': {fault}", hint=fault.hint) from None
        self.found[port.name] = tensor
        self.inputs[port.name] = tensor.name

    def _dim(self, dim: int | str) -> int | str:
        """A size of an input: a number, or the identifier of a name."""
        if isinstance(dim, int):
            return dim
        if dim in self.sizes:
            return self.sizes[dim]
        if not dim or dim not in self._size_names:
            name = self.sheet.size_name(dim)
            if not dim:
                return name
            self._size_names[dim] = name
        return self._size_names[dim]

    def inner(self, graph: OnnxGraph, values: Sequence[Anything]) -> list[Anything]:
        """The outputs of a graph inside, for these inputs. It sees what is around it."""
        own = [port.name for port in graph.inputs]
        around = {name: self.found.get(name) for name in [*own, *graph.made()]}
        self.found.update(zip(own, values, strict=False))
        try:
            self._carry_out(graph)
            return [self._made(port.name) for port in graph.outputs]
        finally:
            for name, before in around.items():
                if before is None:
                    self.found.pop(name, None)
                else:
                    self.found[name] = before

    def cell(self, graph: OnnxGraph, inputs: Sequence[TensorType | Known]) -> Draft:
        """A graph inside as a block of the file. What it reads around it becomes arguments of the block."""
        inside = Draft(self.sheet, graph.name or "cell")
        importer = Importer(inside.sheet, self.opsets, self.sizes, {})
        importer._allowance = self._allowance
        for name in free(graph):
            importer.found[name] = inside.outside(self.found[name], name)
        for port, given in zip(graph.inputs, inputs, strict=True):
            importer.found[port.name] = given if isinstance(given, Known) else inside.argument(port.name, given)
        importer._carry_out(graph)
        self.folded += importer.folded
        inside.results = [importer._made(port.name) for port in graph.outputs]
        return inside

    def _made(self, name: str) -> Anything:
        """A value by its name. Raises NetError for an output that its node does not have in this form."""
        if name not in self.found:
            raise NetError(f"'{name}' is an output that its node does not have")
        return self.found[name]

    def _carry_out(self, graph: OnnxGraph) -> None:
        for name, array in graph.constants.items():
            self.found[name] = Known(array, name, trained=True)
        for node in graph.nodes:
            self._check_inputs(node)
        for node in joined(graph):
            if not node.read:
                self.folded += 1
                continue
            self._allowance.turns -= 1
            if self._allowance.turns < 0:
                raise NetError(f"{node}: too many operators are carried out: a loop without end?")
            try:
                results = self._node(node)
            except Needed as fault:
                fault.give(self._behind(fault.name))
                self.needed.append(fault.name)
                raise NetError(f"{node}: {fault}", hint=fault.hint) from fault
            except Refused as fault:
                raise NetError(f"{node}: {fault}", hint=fault.hint) from fault
            except NetError:
                raise
            except Exception as fault:
                self._judge(node, fault)
                raise
            for name, result in zip(node.outputs, results, strict=False):
                if name and result is not None:
                    self.found[name] = result

    def _behind(self, name: str) -> str:
        """The input of the file that a value is computed from, one of whole numbers if there are several; the value
        itself where there is none."""
        found = self.found.get(name)
        if name in self.inputs or not isinstance(found, Tensor):
            return name
        theirs = {ours: file for file, ours in self.inputs.items()}
        inputs = [n.out for n in topological([found.value]) if n.op == "input" and n.name in theirs]
        inputs.sort(key=lambda value: not value.dtype.is_int)
        return theirs[inputs[0].node.name] if inputs else name

    def _check_inputs(self, node: Node) -> None:
        """Raise NetError where an input is missing: nodes are joined by what they read."""
        try:
            check_inputs(node, self.opsets.get(node.domain, 1))
        except Refused as fault:
            raise NetError(f"{node}: {fault}") from None

    def _judge(self, node: Node, fault: Exception) -> None:
        """Something unforeseen came of a node. Raises NetError where the node is at fault; otherwise netlang is, and
        the fault goes on with its place."""
        values = [self.found.get(name) for name in node.inputs]
        told = complaint(node, values, self.opsets.get(node.domain, 1))
        if told:
            raise NetError(f"{node}: {told}") from fault
        fault.add_note(f"while importing {node}")

    def _node(self, node: Node) -> Sequence[Anything | None]:
        record, version = find(node.domain, node.op), self.opsets.get(node.domain, 1)
        values = [self._made(name) if name else None for name in node.inputs]
        check(node, record, values, version)
        if record is None:
            return self._explained(node, values)
        attributes = completed(node, record, version)
        if node.op in ("Shape", "Size") and not node.domain:
            self.folded += 1
            return [_shape(node.op, values[0], attributes)]
        inputs = [v for v in values if v is None or isinstance(v, Known)]
        if len(inputs) == len(values) and not record.control and values:
            known = fold(node.op, inputs, node.attributes) if not node.domain else None
            if known is not None:
                self.folded += 1
                return [known]
        try:
            results = _listed(self._call(node, record, values, attributes))
        except Declined:
            return self._explained(node, values)
        if all(v.value in self._settled for v in values if isinstance(v, Tensor)) and not record.control:
            self._settle(results)
        if len(inputs) == len(values) and values and not record.control:
            return self._computed(results, _is_rearranged(node, inputs))
        return results

    def _explained(self, node: Node, values: Sequence[Anything | None]) -> Sequence[Anything | None]:
        """What the body of an operator makes that ONNX defines by others."""
        body, versions = body_of(node, values, self.opsets.get(node.domain, 1))
        around, self.opsets = self.opsets, {**self.opsets, **versions}
        found = iter(self.inner(body, [value for value in values if value is not None]))
        self.opsets = around
        return [next(found) if name in node.read else None for name in node.outputs]

    def _settle(self, results: Sequence[Anything | None]) -> None:
        """Note tensors that depend on no input. Raises Refused for one that is too large: nobody needs the same numbers
        by the billion."""
        for result in results:
            if isinstance(result, Tensor):
                count = math.prod(known_shape(result.shape) or ())
                if count > MOST_CONSTANT:
                    raise Refused(f"it makes a constant of {count:,} elements; the most is {MOST_CONSTANT:,}")
                self._settled.add(result.value)

    def _call(
        self, node: Node, record: Operator, values: Sequence[Anything | None], attributes: Mapping[str, Any]
    ) -> Results:
        version = self.opsets.get(node.domain, 1)
        return record.translate(Call(node, values, attributes, version, self.sheet, self.inner, self.cell))

    def _computed(self, results: Sequence[Anything | None], trained: bool) -> Sequence[Anything | None]:
        """What follows from constants alone, computed; its lines become dead. Large results stay computations.
        `trained`: they are weights still."""
        found: list[Anything | None] = []
        for result in results:
            array = evaluated(result.value, self.sheet, self._allowance) if isinstance(result, Tensor) else None
            self.folded += array is not None
            found.append(result if array is None else Known(array, trained=trained))
        return found


def _is_rearranged(node: Node, inputs: Sequence[Known | None]) -> bool:
    """Whether a node only turns an initialiser of the file, which training may change in this form as well."""
    return node.operator == "Transpose" and inputs[0] is not None and inputs[0].trained


def completed(node: Node, record: Operator, version: int) -> dict[str, Any]:
    """The attributes of a node with defaults filled in. Raises Refused for unknown and missing ones."""
    idle = _IDLE if version <= _IDLE_UNTIL else ()
    there = attributes_of(node.domain, node.op, version)
    unknown = [key for key in node.attributes if (key not in record.attributes and key not in idle) or key not in there]
    if unknown:
        raise Refused("there is no attribute " + ", ".join(f"'{brief(key)}'" for key in unknown[:20]))
    full = {**record.attributes, **node.attributes}
    missing = [key for key, value in full.items() if value is REQUIRED]
    if missing:
        raise Refused(f"the attribute '{missing[0]}' is missing")
    return full


@cache
def attributes_of(domain: str, op: str, version: int) -> Container[str]:
    """The attributes that an operator has in a version of its domain; any where the onnx package does not know it."""
    defs = onnx_package().defs
    if not defs.has(op, version, domain):
        return _Any()
    return frozenset(defs.get_schema(op, version, domain).attributes)


class _Any:
    def __contains__(self, key: object) -> bool:
        return True


def check_supported(graph: OnnxGraph, opsets: Mapping[str, int]) -> None:
    """Raise NetError, with all nodes whose operator is not supported, if there are any."""
    missing = [
        node
        for node in graph.everything()
        if find(node.domain, node.op) is None and not has_body(node, opsets.get(node.domain, 1))
    ]
    if not missing:
        return
    kinds = [brief(kind) for kind in dict.fromkeys(node.operator for node in missing)]
    kinds = [*kinds[:50], *["..."] * (len(kinds) > 50)]
    told = [str(node) for node in missing[:20]] + (["..."] if len(missing) > 20 else [])
    raise NetError(f"operators that are not supported: {', '.join(kinds)}; at " + ", ".join(told))


def _shape(op: str, value: Anything | None, attributes: Mapping[str, Any]) -> Known:
    if not isinstance(value, Tensor | Known):
        raise Refused("the input is missing" if value is None else "a sequence or optional has no shape")
    shape: Sequence[Dim] = value.shape
    if op == "Size":
        total: Dim = 1
        for dim in shape:
            total = total * dim
        known = sizes([total])
        return Known(known.array.reshape(()))
    start, end = attributes.get("start") or 0, attributes.get("end")
    return sizes(list(shape)[start:end])


def _listed(results: Results) -> Sequence[Anything | None]:
    return [results] if isinstance(results, Anything) else results
