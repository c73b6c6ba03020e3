"""Nets from files on the cuda backend: their kernels come out of the file, and nothing is compiled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netlang import NetError
from netlang.backends.base import Options, Request
from netlang.backends.cuda import Cuda, compile, toolchain
from netlang.backends.cuda.driver.gpu import Gpu
from netlang.backends.cuda.loaded import chosen, loaded
from netlang.backends.cuda.packaging import options_of, written
from netlang.backends.cuda.simulator.device import Simulator
from netlang.backends.cuda.target import CudaTarget
from netlang.driver import assemble
from netlang.frontend import load
from netlang.ir.types import DType
from netlang.runtime.artifact import open_artifact
from netlang.runtime.model import Model
from netlang.shipping import trainers_of, write_nets
from tests.backends.cuda import needs
from tests.backends.cuda.driver.fake import FakeDriver

NET = """
net scale {
  input x: f32[N, 4]
  param w: f32[4] = normal(0.5)
  output y = relu(x) * w
}
"""
X = np.linspace(-2, 3, 12, dtype=np.float32).reshape(3, 4)


def model() -> Model:
    return assemble(load(NET), Cuda(device=Simulator())).init(seed=1)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A net for two architectures, and PTX for all."""
    folder = tmp_path_factory.mktemp("file")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NETLANG_CACHE", str(folder / "cache"))
        write_nets(folder / "scale.netc", [model()], Cuda(), Request(("sm_80", "sm_90a")))
    return folder / "scale.netc"


@pytest.fixture
def nothing_compiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any) -> None:
        raise AssertionError("compiled")

    monkeypatch.setenv("NETLANG_CACHE", str(tmp_path / "empty"))
    monkeypatch.setattr(compile, "ptx_text", never)
    monkeypatch.setattr(compile, "link", never)
    monkeypatch.setattr(toolchain, "_offered", {})


@needs.compiler
def test_it_computes_what_the_model_does(file: Path) -> None:
    net = loaded(open_artifact(file), None, None, None, device=Simulator())
    assert (net.name, net.level) == ("scale", "80")
    assert dict(net.inputs) == {"x": "f32[N, 4]"} and dict(net.outputs) == {"y": "f32[N, 4]"}
    assert np.array_equal(net.parameters["w"], model().parameters["w"])
    assert np.array_equal(net(X), model()(X))
    assert np.array_equal(net(x=X[1]), model()(X)[1])


LEARNER = (
    NET
    + """
train {
  target z: f32[N, 4]
  loss      mean_squared_error(y, z)
  optimizer sgd(lr = 0.1, momentum = 0.9)
}
"""
)


@pytest.fixture
def no_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The simulator needs none: files get something in its place."""
    report = "Used 8 registers, 0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads"
    monkeypatch.setenv("NETLANG_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(compile, "ptx_text", lambda *_: "text")
    monkeypatch.setattr(compile, "link", lambda *_: (b"code", report))


@needs.compiler
def test_a_step_learns_what_the_trainer_learns(no_code: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights stay on the device between steps; the net goes by them, and a file of them has them."""
    own, z = assemble(load(LEARNER), Cuda(device=Simulator(CudaTarget("75")))), X[::-1]
    trainer, path = own.trainer(2), tmp_path / "scale.netc"
    write_nets(path, [own], Cuda(), Request(("sm_75",)), trainers_of(own, 2))
    monkeypatch.setattr(toolchain, "_offered", {})
    net = loaded(open_artifact(path), None, None, None, device=Simulator(CudaTarget("75")))
    for _ in range(3):
        assert net.step(x=X, z=z) == trainer(x=X, z=z)
        assert np.array_equal(net(X), own(X))
    assert np.array_equal(net.parameters["w"], own.parameters["w"])
    for one, name in ((net, "a"), (own, "b")):
        one.save_weights(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    before = net(X)
    net.load_weights(tmp_path / "a")
    assert np.array_equal(net(X), before)
    net.save_checkpoint(tmp_path / "c")
    loss = net.step(x=X, z=z)
    net.load_checkpoint(tmp_path / "c")
    assert net.step(x=X, z=z) == loss


@needs.compiler
@pytest.mark.parametrize(
    ("major", "minor", "level", "member"),
    [
        (8, 0, "80", "cuda/sm_80/"),
        (8, 6, "80", "cuda/sm_80/"),
        (9, 0, "90a", "cuda/sm_90a/"),
        (12, 0, "90a", "cuda/compute_80/"),
        (7, 5, "75", "cuda/compute_75/"),
    ],
)
def test_a_gpu_gets_its_machine_code_or_ptx_out_of_the_file(
    file: Path, nothing_compiles: None, major: int, minor: int, level: str, member: str
) -> None:
    driver = FakeDriver(COMPUTE_CAPABILITY_MAJOR=major, COMPUTE_CAPABILITY_MINOR=minor)
    artifact = open_artifact(file)
    assert loaded(artifact, None, None, None, device=Gpu(driver)).level == level
    [(image,)] = driver.made("cuModuleLoadData")
    [(_, entry)] = driver.made("cuModuleGetFunction")
    held = bytes(artifact.member(member + entry.decode()))
    assert image == (held if "/sm_" in member else held + b"\0")


@needs.compiler
def test_a_driver_that_is_older_than_the_machine_code_gets_the_ptx(file: Path, nothing_compiles: None) -> None:
    driver = FakeDriver()
    driver.faults["cuModuleLoadData"] = lambda image: "CUDA_ERROR_INVALID_IMAGE" if image[:4] == b"\x7fELF" else None
    loaded(open_artifact(file), None, None, None, device=Gpu(driver))
    (first,), (second,) = driver.made("cuModuleLoadData")
    assert first.startswith(b"\x7fELF") and b".target sm_80" in second and second.endswith(b"\0")


@needs.compiler
def test_an_architecture_may_be_asked_for(file: Path, nothing_compiles: None) -> None:
    gpu = Gpu(FakeDriver(COMPUTE_CAPABILITY_MAJOR=9))
    assert loaded(open_artifact(file), None, None, "sm_80", device=gpu).level == "80"
    with pytest.raises(NetError, match="has no net 'scael'"):
        loaded(open_artifact(file), "scael", None, None, device=gpu)


def kernels(**forms: str) -> dict[str, Any]:
    return {"kernels": [forms]}


BY_ARCH = {
    "75": kernels(ptx="cuda/compute_75/k"),
    "80": kernels(machine_code="cuda/sm_80/k", ptx="cuda/compute_80/k"),
    "90a": kernels(machine_code="cuda/sm_90a/k"),
}


@pytest.mark.parametrize(
    ("own", "name"), [("75", "75"), ("80", "80"), ("86", "80"), ("90a", "90a"), ("100", "80"), ("120", "80")]
)
def test_machine_code_comes_before_ptx_and_later_before_earlier(own: str, name: str) -> None:
    assert chosen("m.netc", BY_ARCH, own, None) == name


def test_a_file_without_code_for_the_gpu_says_what_it_has() -> None:
    hopper = {"90a": BY_ARCH["90a"]}
    with pytest.raises(NetError, match=r"has no code that a GPU of architecture sm_80 runs: .* for sm_90a") as found:
        chosen("m.netc", hopper, "80", None)
    assert "--arch sm_80" in str(found.value)
    with pytest.raises(NetError, match="no code by the name of sm_90a"):
        chosen("m.netc", BY_ARCH, "80", "sm_90a")


@pytest.mark.parametrize("options", [Options(), Options(True, True, DType.BF16, 64, "tf32")])
def test_options_come_back(options: Options) -> None:
    assert options_of(written(options)) == options
