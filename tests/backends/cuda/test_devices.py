"""What every device does, the simulator here and a GPU where there is one: copies, launches, recordings, programs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netlang import NetError
from netlang.backends.base import Options
from netlang.backends.cuda import Cuda, dlpack, driver
from netlang.backends.cuda.arrays import DeviceArray, Pool
from netlang.backends.cuda.device import Launched
from netlang.backends.cuda.driver import code
from netlang.backends.cuda.driver.api import Driver
from netlang.backends.cuda.driver.copies import CHUNK
from netlang.backends.cuda.driver.gpu import Gpu
from netlang.backends.cuda.kernel import Kernel
from netlang.backends.cuda.simulator.device import Simulator
from netlang.backends.reference import Reference
from netlang.driver import assemble, tune_net
from netlang.frontend import load
from netlang.passes import inference_pipeline
from netlang.passes.manager import PassManager
from netlang.runtime.samples import initial_params, random_inputs
from tests.backends.compared import assert_same

SHIFT = """
def kernel(x, y, n, by):
    i = i32(i32(block_x() * i32(32)) + thread())
    if i < n:
        store_f32(y, i64(i32(4 * i)), f32(load_f32(x, i64(i32(4 * i))) + f32(i32(by))))
"""
REVERSED = """
def kernel(x, n):
    memory = shared_base()
    place = i32(i32(65536) - i32(4 * thread()))
    store_shared_f32(memory, place, load_f32(x, i64(i32(4 * thread()))))
    sync()
    other = i32(i32(65536) - i32(4 * i32(i32(n - 1) - thread())))
    store_f32(x, i64(i32(4 * thread())), load_shared_f32(memory, other))
"""

NET = """
net scale {
  input x: f32[N, 3]
  param w: f32[3] = normal(0.5)
  output y = exp(x * w)
}

