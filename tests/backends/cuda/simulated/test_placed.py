"""Layers on two devices, each a simulator with memory of its own, against the reference on one."""

from __future__ import annotations

import numpy as np
import pytest

from netlang.backends.base import Array
from netlang.backends.cuda import Cuda
from netlang.backends.cuda.device import Launched
from netlang.backends.cuda.executable import Executable
from netlang.backends.cuda.kernel import Kernel
from netlang.backends.cuda.placed import Placed
from netlang.backends.cuda.simulator import SimulationError
from netlang.backends.cuda.simulator.device import Simulator
from netlang.backends.reference import Reference
from netlang.driver import assemble, is_placed
from netlang.frontend import load
from netlang.ir.graph import Graph
from netlang.passes import inference_pipeline, training_pipeline
from netlang.passes.manager import PassManager
from netlang.passes.optimizer import training_step
from netlang.runtime.parameters import Store, settle
from tests.backends.compared import B, assert_same
from tests.nets import random_inputs, random_params

TOWERS = """\
block lower(x) { return x -> conv(2, 3, pad = same) -> relu -> local_response_norm(3) -> maxpool(2) }
block upper(x) { return x -> dense(4) -> relu -> dropout(0.5) }

net towers() {
  input image: f32[N, 1, 4, 4]
  a = image -> lower(device = 0)
  b = image -> lower(device = 1)
  c = a -> conv(2, 1, device = 0)
  both = (a, b) -> concat
  d = both -> conv(2, 1, device = 1)
  features = (c, d) -> concat -> flatten
  logits = (features -> upper(device = 0), features -> upper(device = 1)) -> concat -> dense(3)
  output probs = softmax(logits)
}

train {
  target label: i64[N]
  loss      cross_entropy(logits, label)
  optimizer sgd(lr = 0.1, momentum = 0.9)
}
"""


def two() -> Cuda:
    return Cuda(None, Simulator(), [Simulator(index=1)])


def compiled(graph: Graph, backend: Cuda) -> Placed:
    found = backend.compile(backend.prepare(graph))
    assert isinstance(found, Placed)
    return found


def test_inference() -> None:
    net = load(TOWERS).net
    backend = two()
    assert is_placed(net, backend)
    graph = PassManager().run(net, inference_pipeline(placed=True))
    executable = compiled(graph, backend)
    assert {device for device, _ in executable.parts} == {0, 1}
    params = random_params(net)
    for batch in (1, 2, 1):
        inputs = random_inputs(net, {"N": batch})
        want = Reference().compile(net).run(inputs, params)
        assert_same(executable.run(inputs, params), want, 1e-5)


def test_training() -> None:
    """Two steps: new weights are wherever the next step reads them, and in the caller's arrays."""
    module = load(TOWERS)
    assert module.train is not None
    step = training_step(module.train, placed=True)
    backend = two()
    executable = compiled(PassManager().run(step, training_pipeline()), backend)
    params = random_params(step)
    expected = {name: array.copy() for name, array in params.items()}
    reference = Reference().compile(step)
    for _ in range(2):
        inputs = random_inputs(step, {"N": 2}, classes=3)
        want = reference.run(inputs, expected)
        assert_same(executable.run(inputs, params), want, 1e-4)
    assert_same(params, expected, 1e-4)


@pytest.mark.parametrize("settled", [False, True])
def test_what_a_program_of_one_device_changes_is_seen_by_those_of_several(settled: bool) -> None:
    """Programs share the parameters on a device; copies on others are brought up to date."""
    net = load(TOWERS).net
    backend = two()
    executable = compiled(PassManager().run(net, inference_pipeline(placed=True)), backend)
    store = Store(random_params(net))
    inputs = random_inputs(net, {"N": 1})
    executable.run(inputs, store)
    weights = {v for v in net.params if v.node.name in store and v.rank == 4}
    doubled = tuple((v.node.name, B.add(v, v)) for v in weights)
    alone = Graph("alone", (), tuple(v for v in net.params if v in weights), (), doubled)
    backend.compile(alone).run({}, store)
    if settled:
        settle()
    got = executable.run(inputs, store)
    settle()
    assert_same(got, Reference().compile(net).run(inputs, store), 1e-5)


