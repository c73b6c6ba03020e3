"""The updates of all parameters in one launch: the same bits as in one launch each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

import netlang.ops  # noqa: F401
from netlang.backends.cuda import Cuda, updates
from netlang.backends.cuda.kernels.updates import _LEAST
from netlang.backends.cuda.simulator.device import Simulator
from netlang.ir.graph import Graph, Value
from netlang.ir.rewrite import replace_values
from netlang.ir.types import DType, TensorType
from netlang.passes import fuse
from netlang.passes.manager import PassManager
from tests.backends.compared import Array, B
from tests.backends.cuda.momentum import momentum

SHAPES = ((5, 8), (12,), (3,), (1,), (2, 2, 4), (_LEAST + 5,))


class Counting(Simulator):
    """Counts the pieces of memory that it has given and not got back."""

    pieces = 0

    def allocate(self, bytes: int) -> int:
        self.pieces += 1
        return super().allocate(bytes)

    def free(self, address: int) -> None:
        self.pieces -= 1
        super().free(address)


def arrays(values: Sequence[Value], seed: int) -> dict[str, Array]:
    rng = np.random.default_rng(seed)
    return {v.node.name: np.asarray(rng.normal(size=v.type.concrete({})).astype(v.dtype.numpy)) for v in values}


@pytest.mark.parametrize("taken", [True, False])
def test_one_launch_for_each_kind_of_update_and_the_same_bits(taken: bool) -> None:
    graph = PassManager().run(momentum(SHAPES, [0.0, 0.0, 0.0, 0.0, 1e-4, 0.0]), (fuse.PASS,))
    inputs = {**arrays(graph.inputs, 0), "taken": np.array(taken), "lr": np.array(0.1, np.float32)}
    found: list[dict[str, Array]] = []
    launches: list[int] = []
    for prepared in (graph, updates.run(graph)):
        program = Cuda(device=Simulator()).compile(prepared)
        params = arrays(graph.params, 1)
        for _ in range(2):
            program.run(inputs, params)
        found.append(params)
        launches.append(len(program.steps))
    # Of one element there is no axis, and with a decay it is another loop.
    assert launches == [6, 3]
    for name, array in found[0].items():
        assert array.tobytes() == found[1][name].tobytes(), name
    if taken:
        w = arrays(graph.params, 1)["w1"]
        assert np.abs(found[1]["w1"] - w).min() > 1e-3


def test_recordings_share_what_says_where_parameters_are() -> None:
    graph = updates.run(PassManager().run(momentum(SHAPES[:2], [0.0, 0.0]), (fuse.PASS,)))
    device, params = Counting(), arrays(graph.params, 1)
    program = Cuda(device=device).compile(graph)
    program.bring(params)
    before = device.pieces
    binding = program.bound({})
    binding.record({})
    recorded = device.pieces
    binding.record({})
    assert device.pieces == recorded > before + 1
    binding.release()
    assert device.pieces == before


def test_what_is_read_besides_keeps_its_own_node() -> None:
    graph = PassManager().run(momentum(SHAPES[:2], [0.0, 0.0]), (fuse.PASS,))
    ((_, w), *_) = graph.updates
    shown = graph.replace(outputs=(("w", w),))
    assert updates.run(shown) is shown
    assert [n.attrs["kind"] for n in updates.run(graph).nodes if n.op == "fused"] == ["updates"]


def test_single_ops_are_loops_too() -> None:
    kind = TensorType(DType.F32, (40,))
    taken = B.input("taken", TensorType(DType.BOOL, ()))
    old = [B.param(f"m{i}", kind, "state", ("constant", 0.0)) for i in range(3)]
    new = [B.input(f"x{i}", kind) for i in range(3)]
    changed = tuple((v.node.name, B.op("where", taken, x, v)) for v, x in zip(old, new, strict=True))
    prepared = updates.run(Graph("g", (taken, *new), tuple(old), (), changed))
    program = Cuda(device=Simulator()).compile(prepared)
    assert len(program.steps) == 1
    for flag in (True, False):
        params, inputs = arrays(old, 1), {**arrays(new, 2), "taken": np.array(flag)}
        want = inputs if flag else {f"x{i}": params[f"m{i}"].copy() for i in range(3)}
        program.run(inputs, params)
        assert all(np.array_equal(params[f"m{i}"], want[f"x{i}"]) for i in range(3))


def test_updates_on_two_devices_stay_apart() -> None:
    graph = PassManager().run(momentum(((8,), (9,), (10,), (11,)), [0.0] * 4), (fuse.PASS,))
    loops = [n for n in graph.nodes if n.op == "fused"]
    placed = {
        v: r for i, n in enumerate(loops) for v, r in zip(n.results, replace(n, device=i // 2).results, strict=True)
    }
    found = [n for n in updates.run(replace_values(graph, placed)).nodes if n.op == "fused"]
    assert [(n.attrs["kind"], n.device, len(n.results)) for n in found] == [("updates", 0, 4), ("updates", 1, 4)]


def test_a_parameter_that_another_loop_reads_is_not_written_over() -> None:
    """Both weights become what the other one was."""
    kind = TensorType(DType.F32, (40,))
    w, v = (B.param(name, kind, "weight", ("constant", 0.0)) for name in "wv")
    graph = Graph("g", (), (w, v), (), (("w", B.scale(B.neg(v), 2.0)), ("v", B.scale(B.neg(w), 2.0))))
    prepared = updates.run(PassManager().run(graph, (fuse.PASS,)))
    assert [n.attrs["kind"] for n in prepared.nodes if n.op == "fused"] == ["updates"]
    params = arrays(graph.params, 1)
    before = {name: array.copy() for name, array in params.items()}
    Cuda(device=Simulator()).compile(prepared).run({}, params)
    assert np.array_equal(params["w"], -2 * before["v"]) and np.array_equal(params["v"], -2 * before["w"])
