"""No innermost loop of a tile moves vectors between registers and the stack: a new LLVM may change the answer."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import pytest

from netlang.backends.cpu.compile import compile_kernel
from netlang.backends.cpu.kernel import Kernel, emitted
from netlang.backends.cpu.target import host
from netlang.backends.cpu.tiles.broadcast_tile import BroadcastTile
from netlang.backends.cpu.tiles.conv_kernel import emit_conv
from netlang.backends.cpu.tiles.conv_table import ConvStructure
from netlang.backends.cpu.tiles.depthwise_gradient import DepthwiseGradientStructure, emit_depthwise_gradient
from netlang.backends.cpu.tiles.depthwise_kernel import DepthwiseStructure, emit_depthwise
from netlang.backends.cpu.tiles.epilogue import EpilogueStep
from netlang.backends.cpu.tiles.gemm_kernel import emit_gemm
from netlang.backends.cpu.tiles.gemm_table import GemmStructure
from netlang.backends.cpu.tiles.lane_strip import LaneSource
from netlang.backends.cpu.tiles.row_kernel import RowStructure, emit_rows
from netlang.backends.cpu.tiles.shapes import MOST_ROWS, most_pixels
from netlang.backends.cpu.tiles.weight_gradient import emit_weight_gradient
from netlang.backends.cpu.tiles.weight_gradient_table import WeightGradientStructure

LANES = host().lanes(4)
ADD = (EpilogueStep("tensor", "add"),)
RELU = (EpilogueStep("channel", "add"), EpilogueStep("apply", "relu"))

pytestmark = pytest.mark.skipif(host().arch not in ("x86_64", "amd64"), reason="reads x86 assembly")

_STACK = re.compile(r"\(%[re]sp\)|\[[re]sp")
_VECTOR = re.compile(r"%?[xyz]mm\d")
_LABEL = re.compile(r"(\.LBB\w+):")
_JUMP = re.compile(r"\s+j\w+\s+(\.LBB\w+)")


def inner_loops(assembly: str) -> list[tuple[int, int]]:
    """(FMAs, vector moves to or from the stack) of every innermost loop with FMAs."""
    lines = assembly.splitlines()
    labels: dict[str, int] = {}
    loops = []
    for i, line in enumerate(lines):
        label, jump = _LABEL.match(line), _JUMP.match(line)
        if label:
            labels[label[1]] = i
        if jump and jump[1] in labels:
            body = lines[labels[jump[1]] : i + 1]
            work = sum("fmadd" in text for text in body)
            if work and not any(_LABEL.match(text) for text in body[1:]):
                loops.append((work, sum(bool(_VECTOR.search(t) and _STACK.search(t)) for t in body)))
    return loops


def conv(vectors: int, rows: int, columns: int, stride: int = 1) -> Kernel:
    tile = BroadcastTile(LANES, vectors, rows, columns, stride * 4, False, epilogue=RELU)
    structure = ConvStructure(tile, True, False)
    return emitted(structure.key, partial(emit_conv, structure))


def blocked(vectors: int, columns: int, ahead: bool = False) -> Kernel:
    tile = BroadcastTile(LANES, vectors, 1, columns, LANES * 4, True, ahead=ahead, epilogue=RELU)
    structure = ConvStructure(tile, True, False)
    return emitted(structure.key, partial(emit_conv, structure))


def rows(inputs: int, outputs: int, columns: int) -> Kernel:
    tile = BroadcastTile(LANES, 1, 1, 1, 4, False, epilogue=RELU)
    structure = RowStructure(ConvStructure(tile, True, False), inputs, outputs, columns)
    return emitted(structure.key, partial(emit_rows, structure))


def gemm(vectors: int, ordered: bool) -> Kernel:
    height = min(LANES, most_pixels(host(), vectors))
    tile = BroadcastTile(LANES, vectors, 1, height, 4, False, w_ordered=ordered, masked=True, epilogue=RELU)
    structure = GemmStructure(tile, False)
    return emitted(structure.key, partial(emit_gemm, structure))


def weight_gradient(vectors: int, across: int) -> Kernel:
    rows = min(8, most_pixels(host(), vectors) // across)
    tile = BroadcastTile(LANES, vectors, rows, across, 4, False, fenced=True, epilogue=ADD)
    structure = WeightGradientStructure(tile, True)
    return emitted(structure.key, partial(emit_weight_gradient, structure))


def depthwise(rows: int, columns: int, stride: int, group: int = 1) -> Kernel:
    tile = BroadcastTile(LANES, 1, rows, columns, stride * LANES * 4, True, epilogue=RELU)
    source = LaneSource(LANES, group, group, True)
    structure = DepthwiseStructure(ConvStructure(tile, True, False, x_blocked=True, out_blocked=True), source)
    return emitted(structure.key, partial(emit_depthwise, structure))


def depthwise_gradient(rows: int, columns: int) -> Kernel:
    structure = DepthwiseGradientStructure(LaneSource(LANES, 1, 1, False), rows, columns, 1)
    return emitted(structure.key, partial(emit_depthwise_gradient, structure))


MOST_SUMS = host().registers * 3 // 4
MOST = most_pixels(host(), 2)
KERNELS: dict[str, Kernel] = {
    "conv of one row": conv(2, 1, MOST),
    "conv of a stride": conv(2, 1, MOST, 2),
    "conv of several rows": conv(2, min(MOST_ROWS, MOST // 3), 3),
    "conv of one vector": conv(1, 1, most_pixels(host(), 1)),
    **{f"conv of blocked channels, {n} pixels": blocked(2, n) for n in range(MOST // 2, MOST + 1)},
    "conv of blocked channels from afar": blocked(2, MOST, ahead=True),
    "conv of blocked channels, one vector": blocked(1, most_pixels(host(), 1)),
    "conv of blocked channels, three vectors": blocked(3, most_pixels(host(), 3)),
    "conv along rows": rows(1, MOST_SUMS // 4, 2 if LANES > 8 else 1),
    "conv along rows, colours": rows(3, LANES // 2, 1),
    "depthwise, one row": depthwise(1, most_pixels(host(), 1), 1),
    "depthwise, several rows": depthwise(2, most_pixels(host(), 1) // 2, 2),
    "groups of four": depthwise(1, most_pixels(host(), 1), 1, 4),
    "depthwise weight gradient, 3x3": depthwise_gradient(3, 3),
    "depthwise weight gradient, 7 columns": depthwise_gradient(1, 7),
    "product, packed": gemm(2, True),
    "product, loose": gemm(2, False),
    "weight gradient, 3 columns": weight_gradient(2, 3),
    "weight gradient, 5 columns": weight_gradient(2, 5),
    "weight gradient, 1 column": weight_gradient(2, 1),
}


@pytest.mark.parametrize("name", list(KERNELS))
def test_inner_loops_stay_in_registers(name: str) -> None:
    compiled: Any = compile_kernel(KERNELS[name], re.sub(r"\W", "_", f"spills_{name}"))
    loops = inner_loops(compiled.assembly)
    assert loops, "no loop with FMAs was found"
    assert not [loop for loop in loops if loop[1]], loops