def test_training_leaves_the_parameters_on_the_devices() -> None:
    """The arrays of a store are behind until somebody asks for them."""
    module = load(TOWERS)
    assert module.train is not None
    step = training_step(module.train, placed=True)
    executable = compiled(PassManager().run(step, training_pipeline()), two())
    start = random_params(step)
    store = Store({name: array.copy() for name, array in start.items()})
    expected = {name: array.copy() for name, array in start.items()}
    for _ in range(2):
        inputs = random_inputs(step, {"N": 1}, classes=3)
        executable.run(inputs, store)
        Reference().compile(step).run(inputs, expected)
    name = "logits.weight" if "logits.weight" in start else next(n for n in start if n.endswith("weight"))
    np.testing.assert_array_equal(store[name], start[name])
    settle()
    assert_same(store, expected, 1e-4)


def test_models_and_trainers_run_on_several_devices() -> None:
    """As users come by them: a call, a step of training with the weights left on the devices, and a call after that."""
    ours, wanted = (assemble(load(TOWERS), backend).init(seed=1) for backend in (two(), Reference()))
    inputs = random_inputs(load(TOWERS).net, {"N": 2})
    for model in (ours, wanted):
        assert model(**inputs) is not None
    labels = np.array([0, 2])
    losses = [model.trainer(seed=3)(**inputs, label=labels) for model in (ours, wanted)]
    np.testing.assert_allclose(*losses, rtol=1e-5)
    np.testing.assert_allclose(ours(**inputs), wanted(**inputs), rtol=1e-4)
    for name, array in wanted.parameters.items():
        np.testing.assert_allclose(ours.parameters[name], array, rtol=1e-4, atol=1e-6)


def test_each_part_has_its_memory_on_its_device_alone() -> None:
    net = load(TOWERS).net
    backend = two()
    executable = compiled(PassManager().run(net, inference_pipeline(placed=True)), backend)
    executable.run(random_inputs(net, {"N": 1}), random_params(net))
    sizes = {"N": 1}
    assert executable.planned_bytes(sizes) == sum(part.planned_bytes(sizes) for _, part in executable.parts) > 0
    ops = [{n.op for n in part.graph.nodes} for _, part in executable.parts]
    # The lower towers wait for nothing: each is one part, the first of its device.
    assert [device for device, _ in executable.parts][:2] == [0, 1] and not any("concat" in found for found in ops[:1])


def test_with_one_device_all_is_one_program() -> None:
    net = load(TOWERS).net
    backend = Cuda(None, Simulator())
    assert backend.places() == 1 and not is_placed(net, backend)
    graph = PassManager().run(net, inference_pipeline(placed=True))
    executable = backend.compile(backend.prepare(graph))
    assert isinstance(executable, Executable)
    inputs, params = random_inputs(net, {"N": 1}), random_params(net)
    assert_same(executable.run(inputs, params), Reference().compile(net).run(inputs, params), 1e-5)


def test_numbers_beyond_the_devices_begin_again() -> None:
    net = load(TOWERS.replace("device = 1", "device = 3")).net
    executable = compiled(PassManager().run(net, inference_pipeline(placed=True)), two())
    assert {device for device, _ in executable.parts} == {0, 1}


def test_a_kernel_of_one_device_cannot_touch_the_memory_of_another() -> None:
    first, second = Simulator(), Simulator(index=1)
    text = "def kernel(x):\n    if thread() == i32(0):\n        store_f32(x, i32(0), f32(1))\n"
    kernel = Kernel("one", lambda: text, "p", 32)
    places = first.allocate(4), second.allocate(4)
    second.record([Launched(kernel, places[1:], (1, 1, 1))]).replay()
    with pytest.raises(SimulationError, match="the nearest allocation"):
        second.record([Launched(kernel, places[:1], (1, 1, 1))]).replay()


def test_devices_give_each_other_arrays() -> None:
    first, second = Simulator(), Simulator(index=1)
    array: Array = np.arange(5, dtype=np.float32)
    places = first.allocate(20), second.allocate(20)
    first.upload(places[0], array)
    second.receive(places[1], first, places[0], 20)
    got = np.empty(5, np.float32)
    second.download(places[1], got)
    np.testing.assert_array_equal(got, array)
