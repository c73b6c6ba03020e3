"""What follows from parameters alone: kept once in a process, computed again when it must be, alone when frozen."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

import netlang
from netlang.backends.base import Array, Options
from netlang.backends.cpu import Cpu, prepared
from netlang.backends.cpu.executable import Executable
from netlang.diagnostics import NetError
from netlang.ir.build import Builder
from netlang.ir.graph import Graph, Value
from netlang.ir.types import DType, TensorType
from netlang.passes import fuse
from netlang.runtime.parameters import Store, touch
from tests.backends.cpu.tiled import normal

NET = """
net small {
  input image: f32[N, 3, 20, 20]
  features = image -> conv(32, 3, pad = 1) -> relu -> maxpool(2) -> conv(64, 3, pad = 1) -> relu -> flatten
  logits = features -> dense(30) -> relu -> dense(10)
  output probs = softmax(logits)
}

train {
  target label: i64[N]
  loss       cross_entropy(logits, label)
  optimizer  sgd(lr = 0.01)
}
"""
Make = Callable[[Builder, Mapping[str, Value]], Value]


def graph_of(rows: int, make: Make) -> Graph:
    b = Builder()
    x = b.input("x", TensorType(DType.F32, (rows, 40)))
    w = b.param("w", TensorType(DType.F32, (24, 40)), "weight", ("constant", 0.0))
    return fuse.run(Graph("g", (x,), (w,), (("y", make(b, {"x": x, "w": w})),)))


def product(b: Builder, v: Mapping[str, Value]) -> Value:
    return b.op("matmul", v["x"], v["w"], transpose_b=True)


def of_exponentials(b: Builder, v: Mapping[str, Value]) -> Value:
    return b.op("matmul", v["x"], b.op("exp", v["w"]), transpose_b=True)


def run(compiled: Executable, rows: int, params: Mapping[str, Array]) -> Array:
    return compiled.run({"x": normal(0, rows, 40)}, params)["y"]


def places(compiled: Executable) -> set[int]:
    held: Any = compiled._prepared
    return {array.ctypes.data for array in held.memory.values()}


@pytest.mark.parametrize("make", [product, of_exponentials])
def test_executables_with_the_same_parameters_share(make: Make) -> None:
    params = {"w": normal(1, 24, 40)}
    first, second = (Cpu().compile(graph_of(rows, make)) for rows in (1, 5))
    # The tile of five rows packs as that of one does: the numbers are the same.
    run(first, 1, params)
    run(second, 5, dict(params))
    assert places(first) == places(second)


def test_other_parameters_other_packing_and_other_ops_do_not_share() -> None:
    params = {"w": normal(1, 24, 40)}
    first = Cpu().compile(graph_of(1, product))
    run(first, 1, params)
    others = [
        (Cpu().compile(graph_of(1, product)), {"w": params["w"].copy()}),
        (Cpu(Options(weights_as=DType.BF16)).compile(graph_of(1, product)), params),
        (Cpu().compile(graph_of(1, of_exponentials)), params),
    ]
    for other, given in others:
        run(other, 1, given)
        assert not places(first) & places(other)


def test_it_goes_with_its_last_user() -> None:
    params = {"w": normal(1, 24, 40)}
    first, second = (Cpu().compile(graph_of(rows, product)) for rows in (1, 2))
    run(first, 1, params)
    run(second, 2, params)
    held: Any = first._prepared
    (kept,) = (weakref.ref(k) for k in held._kept)
    del held, first
    gc.collect()
    assert kept() is not None
    del second
    gc.collect()
    assert kept() is None


def test_an_array_that_took_the_number_of_another_is_not_taken_for_it() -> None:
    """`id` is unique only among objects that are alive."""
    array = normal(1, 24, 40)
    kept = prepared._Kept([], [array])
    assert kept.is_of([array]) and not kept.is_of([array.copy()])
    other = array.copy()
    del array
    gc.collect()
    assert not kept.is_of([other])


def test_changed_parameters_are_packed_again() -> None:
    store = Store(w=normal(1, 24, 40))
    compiled = Cpu().compile(graph_of(1, product))
    before = run(compiled, 1, store)
    store["w"][...] *= 2
    touch()
    np.testing.assert_allclose(run(compiled, 1, store), 2 * before, rtol=1e-5)
    other = Cpu().compile(graph_of(1, product))
    np.testing.assert_array_equal(run(other, 1, store), run(compiled, 1, store))
    store["w"][...] *= 2
    other.invalidate()  # whoever says it, all must know
    np.testing.assert_allclose(run(compiled, 1, store), 4 * before, rtol=1e-5)


def test_first_calls_of_several_threads_pack_once() -> None:
    params = {"w": normal(1, 24, 40)}
    many = [Cpu().compile(graph_of(1, product)) for _ in range(4)]
    workers = [threading.Thread(target=run, args=(compiled, 1, params)) for compiled in many]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(set.union(*map(places, many))) == len(places(many[0]))


def test_planned_is_what_is_allocated() -> None:
    model = netlang.compile(NET).init(0)
    x = normal(0, 3, 3, 20, 20)
    model(x)
    compiled: Any = model.compiled.executable  # type: ignore[attr-defined]
    ((binding,),) = compiled._runner.bindings.values()
    kept = sum(array.nbytes for array in compiled._prepared.memory.values())
    assert binding.arena.nbytes + kept == model.compiled.planned_bytes({"N": 3})


# ---- freezing


def test_a_frozen_model_computes_the_same_with_packed_weights_alone() -> None:
    model = netlang.compile(NET).init(0)
    x = normal(0, 2, 3, 20, 20)
    wanted = model(x)
    weights = weakref.ref(model.store["dense1.weight"])
    assert model.freeze() is model and model.freeze() is model
    gc.collect()
    assert weights() is None and not {"conv1.weight", "dense1.weight", "dense2.weight"} & set(model.store)
    touch()
    np.testing.assert_array_equal(model(x), wanted)
    np.testing.assert_array_equal(model(normal(0, 5, 3, 20, 20))[:2].shape, wanted.shape)


def test_what_a_frozen_model_cannot_do() -> None:
    model = netlang.compile(NET)
    with pytest.raises(NetError, match="has no weights yet"):
        model.freeze()
    model.init(0).freeze()
    for wrong in (model.init, lambda: model.parameters, lambda: model.save_weights("w"), model.trainer):
        with pytest.raises(NetError, match="is frozen: its weights are kept for calls only"):
            wrong()
    with pytest.raises(NetError, match="is frozen"):
        model.load_weights("nowhere.safetensors")


def test_a_trainer_goes_on_beside_a_frozen_model() -> None:
    model = netlang.compile(NET).init(0)
    trainer = model.trainer(0)
    x = normal(0, 2, 3, 20, 20)
    wanted = model.freeze()(x)
    losses = [trainer(x, np.array([1, 2])) for _ in range(3)]
    assert losses[2] < losses[0]
    np.testing.assert_array_equal(model(x), wanted)


def test_freezing_on_the_reference_keeps_all() -> None:
    model = netlang.compile(NET, target="reference").init(0)
    x = normal(0, 1, 3, 20, 20)
    wanted = model(x)
    np.testing.assert_array_equal(model.freeze()(x), wanted)
