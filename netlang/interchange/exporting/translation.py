"""From a graph to an ONNX model: walks the nodes, asks the records, gives names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from onnx import FunctionProto, GraphProto, ModelProto, TensorProto, ValueInfoProto, helper

import netlang.interchange.exporting.blocks
import netlang.interchange.exporting.operators  # noqa: F401  # records and patterns register themselves
from netlang.diagnostics import Diagnostic, NetError
from netlang.interchange.exporting.names import Names
from netlang.interchange.exporting.patterns import Patterns
from netlang.interchange.exporting.record import DOMAIN, Export, Place, Unsupported, element, record
from netlang.interchange.exporting.sheet import Sheet
from netlang.interchange.exporting.sizes import Sizes
from netlang.interchange.exporting.writer import Writer
from netlang.ir.build import Builder
from netlang.ir.graph import Graph, Node, Value
from netlang.ir.opdef import Array
from netlang.ir.reserved import RNG
from netlang.ir.scan import copied
from netlang.ir.types import DType, TensorType
from netlang.passes import cse, fold, simplify
from netlang.passes.manager import PassManager

SEED = "seed"
"""What the input is called by which random nodes draw: i64[2], the seed and the number of the call."""
CLEANING = (fold.PASS, simplify.PASS, cse.PASS)
"""What is done to the ops that take the place of one."""
IR_VERSION = 9
"""Of the file: what the oldest opset that is written came with, so that other tools' older versions read it too."""


