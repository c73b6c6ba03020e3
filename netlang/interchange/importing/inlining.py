"""Functions written out where they are called: those that a file defines, and those that ONNX defines for operators.

ONNX says of many of its larger operators (Attention, RotaryEmbedding, HannWindow, ...) how they are made of others. One
that has no translation here becomes a function of the file, and is imported as what it is made of.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from netlang.diagnostics import NetError
from netlang.interchange.importing.operator import find
from netlang.interchange.proto import onnx_package

_ROUNDS = 8
"""How deep functions are made of functions."""
_DOMAIN = "netlang.made"
_LARGEST = 1 << 28
"""Bytes of a model of which copies are made."""


def inlined(model: Any, opsets: Mapping[str, int]) -> Any:
    """The graph of a model with its functions written out. Raises NetError."""
    onnx = onnx_package()
    try:
        import onnx.inliner

        if model.functions:
            model = onnx.inliner.inline_local_functions(model)
        for _ in range(_ROUNDS):
            made = [node for node in _nodes(model.graph) if _schema(node, opsets) is not None]
            if not made or model.ByteSize() > _LARGEST:
                break
            model = onnx.inliner.inline_local_functions(_with_functions(model, opsets))
    except Exception as fault:  # the package's own classes of errors, from C++
        told = (str(fault).splitlines() or [""])[0]
        raise NetError(f"the functions of the file cannot be written out: {told}") from None
    return model.graph


def _nodes(graph: Any) -> Iterator[Any]:
    """All nodes, also those of graphs inside."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _nodes(attribute.g)


def _schema(node: Any, opsets: Mapping[str, int]) -> Any:
    """What ONNX says of an operator that has no translation, but is made of others; None for any other."""
    onnx = onnx_package()
    domain = _domain(node)
    if domain not in opsets or find(domain, node.op_type) is not None:
        return None
    try:
        schema = onnx.defs.get_schema(node.op_type, opsets[domain], domain)
    except onnx.defs.SchemaError:
        return None
    return schema if schema.has_function or schema.has_context_dependent_function else None


def _domain(node: Any) -> str:
    return "" if node.domain == "ai.onnx" else node.domain


def _with_functions(model: Any, opsets: Mapping[str, int]) -> Any:
    """A copy of the model in which such operators are functions of the file, one for each node."""
    onnx = onnx_package()
    copy = onnx.shape_inference.infer_shapes(model)
    types = _types(copy.graph)
    copy.opset_import.append(onnx.helper.make_opsetid(_DOMAIN, 1))
    for number, node in enumerate([n for n in _nodes(copy.graph) if _schema(n, opsets) is not None]):
        schema = _schema(node, opsets)
        given = {a.name for a in node.attribute}
        node.attribute.extend(a.default_value for n, a in schema.attributes.items() if n not in given and _has(a))
        function = _function(schema, node, types, opsets[""])
        function.domain, function.name = _DOMAIN, f"{node.op_type}_{number}"
        del function.opset_import[:]
        function.opset_import.extend(copy.opset_import)
        copy.functions.append(function)
        node.domain, node.op_type = function.domain, function.name
    return copy


def _has(attribute: Any) -> bool:
    return bool(attribute.default_value.name)


def _function(schema: Any, node: Any, types: Mapping[str, Any], version: int) -> Any:
    """How an operator is made of others: of this node, where that depends on its inputs."""
    onnx = onnx_package()
    if schema.has_function:
        body = schema.get_function_with_opset_version(_latest(schema.function_opset_versions, version))
    else:
        given = [types.get(name, onnx.TypeProto()).SerializeToString() for name in node.input]
        at = _latest(schema.context_dependent_function_opset_versions, version)
        body = schema.get_context_dependent_function_with_opset_version(at, node.SerializeToString(), given)
    return onnx.FunctionProto.FromString(body)


def _latest(versions: list[int], version: int) -> int:
    return max((v for v in versions if v <= version), default=versions[0])


def _types(graph: Any) -> dict[str, Any]:
    """The types of values by name, as far as they are known."""
    onnx = onnx_package()
    found = {v.name: v.type for v in (*graph.input, *graph.output, *graph.value_info)}
    for tensor in graph.initializer:
        found[tensor.name] = onnx.helper.make_tensor_type_proto(tensor.data_type, list(tensor.dims))
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                found.update(_types(attribute.g))
    return found
