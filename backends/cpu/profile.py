"""What a profile needs of this backend: times of single steps, the bytes they move, the machine's peak."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from llvmlite import ir

from netlang.backends.common.homes import Homes, buffers
from netlang.backends.common.steps import Moving, Scratch, Step, evaluated, places
from netlang.backends.cpu import loader
from netlang.backends.cpu.binding import threads_for
from netlang.backends.cpu.kernel import emitted
from netlang.backends.cpu.lower import LoweringContext
from netlang.backends.cpu.program import Line
from netlang.backends.cpu.tables import Table, home_of, make_table
from netlang.backends.cpu.target import host
from netlang.backends.cpu.threads import Pool, aligned
from netlang.backends.cpu.tiles.emitter import Emitter
from netlang.backends.cpu.workers import pool
from netlang.diagnostics import NetError

# Short runs, and many: others may be busy on this machine for most of the time.
_PEAK_ROUNDS, _PEAK_CALLS = 20_000, 100
_NAMES = {"nest": "loops", "conv": "direct"}
_TILE = re.compile(r"\bvectors=(\d+)(?:, rows=(\d+))?(?:, columns=(\d+))?")
_TRANSFORM = re.compile(r"winograd:WinogradStructure\(lanes=\d+, m=(\d+), taps=(\d+)")
_ROWS_TILE = re.compile(r"conv:RowStructure\(.*\boutputs=(\d+), columns=(\d+)")


class StepClock:
    """Carries tables out with the timed walker and keeps what it tells."""

    def __init__(self) -> None:
        if not hasattr(time, "CLOCK_MONOTONIC"):
            raise NetError("steps cannot be timed on this system: it has no POSIX clock")
        self._calls: list[np.ndarray[Any, Any]] = []
        self.counts: list[int] = []
        """For every step how often a call carries it out."""

    def carry_out(self, pool: Pool, table: Table, threads: int) -> None:
        """As `run_table`."""
        entries = int(table.program[0])
        times = aligned(16 * (entries + 1)).view(np.int64).reshape(entries + 1, 2)
        pool.run_timed(table.program_address, threads_for(table, threads), times.ctypes.data)
        steps = times[1:][list(table.slots)]
        self._calls.append(steps[:, 0])
        self.counts = [int(n) for n in steps[:, 1]]

    def seconds(self) -> list[tuple[float, ...]]:
        """For every step its seconds in each call."""
        return [tuple(float(n) * 1e-9 for n in column) for column in zip(*self._calls, strict=True)]


def step_bytes(context: LoweringContext, homes: Homes, step: Step, sizes: Mapping[str, int]) -> int:
    """Bytes of the tensors and packed weights among a step's arguments; working memory of its own is not counted. Of
    what moves from round to round of a loop they are those of one round."""
    moving = dict.fromkeys(p for p in places(step) if isinstance(p, Moving))
    still = dict.fromkeys(buffers(replace(step, args=tuple(p for p in places(step) if not isinstance(p, Moving)))))
    return sum(evaluated(p.bytes, sizes) for p in moving) + sum(
        evaluated(b.bytes if isinstance(b, Scratch) else context.storage_bytes(b.type), sizes)
        for b in still
        if not isinstance(b, Scratch) or b in homes.hoisted
    )


def kernel_text(key: str) -> str:
    """A kernel's key in a few words: `direct 2x1x14` is a tile of 2 vectors of channels by 1 x 14 pixels, and
    `winograd F(4, 3)` the transform of 4 x 4 results and 3 x 3 weights."""
    transform = _TRANSFORM.match(key)
    if transform:
        return f"winograd F({transform[1]}, {transform[2]})"
    name = re.split(r"[:( ]", key, maxsplit=1)[0]
    name = _NAMES.get(name, name.rpartition(".")[2].replace("_", " "))
    along_rows = _ROWS_TILE.match(key)
    name, found = ("rows", along_rows) if along_rows else (name, _TILE.search(key))
    return name + (" " + "x".join(n for n in found.groups() if n) if found else "")


def measured_peak(threads: int) -> float:
    """FLOP/s of independent float32 FMAs in registers, on this many threads: the best of many runs."""
    # Half of the registers: enough to hide the latency, and few enough that none is spilled.
    lanes, sums = host().lanes(4), host().registers // 2
    kernel = emitted(f"fma_peak({lanes}, {sums}, {_PEAK_ROUNDS})", partial(_emit_peak, lanes, sums))
    table = make_table([Line(kernel, (), (), 10 * _PEAK_ROUNDS * sums)], home_of, {}, loader.address)
    clock = StepClock()
    for _ in range(_PEAK_CALLS):
        clock.carry_out(pool(), table, threads)
    return 2 * lanes * sums * _PEAK_ROUNDS * threads / min(clock.seconds()[0])


def _emit_peak(lanes: int, sums: int, builder: Any, args: Any, tid: Any, threads: Any) -> None:
    """A loop over FMAs of `sums` registers, each thread its own; what they come to is stored nowhere that matters."""
    e = Emitter(builder, lanes)
    i64 = ir.IntType(64)
    # A number that the compiler cannot know, and sums that stay ordinary numbers: x -> 0.5 * x + tid + 1.
    start = builder.sitofp(builder.add(tid, i64(1)), ir.FloatType())
    wide = builder.insert_element(e.undefined, start, ir.IntType(32)(0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes)
    wide = builder.shuffle_vector(wide, e.undefined, zeros)
    before = builder.block
    inside, after = builder.append_basic_block("fmas"), builder.append_basic_block("done")
    builder.branch(inside)
    builder.position_at_end(inside)
    count = builder.phi(i64)
    held = [builder.phi(e.vector) for _ in range(sums)]
    count.add_incoming(i64(0), before)
    kind = ir.FunctionType(e.vector, [e.vector] * 3)
    name = f"llvm.fma.v{lanes}f32"
    fma = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
    half = e.constant(0.5)
    for i, value in enumerate(held):
        value.add_incoming(e.constant(float(i)), before)
        value.add_incoming(builder.call(fma, [value, half, wide]), inside)
    following = builder.add(count, i64(1))
    count.add_incoming(following, inside)
    builder.cbranch(builder.icmp_signed("<", following, i64(_PEAK_ROUNDS)), inside, after)
    builder.position_at_end(after)
    # An empty assembly that takes the sums keeps them from being optimised away.
    keep = ir.FunctionType(ir.VoidType(), [e.vector])
    register = "v" if host().arch in ("x86_64", "amd64") else "w"
    for value in held:
        builder.call(ir.InlineAsm(keep, "", register, side_effect=True), [value])
