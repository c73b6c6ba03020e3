"""Files that ask for what cannot be, or for more than anyone has: told, at once, in little memory."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netlang.diagnostics import NetError

onnx = pytest.importorskip("onnx")

from onnx import AttributeProto, ModelProto, TensorProto, helper  # noqa: E402
from onnx.helper import make_node as node  # noqa: E402

from tests.interchange.importing.making import function, imported, model  # noqa: E402

LARGE = [65536, 65536]
IMAGE = {"x": ["N", 3, 8, 8]}
FILTER = {"w": np.zeros((4, 3, 3, 3), np.float32)}


def ints(*values: int) -> Any:
    return np.array(values, np.int64)


def chain(op: str, count: int, **attributes: Any) -> list[Any]:
    """v0 -> v1 -> ... -> y, each of a node with its input twice."""
    names = [*(f"v{i}" for i in range(count)), "y"]
    return [node(op, [a, a], [b], **attributes) for a, b in pairwise(names)]


def unfilled() -> ModelProto:
    made = model(node("MatMul", ["x", "w"], ["y"]))
    made.graph.initializer.add(name="w", data_type=TensorProto.FLOAT, dims=LARGE)
    return made


def sparse() -> ModelProto:
    made = model(node("Relu", ["x"], ["y"]))
    made.graph.sparse_initializer.add(dims=[1 << 40])
    return made


def wrong_kind() -> ModelProto:
    made = model(node("Constant", [], ["y"], value_int=3))
    made.graph.node[0].attribute[0].type = AttributeProto.SPARSE_TENSOR
    return made


def within(depth: int) -> ModelProto:
    """Graphs in graphs in graphs."""
    graph = helper.make_graph([node("Relu", ["x"], ["o"])], "g", [], [helper.make_empty_tensor_value_info("o")])
    for level in range(depth):
        made = node("If", ["c"], [f"p{level}"], then_branch=graph)
        graph = helper.make_graph([made], "g", [], [helper.make_empty_tensor_value_info(f"p{level}")])
    return model(*graph.node, outputs=[graph.output[0].name], weights={"c": np.array(True)})


def calls(count: int, times: int) -> ModelProto:
    """Functions, each of which calls the next one some times."""

    def body(level: int) -> list[Any]:
        names = ["x", *(f"a{i}" for i in range(times - 1)), "y"]
        op = {"op_type": "Relu"} if level == count else {"op_type": f"F{level + 1}", "domain": "own"}
        return [node(inputs=[a], outputs=[b], **op) for a, b in pairwise(names)]

    functions = [function(f"F{level}", *body(level)) for level in range(count + 1)]
    return model(node("F0", ["x"], ["y"], domain="own"), functions=functions)


FILES = {
    # what is not there, and what is there twice
    "a cycle": (model(node("Relu", ["b"], ["y"]), node("Relu", ["y"], ["b"])), "has a cycle: node 0 'y' (Relu) ->"),
    "itself": (model(node("Relu", ["y"], ["y"])), "has a cycle"),
    "two makers": (model(node("Relu", ["x"], ["y"]), node("Abs", ["x"], ["y"])), "there is a value 'y' already"),
    "an input made": (model(node("Relu", ["x"], ["x"]), outputs=["x"]), "there is a value 'x' already"),
    "no maker": (model(node("Relu", ["q"], ["y"])), "reads 'q', which nothing makes"),
    "no output": (model(node("Relu", ["x"], ["z"])), "nothing makes the output 'y'"),
    "no name": (model(node("Relu", ["x"], ["y"]), inputs={"x": [2], "": [2]}), "an input or initialiser has no name"),
    "an input left out": (model(node("Relu", [""], ["y"])), "the input 'X' is missing"),
    "few inputs": (model(node("Add", ["x"], ["y"])), "there are 1 inputs, where"),
    "many inputs": (model(node("Relu", ["x"] * 9, ["y"])), "there are 9 inputs, where"),
    "unknown operators": (
        model(node("Frobnicate", ["x"], ["a"]), node("Relu", ["a"], ["y"], domain="far.away")),
        "operators that are not supported: Frobnicate, far.away.Relu; at node 0 'a' (Frobnicate), node 1",
    ),
    "a long name": (model(node("Foo" * 10000, ["x"], ["y"], name="n" * 100_000)), "nnn...' (FooFoo"),
    "opset 99": (model(node("Relu", ["x"], ["y"]), opset=99), "is of opset 99"),
    # shapes
    "weights": (
        model(node("Conv", ["x", "w"], ["y"]), inputs={"x": ["N", 5, 8, 8]}, weights=FILTER),
        "the weights 'w' are f32[4, 3, 3, 3], but must be f32[4, 5, 3, 3]",
    ),
    "reshape": (model(node("Reshape", ["x", "s"], ["y"]), inputs={"x": [2, 3]}, weights={"s": ints(4, 4)}), "4, 4"),
    "two open": (model(node("Reshape", ["x", "s"], ["y"]), weights={"s": ints(-1, -1)}), "more than one size open"),
    "constants": (
        model(node("Reshape", ["w", "s"], ["y"]), weights={"w": np.zeros(3, np.float32), "s": ints(4)}),
        "[3] cannot become [4]",
    ),
    "below zero": (model(node("Relu", ["x"], ["y"]), inputs={"x": [-1, 3]}), "a size is at least 1, got -1"),
    "out of this world": (model(node("Relu", ["x"], ["y"]), inputs={"x": [1 << 62] * 2}), "is too large"),
    "axes": (model(node("Relu", ["x"], ["y"]), inputs={"x": [2] * 3000}), "at most 8 dimensions"),
    # large constants
    "dims alone": (unfilled(), "tensor 'w' is [65536, 65536], 4,294,967,296 elements, but the file holds 0"),
    "sparse": (sparse(), "sparse initialisers"),
    "expand": (
        model(node("Expand", ["v", "s"], ["y"]), weights={"v": np.zeros(1, np.float32), "s": ints(*LARGE)}),
        "it makes a constant of 4,294,967,296 elements",
    ),
    "tile": (
        model(node("Tile", ["v", "s"], ["y"]), weights={"v": np.zeros(1, np.float32), "s": ints(1 << 32)}),
        "it makes a constant of 4,294,967,296 elements",
    ),
    "constant of shape": (
        model(node("ConstantOfShape", ["s"], ["y"]), weights={"s": ints(*LARGE)}),
        "it makes a constant of 4,294,967,296 elements",
    ),
    "more than 64 bits": (model(node("ConstantOfShape", ["s"], ["y"]), weights={"s": ints(1 << 40, 1 << 40)}), "large"),
    "pad": (
        model(node("Pad", ["v", "p"], ["y"]), weights={"v": np.zeros(1, np.float32), "p": ints(0, 1 << 32)}),
        "it makes a constant of 4,294,967,297 elements",
    ),
    "pad the input": (model(node("Pad", ["x", "p"], ["y"]), weights={"p": ints(0, 0, 1 << 62, 1 << 62)}), "too large"),
    "resize an axis": (
        model(
            node("Resize", ["x", "", "", "s"], ["y"]), inputs={"x": [1, 1, 4, 4]}, weights={"s": ints(1, 1, 4, 1 << 31)}
        ),
        "4 elements to 2147483648 are too many",
    ),
    "doubled": (model(*chain("Concat", 40, axis=0), weights={"v0": np.zeros(2, np.float32)}), "makes a constant of"),
    "doubled integers": (model(*chain("Concat", 40, axis=0), weights={"v0": ints(1)}), "it makes a constant of"),
    "an outer sum": (
        model(
            node("Add", ["a", "b"], ["y"]),
            weights={"a": np.zeros((1, 65536), np.int64), "b": ints(*[0] * 65536)[:, None]},
        ),
        "it makes a constant of 4,294,967,296 elements",
    ),
    "a size of a thousand digits": (
        model(node("Shape", ["x"], ["v0"]), *chain("Mul", 40), node("ConstantOfShape", ["y"], ["z"]), outputs=["z"]),
        "the whole number is too large",
    ),
    # attributes
    "one number for many": (
        model(node("Conv", ["x", "w"], ["y"], strides=2), inputs=IMAGE, weights=FILTER),
        "'strides' is a list of whole numbers, not 2",
    ),
    "a fraction": (model(node("Softmax", ["x"], ["y"], axis=1.5)), "the attribute 'axis' is a whole number, not"),
    "a graph": (
        model(node("Softmax", ["x"], ["y"], axis=model(node("Relu", ["x"], ["q"]), outputs=["q"]).graph)),
        "the attribute 'axis' is a whole number, not",
    ),
    "a kind of its own": (wrong_kind(), "the attribute 'value_int' is of a kind that netlang has not: SPARSE_TENSOR"),
    "negative strides": (
        model(node("Conv", ["x", "w"], ["y"], strides=[-2, 0]), inputs=IMAGE, weights=FILTER),
        "must be above 0",
    ),
    "one stride": (
        model(node("Conv", ["x", "w"], ["y"], strides=[1]), inputs=IMAGE, weights=FILTER),
        "has 1 numbers, not 2",
    ),
    "pads": (
        model(node("Conv", ["x", "w"], ["y"], pads=[1] * 3), inputs=IMAGE, weights=FILTER),
        "has 3 numbers, not 4",
    ),
    "unknown": (model(node("Relu", ["x"], ["y"], alpha=1.0)), "there is no attribute 'alpha'"),
    "elements": (
        model(node("Reshape", ["x", "s"], ["y"]), weights={"s": np.zeros(2, np.float32)}),
        "input 1 has elements float, but Reshape takes int64",
    ),
    # nodes without end
    "graphs in graphs": (within(25), "graphs in graphs, more than 20 deep"),
    "a billion laughs": (calls(40, 2), "the graph has 2,199,023,255,552 nodes; at most 100,000 are read"),
    "thousands of digits of laughs": (calls(45, 1000), "the graph has more than 10^18 nodes"),
    "a function deep": (calls(60, 1), "functions of the file call each other more than 50 deep"),
    "a function in itself": (
        model(node("F", ["x"], ["y"], domain="own"), functions=[function("F", node("F", ["x"], ["y"], domain="own"))]),
        "the function 'F' of the file calls itself",
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_it_is_told(name: str, tmp_path: Path) -> None:
    made, message = FILES[name]
    with pytest.raises(NetError) as caught:
        imported(made, tmp_path)
    assert message in str(caught.value), caught.value
    assert len(str(caught.value)) < 3000


def test_functions_are_written_out(tmp_path: Path) -> None:
    assert imported(calls(5, 2), tmp_path, flat=True).text.count("relu") == 64


@pytest.mark.parametrize(
    "names",
    [
        ["a\x1b[31m\n\0b", "\u00e9", "if", "1", "net", "relu", "x_2"],
        ["a.b", "a_b", "a/b", "a b", "a:b"],
        ["a" * 1_000_000, "a" * 999_999 + "b"],
        ["a/" * 500_000, "a/" * 500_000 + "b", "///"],
    ],
)
def test_names_become_identifiers(names: list[str], tmp_path: Path) -> None:
    """Whatever values are called, there is a net, each of its names once."""
    path = ["x", *names, "y"]
    found = imported(model(*(node("Relu", [a], [b], name=b) for a, b in pairwise(path))), tmp_path, flat=True)
    assert found.text.isascii() and len(found.text) < 2000
    assert found.text.count("relu") - found.text.count("relu_") == len(names) + 1


def test_many_nodes_of_one_name(tmp_path: Path) -> None:
    names = ["x", *(f"v{i}" for i in range(300)), "y"]
    nodes = [node("Relu", [a], [b], name="same") for a, b in pairwise(names)]
    found = imported(model(*nodes), tmp_path, flat=True)
    assert "same_302" in found.text or "same_301" in found.text