train {
  target t: f32[N, 3]
  loss mean((y - t) * (y - t))
  optimizer sgd(lr = 0.1, momentum = 0.9)
  batch 4
  epochs 1
}
"""
LAYERS = """net layers {
  input x: f32[N, 16, 20, 20]
  output y = x -> conv(32, 3, pad = 1) -> relu -> maxpool(2) -> conv(64, 3) -> relu -> flatten -> dense(100)
}
"""
X = np.linspace(-1, 2, 12, dtype=np.float32).reshape(4, 3)
T = X * np.array([3, -2, 0.5], np.float32)


@pytest.fixture(params=["simulator", pytest.param("gpu", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest) -> Any:
    if request.param == "simulator":
        return Simulator()
    try:
        return driver.device(0)
    except NetError as fault:
        return pytest.skip(fault.diagnostics[0].message)


def uploaded(device: Any, values: Any) -> int:
    place: int = device.allocate(max(1, values.nbytes))
    device.upload(place, values)
    return place


def downloaded(device: Any, place: int, like: Any) -> Any:
    found = np.empty_like(like)
    device.download(place, found)
    return found


@pytest.mark.parametrize("bytes", [0, 1, 1000, 300_000, 3 * CHUNK + 5])
def test_arrays_come_back_as_they_went(device: Any, bytes: int) -> None:
    values = np.random.default_rng(0).integers(0, 256, bytes, dtype=np.uint8)
    place = uploaded(device, values)
    assert place % 256 == 0
    assert np.array_equal(downloaded(device, place, values), values)
    other = device.allocate(max(1, bytes))
    device.copy(other, place, bytes)
    device.free(place)
    assert np.array_equal(downloaded(device, other, values), values)
    device.free(other)


def test_an_upload_is_in_the_order_of_the_work(device: Any) -> None:
    """Each array is read by the recording before the next one takes its place, although that goes by another stream."""
    n = 100_000 if not isinstance(device, Simulator) else 100
    x, y = device.allocate(4 * n), device.allocate(4 * n)
    recording = device.record([Launched(Kernel("shift", lambda: SHIFT, "ppii", 32), (x, y, n, 1), (-(-n // 32), 1, 1))])
    for i in range(5):
        values = np.full(n, i, np.float32)
        device.upload(x, values)
        values[:] = -1
        recording.replay()
        device.upload(x, np.full(n, -2, np.float32))
        assert np.array_equal(downloaded(device, y, values), np.full(n, i + 1))
    device.free(x)
    device.free(y)


def test_a_recording_carries_out_its_launches_in_order(device: Any) -> None:
    values = np.arange(70, dtype=np.float32)
    x, y = uploaded(device, values), device.allocate(values.nbytes)
    kernel = Kernel("shift", lambda: SHIFT, "ppii", 32)
    grid = (3, 1, 1)
    launches = [
        Launched(kernel, (x, y, 70, 5), grid),
        Launched(kernel, (y, x, 70, -2), grid),
        Launched(kernel, (x, y, 10, 100), (0, 1, 1)),
    ]
    recording = device.record(launches)
    for _ in range(2):
        recording.replay()
    assert device.elapsed(recording.replay) > 0
    device.synchronize()
    assert np.array_equal(downloaded(device, x, values), values + 9)
    assert np.array_equal(downloaded(device, y, values), values + 11)


def test_groups_of_launches_are_timed_one_by_one(device: Any) -> None:
    values = np.arange(70, dtype=np.float32)
    x, y = uploaded(device, values), device.allocate(values.nbytes)
    kernel = Kernel("shift", lambda: SHIFT, "ppii", 32)
    there, back = (Launched(kernel, (*places, 70, by), (3, 1, 1)) for places, by in (((x, y), 5), ((y, x), -2)))
    clocked = device.clocked([[there, back], [], [there]])
    for _ in range(2):
        long, none, short = clocked.seconds()
        assert long > 0 and none >= 0 and short > 0
    assert np.array_equal(downloaded(device, y, values), values + 11)


def test_more_than_48_kilobytes_of_shared_memory(device: Any) -> None:
    values = np.arange(64, dtype=np.float32)
    x = uploaded(device, values)
    kernel = Kernel("reversed", lambda: REVERSED, "pi", 64, shared=65536 + 4)
    if kernel.shared > device.target.shared_bytes:
        pytest.skip(f"a block of this GPU has {device.target.shared_bytes} bytes")
    device.record([Launched(kernel, (x, 64), (1, 1, 1))]).replay()
    assert np.array_equal(downloaded(device, x, values), values[::-1])


def test_a_model_and_its_training_do_what_the_reference_does(device: Any) -> None:
    model = assemble(load(NET), Cuda(device=device)).init(seed=1)
    wanted = assemble(load(NET), Reference()).init(seed=1)
    trainer, teacher = model.trainer(), wanted.trainer()
    for _ in range(4):
        assert trainer.step({"x": X, "t": T}) == pytest.approx(teacher.step({"x": X, "t": T}), rel=1e-5)
    assert np.allclose(model(X), wanted(X), rtol=1e-5)
    assert np.allclose(model.parameters["w"], wanted.parameters["w"], rtol=1e-5)


def test_arrays_of_the_device_are_shared(device: Any) -> None:
    model = assemble(load(NET), Cuda(device=device)).init(seed=1)
    x = Pool(device).array(X.shape, X.dtype)
    device.upload(x.address, X)
    capsule = dlpack.imported(x.__dlpack__())
    taken = DeviceArray(device, capsule.address, capsule.shape, capsule.dtype, capsule)
    for _ in range(3):
        found = model(taken)
        assert isinstance(found, DeviceArray) and np.array_equal(found.numpy(), model(X))


@pytest.mark.gpu
def test_pytorch_hands_over_and_takes_arrays_of_the_gpu() -> None:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("PyTorch finds no GPU")
    model = assemble(load(NET), Cuda(device=driver.device(0))).init(seed=1)
    for scale in (1, 2, 3):
        x = torch.from_numpy(X).cuda() * scale
        found = torch.from_dlpack(model(x))
        assert found.is_cuda and np.array_equal((found + 0).cpu().numpy(), model(X * np.float32(scale)))
        assert np.array_equal(torch.as_tensor(model(x), device="cuda").cpu().numpy(), model(X * np.float32(scale)))


@pytest.mark.gpu
def test_ptx_serves_where_machine_code_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        gpu = Gpu(Driver())
    except NetError as fault:
        pytest.skip(fault.diagnostics[0].message)
    real = code.build

    def spoilt(kernels: Any, arch: str) -> Any:
        return {kernel: replace(made, code=b"no machine code") for kernel, made in real(kernels, arch).items()}

    monkeypatch.setattr(code, "build", spoilt)
    test_a_recording_carries_out_its_launches_in_order(gpu)


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["float32", "tf32"])
def test_what_was_tuned_on_a_gpu_computes_the_same(
    precision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        gpu = driver.device(0)
    except NetError as fault:
        pytest.skip(fault.diagnostics[0].message)
    monkeypatch.setenv("NETLANG_CACHE", str(tmp_path))
    backend, sizes = Cuda(Options(precision=precision, exact=True), gpu), {"N": 8}
    net = load(LAYERS).net
    wanted_graph = PassManager().run(net, [*inference_pipeline(), *backend.passes])
    inputs, params = random_inputs(net, sizes), initial_params(net)
    wanted = backend.compile(wanted_graph).run(inputs, params)
    tuning = tune_net(net, inference_pipeline(), backend, sizes, seconds=2.0)
    assert tuning.whole and tuning.layers and backend.remembered() == (len(tuning.layers), tuning.place)
    assert all(0 < seconds < 1 for layer in tuning.layers for seconds in layer.seconds.values())
    got = backend.compile(wanted_graph).run(inputs, params)
    assert_same(got, wanted, 1e-4 if precision == "float32" else 1e-2)
