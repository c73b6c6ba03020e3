"""Operators without a translation here that ONNX defines by other operators: their bodies.

The onnx package has them as functions of its schemas, some of which depend on the types of the inputs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from netlang.interchange.importing.items import Anything, Items, Nothing
from netlang.interchange.importing.known import Known
from netlang.interchange.importing.node import Node, OnnxGraph, graph_of
from netlang.interchange.importing.sheet import Refused
from netlang.interchange.proto import onnx_package


def has_body(node: Node, version: int) -> bool:
    """Whether ONNX defines an operator by others, in this version of its domain."""
    schema = _schema(node, version)
    return schema is not None and bool(schema.has_function or schema.has_context_dependent_function)


def body_of(node: Node, values: Sequence[Anything | None], version: int) -> tuple[OnnxGraph, Mapping[str, int]]:
    """The body of a node as a graph of the inputs that it has, and the versions of the domains that it is written in.

    Raises Refused where there is none for these inputs.
    """
    onnx, schema = onnx_package(), _schema(node, version)
    function = _function(onnx, schema, node, values, version)
    if function is None:
        raise Refused(f"the operator {node.op} is not supported")
    given = {name for name, value in zip(function.input, values, strict=False) if value is not None}
    attributes = _attributes(onnx, schema, node)
    wanted = [name for name, output in zip(function.output, node.outputs, strict=False) if output in node.read]
    graph = onnx.GraphProto(name=node.op)
    graph.input.extend(onnx.ValueInfoProto(name=name) for name in function.input if name in given)
    graph.output.extend(onnx.ValueInfoProto(name=name) for name in wanted)
    for inner in function.node:
        copy = graph.node.add()
        copy.CopyFrom(inner)
        left_out = {*function.input} - given
        copy.input[:] = ["" if name in left_out else name for name in inner.input]
        _resolve(copy, attributes)
    versions = {("" if o.domain == "ai.onnx" else o.domain): int(o.version) for o in function.opset_import}
    return graph_of(graph, None), versions


def _schema(node: Node, version: int) -> Any:
    defs = onnx_package().defs
    return defs.get_schema(node.op, version, node.domain) if defs.has(node.op, version, node.domain) else None


def _function(onnx: Any, schema: Any, node: Node, values: Sequence[Anything | None], version: int) -> Any:
    """The FunctionProto; None where the onnx package (before 1.16) cannot make it."""
    if not hasattr(schema, "get_context_dependent_function_with_opset_version"):
        return None
    function = onnx.FunctionProto()
    if schema.has_function:
        fitting = [v for v in schema.function_opset_versions if v <= version]
        made = schema.get_function_with_opset_version(max(fitting)) if fitting else b""
    else:
        fitting = [v for v in schema.context_dependent_function_opset_versions if v <= version]
        types = [_type(onnx, value).SerializeToString() for value in values]
        proto = _proto(onnx, node).SerializeToString()
        make = schema.get_context_dependent_function_with_opset_version
        made = make(max(fitting), proto, types) if fitting else b""
    function.ParseFromString(made)
    return function if made else None


def _type(onnx: Any, value: Anything | None) -> Any:
    """The TypeProto of an input; one without a name for every size that is known only later."""
    if value is None or isinstance(value, Nothing):
        return onnx.TypeProto()
    if isinstance(value, Items):
        first = value.items[0] if value.items else None
        return onnx.helper.make_sequence_type_proto(_type(onnx, first))
    if isinstance(value, Known):
        dtype = value.numpy
    else:
        dtype = np.dtype(value.dtype.numpy)
    element = onnx.helper.np_dtype_to_tensor_dtype(dtype)
    return onnx.helper.make_tensor_type_proto(element, [d if isinstance(d, int) else None for d in value.shape])


def _proto(onnx: Any, node: Node) -> Any:
    proto = onnx.helper.make_node(node.op, list(node.inputs), list(node.outputs), domain=node.domain)
    proto.attribute.extend(_attribute(onnx, key, value) for key, value in node.attributes.items())
    return proto


def _attribute(onnx: Any, key: str, value: Any) -> Any:
    if isinstance(value, OnnxGraph):
        value = value.proto
    if isinstance(value, np.ndarray):
        value = onnx.numpy_helper.from_array(value)
    return onnx.helper.make_attribute(key, value, attr_type=onnx.AttributeProto.INTS if value == () else None)


def _attributes(onnx: Any, schema: Any, node: Node) -> dict[str, Any]:
    """The attributes of a node as protocol buffers, with defaults. Raises Refused for unknown and missing ones."""
    unknown = [key for key in node.attributes if key not in schema.attributes]
    missing = [key for key, about in schema.attributes.items() if about.required and key not in node.attributes]
    if unknown or missing:
        raise Refused(
            f"there is no attribute '{unknown[0]}'" if unknown else f"the attribute '{missing[0]}' is missing"
        )
    found = {key: about.default_value for key, about in schema.attributes.items() if about.default_value.name}
    return found | {key: _attribute(onnx, key, value) for key, value in node.attributes.items()}


def _resolve(node: Any, attributes: Mapping[str, Any]) -> None:
    """Put the attributes of the call in place of references to them; what was not given goes."""
    kept = []
    for attribute in node.attribute:
        if attribute.ref_attr_name:
            found = attributes.get(attribute.ref_attr_name)
            if found is None:
                continue
            name = attribute.name
            attribute.CopyFrom(found)
            attribute.name = name
        for inner in attribute.g.node:
            _resolve(inner, attributes)
        kept.append(attribute)
    copies = [type(a).FromString(a.SerializeToString()) for a in kept]
    del node.attribute[:]
    node.attribute.extend(copies)
