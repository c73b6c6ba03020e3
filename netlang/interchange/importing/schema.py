"""What ONNX itself says of an operator: how many inputs it has and of which elements, of what kind attributes are.

Every node is held to it before it is translated, so that a translation meets only what it can expect. An operator that
ONNX does not know is held to its own record, by the defaults that its attributes have.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from netlang.interchange.importing.items import Anything
from netlang.interchange.importing.known import Known
from netlang.interchange.importing.node import Node, OnnxGraph
from netlang.interchange.importing.operator import Operator
from netlang.interchange.importing.sheet import Refused, Tensor
from netlang.interchange.proto import brief, onnx_package

_KINDS: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "INT": ("a whole number", lambda v: isinstance(v, int)),
    "FLOAT": ("a number", lambda v: isinstance(v, float)),
    "STRING": ("a text", lambda v: isinstance(v, str)),
    "INTS": ("a list of whole numbers", lambda v: isinstance(v, tuple) and all(isinstance(i, int) for i in v)),
    "FLOATS": ("a list of numbers", lambda v: isinstance(v, tuple) and all(isinstance(i, float) for i in v)),
    "STRINGS": ("a list of texts", lambda v: isinstance(v, tuple) and all(isinstance(i, str) for i in v)),
    "TENSOR": ("a tensor", lambda v: isinstance(v, np.ndarray)),
    "GRAPH": ("a graph", lambda v: isinstance(v, OnnxGraph)),
}
"""Kinds of attributes by ONNX's names: what they are called in a message, and which values they have."""
_KIND_OF = {int: "INT", float: "FLOAT", str: "STRING"}
_ABOVE_ZERO = frozenset(
    {"kernel_shape", "strides", "dilations", "group", "num_groups", "hidden_size", "blocksize", "num_outputs"}
    | {"q_num_heads", "kv_num_heads", "num_scan_inputs"}
)
_WINDOWS = frozenset({"Conv", "ConvInteger", "QLinearConv", "ConvTranspose", "MaxPool", "AveragePool", "LpPool"})
"""Operators whose windows move over all axes of their first input but two."""
_PER_AXIS = {"kernel_shape": 1, "strides": 1, "dilations": 1, "output_padding": 1, "pads": 2}
"""Numbers that attributes of windows have for each of these axes."""
_ELEMENTS = {"float32": "float", "float64": "double"}
"""ONNX's names of elements that NumPy calls otherwise."""


@dataclass(frozen=True)
class Schema:
    """An operator over all its versions.

    kinds      of each attribute
    elements   for each input the types that it may have; the last one's are those of all that follow
    """

    kinds: Mapping[str, frozenset[str]]
    elements: Sequence[frozenset[str]]


def check(node: Node, record: Operator | None, values: Sequence[Anything | None], version: int) -> None:
    """Raise Refused where a node is not what ONNX says of its operator."""
    check_inputs(node, version)
    schema = schemas().get((node.domain, node.op))
    for name, value in node.attributes.items():
        _check_attribute(name, value, _kinds(name, record, schema))
    if schema is not None and schema.elements:
        _check_elements(node, values, schema)
    if node.op in _WINDOWS and not node.domain:
        _check_windows(node, values)


def check_inputs(node: Node, version: int) -> None:
    """Raise Refused where an input is missing in this version, or there are too many."""
    defs = onnx_package().defs
    if not defs.has(node.op, version, node.domain):
        return
    schema = defs.get_schema(node.op, version, node.domain)
    count, least, most = len(node.inputs), schema.min_input, schema.max_input
    if not least <= count <= most:
        raise Refused(f"there are {count} inputs, where there must be at least {least} and at most {most}")
    for place, name in enumerate(node.inputs):
        port = schema.inputs[min(place, len(schema.inputs) - 1)]
        if not name and port.option == defs.OpSchema.FormalParameterOption.Single:
            raise Refused(f"the input '{port.name}' is missing")
    if not 1 <= len(node.outputs) <= schema.max_output:
        raise Refused(f"there are {len(node.outputs)} outputs, where there must be at most {schema.max_output}")


def _kinds(name: str, record: Operator | None, schema: Schema | None) -> frozenset[str]:
    """The kinds that an attribute may have; none where nobody says."""
    if schema is not None and name in schema.kinds:
        return schema.kinds[name]
    default = record.attributes.get(name) if record is not None else None
    return frozenset({_KIND_OF[type(default)]}) if type(default) in _KIND_OF else frozenset()


def _check_attribute(name: str, value: Any, kinds: frozenset[str]) -> None:
    allowed = [_KINDS[kind] for kind in sorted(kinds) if kind in _KINDS]
    shown = brief(name)
    if allowed and not any(holds(value) for _, holds in allowed):
        raise Refused(f"the attribute '{shown}' is {' or '.join(what for what, _ in allowed)}, not {_shown(value)}")
    if name in _ABOVE_ZERO:
        numbers = value if isinstance(value, tuple) else (value,)
        if any(isinstance(n, int) and n < 1 for n in numbers):
            raise Refused(f"the attribute '{shown}' must be above 0, not {_shown(value)}")


def _shown(value: Any) -> str:
    return brief(repr(value)) if isinstance(value, int | float | str | tuple) else f"a {type(value).__name__}"


def _check_elements(node: Node, values: Sequence[Anything | None], schema: Schema) -> None:
    for place, value in enumerate(values):
        allowed = schema.elements[min(place, len(schema.elements) - 1)]
        kind = _element(value)
        if kind and kind not in allowed:
            told = ", ".join(sorted(a.removeprefix("tensor(").removesuffix(")") for a in allowed if "seq" not in a))
            name = kind.removeprefix("tensor(").removesuffix(")")
            raise Refused(f"input {place} has elements {name}, but {node.operator} takes {told}")


def _element(value: Anything | None) -> str:
    """ONNX's name for the type of a tensor, "" for what is none."""
    if not isinstance(value, Tensor | Known):
        return ""
    dtype = value.dtype.numpy if isinstance(value, Tensor) else value.numpy
    return f"tensor({_ELEMENTS.get(dtype.name, dtype.name)})"


def _check_windows(node: Node, values: Sequence[Anything | None]) -> None:
    axes = len(values[0].shape) - 2 if isinstance(values[0], Tensor | Known) else 0
    if axes < 1:
        raise Refused(f"input 0 must have 3 axes or more, not {axes + 2}")
    for name, each in _PER_AXIS.items():
        found = node.attributes.get(name)
        if found is not None and len(found) not in (0, each * axes):
            raise Refused(f"the attribute '{name}' has {len(found)} numbers, not {each * axes}, for {axes} axes")


@cache
def schemas() -> Mapping[tuple[str, str], Schema]:
    """By domain and operator."""
    versions: dict[tuple[str, str], list[Any]] = {}
    for schema in onnx_package().defs.get_all_schemas_with_history():
        versions.setdefault((schema.domain, schema.name), []).append(schema)
    return {key: _merged(found) for key, found in versions.items()}


def _merged(versions: Sequence[Any]) -> Schema:
    kinds: dict[str, frozenset[str]] = {}
    elements: list[frozenset[str]] = []
    for schema in versions:
        for name, attribute in schema.attributes.items():
            kinds[name] = kinds.get(name, frozenset()) | {attribute.type.name}
        for place, formal in enumerate(schema.inputs):
            if place == len(elements):
                elements.append(frozenset())
            elements[place] |= formal.types
    return Schema(kinds, elements)
