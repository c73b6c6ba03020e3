"""ONNX operators: one record each, with the function that writes it in the language.

A family of operators is a file of `operators/`; a record says which attributes there are over all versions of the
operator (any other is a fault of the file), and its function gets a `Call`: the inputs, the attributes, the version,
and the sheet to write on. It returns a tensor for each output, or what is known of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from netlang.interchange.importing import writing as w
from netlang.interchange.importing.cell import Draft
from netlang.interchange.importing.items import Anything, Items
from netlang.interchange.importing.known import Known
from netlang.interchange.importing.node import Node, OnnxGraph
from netlang.interchange.importing.sheet import Refused, Sheet, Tensor, Weight
from netlang.ir.types import DType, TensorType

Result = Tensor | Known
Results = Anything | Sequence[Anything | None]
REQUIRED: Any = object()


class Needed(Refused):
    """An input must be known while the network is imported, and is not."""

    def __init__(self, place: int, name: str, what: str) -> None:
        super().__init__(f"{what} must be known when the network is imported, but '{name}' is computed or an input")
        self.place = place
        self.give(name)

    def give(self, name: str) -> None:
        """Say which input could be given its value."""
        self.name = name
        self.hint = f"an input can be given its value: --value {name}=..."


class Declined(Exception):
    """A translation leaves a node to the definition that ONNX gives of it; nothing has been written yet."""


@dataclass(frozen=True)
class Operator:
    """The record of an operator. `attributes` have their defaults; REQUIRED: it must be there."""

    name: str
    domain: str
    attributes: Mapping[str, Any]
    translate: Callable[[Call], Results]
    control: bool = False


_OPERATORS: dict[tuple[str, str], Operator] = {}


def operator(
    *names: str, domain: str = "", control: bool = False, **attributes: Any
) -> Callable[[Callable[[Call], Results]], Callable[[Call], Results]]:
    """Register a function as the translation of operators. `control`: it has graphs inside."""

    def register(translate: Callable[[Call], Results]) -> Callable[[Call], Results]:
        for name in names:
            assert (domain, name) not in _OPERATORS, name
            _OPERATORS[domain, name] = Operator(name, domain, attributes, translate, control)
        return translate

    return register


def find(domain: str, name: str) -> Operator | None:
    """The record of an operator, None where it is not supported."""
    return _OPERATORS.get((domain, name))


def supported() -> list[tuple[str, str]]:
    """(domain, name) of all operators."""
    return sorted(_OPERATORS)


@dataclass(eq=False)
class Call:
    """One node, being translated.

    values    the inputs; None for one that was left out
    attrs     all attributes of the record, with defaults filled in
    version   the opset of the operator's domain
    graph     translates a graph inside (If, Loop, Scan) on the same sheet: (graph, values of its inputs) -> its outputs
    cell      translates one as a block: (graph, what its inputs are)
    """

    node: Node
    values: Sequence[Anything | None]
    attrs: Mapping[str, Any]
    version: int
    sheet: Sheet
    graph: Callable[[OnnxGraph, Sequence[Anything]], list[Anything]]
    cell: Callable[[OnnxGraph, Sequence[TensorType | Known]], Draft]

    # ---- inputs

    def has(self, place: int) -> bool:
        """Whether the input was given."""
        return place < len(self.values) and self.values[place] is not None

    def anything(self, place: int) -> Anything:
        """An input that must be there, as it is, a sequence too."""
        found = self.values[place] if self.has(place) else None
        if found is None:
            raise Refused(f"input {place} is missing")
        return found

    def value(self, place: int) -> Result:
        """An input that must be there, a tensor or what is known of it."""
        return self.result(self.anything(place))

    def result(self, found: Anything) -> Result:
        """Anything as a tensor or what is known of it. Raises Refused for what is none."""
        if not isinstance(found, Tensor | Known):
            raise Refused("a sequence stands where a tensor should" if isinstance(found, Items) else "nothing is there")
        return found

    def items(self, place: int) -> list[Anything]:
        """The tensors of an input that is a sequence."""
        found = self.anything(place)
        if not isinstance(found, Items):
            raise Refused(f"input {place} is no sequence")
        return list(found.items)

    def tensor(self, place: int) -> Tensor:
        """An input as a tensor of the net."""
        return self.sheet.tensor(self.value(place), self.name(place))

    def tensors(self) -> list[Tensor]:
        """All inputs that were given, as tensors."""
        return [self.tensor(place) for place in range(len(self.values)) if self.has(place)]

    def operand(self, place: int) -> Any:
        """An input for an expression: a single known number as the number itself, anything else as a tensor."""
        found = self.value(place)
        if isinstance(found, Known) and found.array.ndim == 0 and np.isfinite(_float(found)):
            return found.array[()] if not found.symbolic else found.array.item()
        return self.tensor(place)

    def known(self, place: int, what: str = "") -> Known:
        """An input whose elements have to be known now. Raises Needed where they are not."""
        found = self.value(place)
        if isinstance(found, Tensor):
            raise Needed(place, self.name(place), what or f"input {place}")
        return found

    def maybe_known(self, place: int) -> Known | None:
        """An input if it is there and known."""
        found = self.values[place] if self.has(place) else None
        return found if isinstance(found, Known) else None

    def integers(self, place: int, attribute: str = "") -> list[Any] | None:
        """Whole numbers (or sizes) from an input, or from an attribute in versions that had one; None: not given."""
        if self.has(place):
            return self.known(place, attribute or f"input {place}").entries()
        found = self.attrs.get(attribute)
        return None if found is None else list(found) if isinstance(found, tuple) else [found]

    def name(self, place: int) -> str:
        """What the file calls an input."""
        return self.node.inputs[place] if place < len(self.node.inputs) else ""

    @property
    def hint(self) -> str:
        """A name for the result: the node's own, or that of its first output."""
        return self.node.name or next(filter(None, self.node.outputs), self.node.op.lower())

    @property
    def outputs(self) -> list[bool]:
        """Which outputs have a name."""
        return [bool(name) for name in self.node.outputs]

    def reads(self, place: int) -> bool:
        """Whether something reads an output."""
        return place < len(self.node.outputs) and self.node.outputs[place] in self.node.read

    # ---- writing

    def let(self, value: Any, hint: str = "", weights: Mapping[str, Weight] | None = None) -> Tensor:
        """A line of the net; its tensor is called after the node unless `hint` says otherwise."""
        return self.sheet.let(value, hint or self.hint, weights)

    def apply(self, function: str, *arguments: Any, **keyword: Any) -> Tensor:
        """`function(x, ...)` for an operation of several tensors or none, `x -> function(...)` for a layer."""
        return self.let(w.call(function, *arguments, **keyword))

    def through(
        self, x: Any, function: str, *arguments: Any, weights: Mapping[str, Weight] | None = None, **keyword: Any
    ) -> Tensor:
        """`x -> function(arguments)`, `x -> function` where there are none."""
        layer = w.call(function, *arguments, **keyword) if arguments or keyword else w.name(function)
        return self.let(w.pipe(x, layer), weights=weights)

    def refuse(self, message: str, hint: str = "") -> Refused:
        """The fault of something that is not supported, to be raised."""
        return Refused(message, hint)


def weight_of(known: Known, array: Any = None) -> Weight:
    """What is known as the weights of a layer, or `array` in its place where it had to be changed."""
    return Weight(known.array, known.source) if array is None else Weight(array)


def _float(known: Known) -> float:
    entry = known.array.item()
    return float(entry) if isinstance(entry, int | float) else 0.0


def element_type(number: int) -> DType:
    """The element type that ONNX gives a number. Raises Refused for one that the language has not."""
    from netlang.interchange.proto import onnx_package

    onnx = onnx_package()
    try:
        return DType.of(onnx.helper.tensor_dtype_to_np_dtype(number))
    except (KeyError, TypeError, ValueError):
        names = {v: k for k, v in onnx.TensorProto.DataType.items()}
        raise Refused(f"elements {names.get(number, number)} are not among those of the language") from None