class Translation:
    """One net being written, or a function of it.

    `bound` are the names of its body; `arrays` its parameters, by their names in the net.
    """

    def __init__(
        self,
        graph: Graph,
        bound: Mapping[str, Value],
        arrays: Mapping[str, Array],
        opset: int,
        is_function: bool = False,
    ) -> None:
        self.graph, self.arrays, self.opset, self.is_function = graph, arrays, opset, is_function
        self.names = Names()
        self.sheet = Sheet(self.names)
        self.weights: dict[str, Array] = {}
        self.functions: dict[str, FunctionProto] = {}
        self.faults: list[Diagnostic] = []
        self.inputs = self._named_inputs()
        self.sizes = Sizes(self.sheet, [(name, v.shape) for v, name in self.inputs.items()])
        self.wanted = self._wanted(bound)

    def _named_inputs(self) -> dict[Value, str]:
        for value in (*self.graph.inputs, *self.graph.params):
            self.names.take(value.node.name)
        called = {v: v.node.name for v in self.graph.inputs}
        return {v: self.names.fresh(SEED) if name == RNG else name for v, name in called.items()}

    def _wanted(self, bound: Mapping[str, Value]) -> dict[Value, str]:
        """What values are to be called: outputs before names of the body."""
        wanted: dict[Value, str] = {}
        leaves = {*self.graph.inputs, *self.graph.params}
        outputs = {name for name, _ in self.graph.outputs}
        for name, value in (*self.graph.outputs, *((n, v) for n, v in bound.items() if n not in outputs)):
            if value not in leaves:
                wanted.setdefault(value, name)
        for name in (*outputs, *wanted.values()):
            self.names.take(name)
        return wanted

    def write(self) -> set[str]:
        """Write the outputs and what they depend on; returns the names of what was made. Raises NetError that lists all
        that ONNX cannot say."""
        writer = Writer(self, self.sheet, dict(self.inputs), self.wanted, Patterns(self.graph, self.wanted.keys()))
        writer.write([v for _, v in self.graph.outputs])
        if self.faults:
            raise NetError(dict.fromkeys(self.faults))
        for name, value in self.graph.outputs:
            if writer.called[value] != name:
                self.sheet.nodes.append(helper.make_node("Identity", [writer.called[value]], [name], name=name))
        return writer.made

    def model(self) -> ModelProto:
        """The file; the numbers of its weights are still in `weights` alone. Raises NetError as `write` does."""
        made = self.write()
        graph = helper.make_graph(
            self.sheet.nodes,
            self.graph.name,
            [self.value_info(name, v.type) for v, name in self.inputs.items()],
            [self.value_info(name, v.type) for name, v in self.graph.outputs],
            [_without_numbers(name, array) for name, array in self.weights.items()],
            value_info=[self.value_info(name, v.type) for v, name in self.wanted.items() if name in made],
        )
        opsets = [helper.make_opsetid("", self.opset)]
        if self.functions:
            opsets.append(helper.make_opsetid(DOMAIN, 1))
        return helper.make_model(
            graph,
            opset_imports=opsets,
            producer_name="netlang",
            ir_version=IR_VERSION,
            functions=list(self.functions.values()),
        )

    def record_of(self, node: Node) -> Export:
        """How a node is written. Raises Unsupported where nobody has said."""
        found = record(node.op)
        if found is None:
            raise Unsupported("ONNX has no operator for it")
        return found

    def value_info(self, name: str, type: TensorType) -> ValueInfoProto:
        """An ONNX value: symbolic sizes by their names, `N` or `2*N`; by none in a function, where they are others in
        every call."""
        text = (lambda dim: None) if self.is_function else str
        shape: list[Any] = [dim if isinstance(dim, int) else text(dim) for dim in type.shape]
        return helper.make_tensor_value_info(name, element(type.dtype), shape)

    def composed(self, sheet: Sheet, called: Mapping[Value, str], made: Sequence[Value]) -> list[str]:
        """What values are called that are made of those that are `called` something already.

        What is constant in between, or does nothing, is gone then.
        """
        given = {v: Builder().input(f"given{i}", v.type) for i, v in enumerate(called)}
        outputs = tuple((str(i), v) for i, v in enumerate(copied(made, given)))
        graph = PassManager().run(Graph("", tuple(given.values()), (), outputs), CLEANING)
        writer = Writer(self, sheet, {given[v]: name for v, name in called.items()}, {}, Patterns(graph, ()))
        writer.write([v for _, v in graph.outputs])
        return [writer.called[v] for _, v in graph.outputs]

    def function(self, name: str, make: Callable[[], Graph]) -> str:
        """The name of a function of the model, which carries out the graph that `make` gives."""
        if name not in self.functions:
            graph = make()
            inner = Translation(graph, {}, {}, self.opset, is_function=True)
            inner.write()
            takes, gives = [v.node.name for v in graph.inputs], [key for key, _ in graph.outputs]
            opsets = [helper.make_opsetid("", self.opset)]
            self.functions[name] = helper.make_function(DOMAIN, name, takes, gives, inner.sheet.nodes, opsets)
        return name

    def body(self, place: Place, graph: Graph, inside: Sequence[Value], around: Mapping[Value, str]) -> GraphProto:
        """The body of a loop: `inside` is what it is given, `around` what it reads from outside by name."""
        sheet, outputs = Sheet(self.names, place.sheet), [v for _, v in graph.outputs]
        given = {v: self.names.fresh(f"{place.node.name}/{v.node.name}") for v in inside}
        writer = Writer(self, sheet, {**around, **given}, {}, Patterns(graph, ()))
        writer.write(outputs)
        made: list[str] = []
        for value in outputs:
            name = writer.called[value]
            # What the body hands through has to be made in it, and each output is another value.
            made.append(sheet.op("Identity", name, path=place.node.name)[0] if name not in writer.made else name)
            writer.made.discard(made[-1])
        takes = [self.value_info(name, v.type) for v, name in given.items()]
        gives = [self.value_info(name, v.type) for name, v in zip(made, outputs, strict=True)]
        return helper.make_graph(sheet.nodes, f"{place.node.name}/{place.node.op}", takes, gives)


def _without_numbers(name: str, array: Array) -> TensorProto:
    return TensorProto(name=name, data_type=element(DType.of(array.dtype)), dims=array.shape)
