"""What ONNX itself says of an operator: the kinds of its attributes, and its inputs."""

from __future__ import annotations

from typing import Any

import numpy as np

from netlang.interchange.importing.node import Node, OnnxGraph
from netlang.interchange.importing.sheet import Refused
from netlang.interchange.proto import onnx_package

_KINDS: dict[str, tuple[type, str]] = {
    "INT": (int, "a whole number"),
    "FLOAT": (float, "a number"),
    "STRING": (str, "a text"),
    "INTS": (int, "a list of whole numbers"),
    "FLOATS": (float, "a list of numbers"),
    "STRINGS": (str, "a list of texts"),
    "TENSOR": (np.ndarray, "a tensor"),
    "GRAPH": (OnnxGraph, "a graph"),
}


def check_node(node: Node, version: int) -> None:
    """Raise Refused where a node has attributes of the wrong kind, lacks an input or has too many.

    Operators of which the package knows nothing pass, and so do attributes of other versions.
    """
    defs = onnx_package().defs
    try:
        schema = defs.get_schema(node.op, version, node.domain)
    except defs.SchemaError:
        return
    count, least, most = len(node.inputs), schema.min_input, schema.max_input
    if not least <= count <= most:
        raise Refused(f"there are {count} inputs, where there must be at least {least} and at most {most}")
    for place, name in enumerate(node.inputs):
        port = schema.inputs[min(place, len(schema.inputs) - 1)]
        if not name and port.option == defs.OpSchema.FormalParameterOption.Single:
            raise Refused(f"the input '{port.name}' is missing")
    for key, value in node.attributes.items():
        kind = schema.attributes[key].type.name if key in schema.attributes else ""
        if kind in _KINDS and not _is(value, kind):
            raise Refused(f"the attribute '{key}' is {_KINDS[kind][1]}, not {_shown(value)}")


def _is(value: Any, kind: str) -> bool:
    wanted = _KINDS[kind][0]
    if not kind.endswith("S"):
        return isinstance(value, wanted)
    return isinstance(value, tuple) and all(isinstance(v, wanted) for v in value)


def _shown(value: Any) -> str:
    return repr(value)[:40] if isinstance(value, int | float | str | tuple) else f"a {type(value).__name__}"
