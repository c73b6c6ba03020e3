"""No innermost loop of a tile moves vectors between registers and the stack, on this machine or another, and all of
them multiply and add whole vectors: a new LLVM may change the answer. Nothing is run: every target can be looked at."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import pytest

from netlang.backends.common.cell import CellCode, CellOperand
from netlang.backends.common.epilogue import EpilogueStep
from netlang.backends.common.nest import Instruction
from netlang.backends.cpu.compile import compile_kernel
from netlang.backends.cpu.kernel import Kernel, emitted
from netlang.backends.cpu.target import LEVELS, Target, host
from netlang.backends.cpu.tiles.broadcast_tile import BroadcastTile
from netlang.backends.cpu.tiles.cell_kernel import emit_cell
from netlang.backends.cpu.tiles.cell_table import CellStructure
from netlang.backends.cpu.tiles.conv_kernel import emit_conv
from netlang.backends.cpu.tiles.conv_table import ConvStructure
from netlang.backends.cpu.tiles.depthwise_gradient import DepthwiseGradientStructure, emit_depthwise_gradient
from netlang.backends.cpu.tiles.depthwise_kernel import DepthwiseStructure, emit_depthwise
from netlang.backends.cpu.tiles.emitter import Emitter
from netlang.backends.cpu.tiles.gemm_kernel import emit_gemm
from netlang.backends.cpu.tiles.gemm_table import GemmStructure
from netlang.backends.cpu.tiles.lane_strip import LaneSource
from netlang.backends.cpu.tiles.numbers import Frame, raw
from netlang.backends.cpu.tiles.row_kernel import RowStructure, emit_rows
from netlang.backends.cpu.tiles.shapes import MOST_ROWS, most_pixels
from netlang.backends.cpu.tiles.weight_gradient import emit_weight_gradient
from netlang.backends.cpu.tiles.weight_gradient_table import WeightGradientStructure
from netlang.backends.cpu.tiles.winograd_products import emit_products
from netlang.backends.cpu.tiles.winograd_table import VECTORS
from tests.backends.cpu.assembly import Loop, inner_loops

ADD = (EpilogueStep("tensor", "add"),)
RELU = (EpilogueStep("channel", "add"), EpilogueStep("apply", "relu"))


def conv(target: Target, vectors: int, rows: int, columns: int, stride: int = 1) -> Kernel:
    tile = BroadcastTile(target.lanes(4), vectors, rows, columns, stride * 4, False, epilogue=RELU)
    structure = ConvStructure(tile, True, False)
    return emitted(structure.key, partial(emit_conv, structure))


def blocked(target: Target, vectors: int, columns: int, ahead: bool = False) -> Kernel:
    lanes = target.lanes(4)
    tile = BroadcastTile(lanes, vectors, 1, columns, lanes * 4, True, ahead=ahead, epilogue=RELU)
    structure = ConvStructure(tile, True, False)
    return emitted(structure.key, partial(emit_conv, structure))


def rows(target: Target, inputs: int, outputs: int, columns: int) -> Kernel:
    tile = BroadcastTile(target.lanes(4), 1, 1, 1, 4, False, epilogue=RELU)
    structure = RowStructure(ConvStructure(tile, True, False), inputs, outputs, columns)
    return emitted(structure.key, partial(emit_rows, structure))


def gemm(target: Target, vectors: int, ordered: bool) -> Kernel:
    height = min(target.lanes(4), most_pixels(target, vectors))
    tile = BroadcastTile(target.lanes(4), vectors, 1, height, 4, False, w_ordered=ordered, masked=True, epilogue=RELU)
    structure = GemmStructure(tile, False)
    return emitted(structure.key, partial(emit_gemm, structure))


def weight_gradient(target: Target, vectors: int, across: int) -> Kernel:
    if most_pixels(target, vectors) < across:
        vectors = 1
    rows = min(8, most_pixels(target, vectors) // across)
    tile = BroadcastTile(target.lanes(4), vectors, rows, across, 4, False, fenced=True, epilogue=ADD)
    structure = WeightGradientStructure(tile, True)
    return emitted(structure.key, partial(emit_weight_gradient, structure))


def depthwise(target: Target, rows: int, columns: int, stride: int, group: int = 1) -> Kernel:
    tile = BroadcastTile(target.lanes(4), 1, rows, columns, stride * target.lanes(4) * 4, True, epilogue=RELU)
    source = LaneSource(target.lanes(4), group, group, True)
    structure = DepthwiseStructure(ConvStructure(tile, True, False, x_blocked=True, out_blocked=True), source)
    return emitted(structure.key, partial(emit_depthwise, structure))


def depthwise_gradient(target: Target, rows: int, columns: int) -> Kernel:
    structure = DepthwiseGradientStructure(LaneSource(target.lanes(4), 1, 1, False), rows, columns, 1)
    return emitted(structure.key, partial(emit_depthwise_gradient, structure))


def cell(target: Target, gates: int, vectors: int) -> Kernel:
    """The product of a cell of which nothing but the sums is stored."""
    sums = tuple(Instruction("sum", "f32", (), (("gate", gate),)) for gate in range(gates))
    code = CellCode((), sums, tuple((CellOperand("f32", True, True), gate) for gate in range(gates)))
    height = most_pixels(target, gates * vectors)
    structure = CellStructure(target.lanes(4), vectors, height, True, 0, code)
    return emitted(structure.key, partial(emit_cell, structure))


def products(target: Target) -> Kernel:
    """Winograd's products by themselves: the transforms around them hold more vectors than any machine's registers."""
    lanes, patches = target.lanes(4), most_pixels(target, VECTORS)

    def emit(builder: Any, args: Any, tid: Any, threads: Any) -> None:
        f = Frame(builder, args, tid, threads)
        emit_products(Emitter(builder, lanes), patches, VECTORS, [raw(f[i]) for i in range(6)])

    return emitted(f"test products {lanes} {patches}", emit)


def kernels(target: Target) -> dict[str, Kernel]:
    """The tiles that a target gets, the largest and those at the edges."""
    lanes, most = target.lanes(4), most_pixels(target, 2)
    most_sums = target.registers * 3 // 4
    found = {
        "conv of one row": conv(target, 2, 1, most),
        "conv of a stride": conv(target, 2, 1, most, 2),
        "conv of several rows": conv(target, 2, min(MOST_ROWS, most // 3), 3),
        "conv of one vector": conv(target, 1, 1, most_pixels(target, 1)),
        **{f"conv of blocked channels, {n} pixels": blocked(target, 2, n) for n in range(most // 2, most + 1)},
        "conv of blocked channels from afar": blocked(target, 2, most, ahead=True),
        "conv of blocked channels, one vector": blocked(target, 1, most_pixels(target, 1)),
        "conv of blocked channels, three vectors": blocked(target, 3, most_pixels(target, 3)),
        "conv along rows": rows(target, 1, most_sums // 4, 2 if lanes > 8 else 1),
        "conv along rows, colours": rows(target, 3, lanes // 2, 1),
        "depthwise, one row": depthwise(target, 1, most_pixels(target, 1), 1),
        "depthwise, several rows": depthwise(target, 2, most_pixels(target, 1) // 2, 2),
        "groups of four": depthwise(target, 1, most_pixels(target, 1), 1, 4),
        "depthwise weight gradient, 3x3": depthwise_gradient(target, 3, 3),
        "depthwise weight gradient, 7 columns": depthwise_gradient(target, 1, 7),
        "product, packed": gemm(target, 2, True),
        "product, loose": gemm(target, 2, False),
        "weight gradient, 3 columns": weight_gradient(target, 2, 3),
        "weight gradient, 5 columns": weight_gradient(target, 2, 5),
        "weight gradient, 1 column": weight_gradient(target, 2, 1),
        "Winograd's products": products(target),
        "cell of four gates": cell(target, 4, 1),
        "cell of three gates": cell(target, 3, 1),
        "cell of one gate": cell(target, 1, 4),
    }
    if not target.masks_are_free:
        del found["product, loose"]  # B is packed
    if lanes < 8:
        found = {name: kernel for name, kernel in found.items() if not name.startswith("conv along rows")}
    return found


KERNELS = kernels(host())
ALL = {"host": host(), **LEVELS}


def loops_of(kernel: Kernel, target: Target) -> list[Loop]:
    name = "spills_" + re.sub(r"\W", "_", kernel.key)[:60]
    return inner_loops(compile_kernel(kernel, name, target).assembly, target)


@pytest.mark.parametrize(("target", "name"), [(t, name) for t in ALL for name in kernels(ALL[t])])
def test_inner_loops_stay_in_registers(target: str, name: str) -> None:
    loops = loops_of(kernels(ALL[target])[name], ALL[target])
    assert sum(loop.packed for loop in loops), "no loop with multiplications was found"
    assert not [loop for loop in loops if loop.spills or loop.single], loops
