"""What the driver is asked for, as the bindings see it: every function is there and takes the arguments that it gets.

The bindings convert the arguments of a call before they look for the driver. So on a machine without one a call that
they take ends with its absence, and any other with a TypeError.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netlang.backends.cuda import toolchain
from netlang.backends.cuda.device import Launched
from netlang.backends.cuda.driver import copies
from netlang.backends.cuda.driver.gpu import Gpu
from netlang.backends.cuda.kernel import Kernel
from tests.backends.cuda.driver.fake import FakeDriver

HANDLES = {
    "cuDeviceGet": "CUdevice",
    "cuDevicePrimaryCtxRetain": "CUcontext",
    "cuStreamCreate": "CUstream",
    "cuEventCreate": "CUevent",
    "cuMemAlloc": "CUdeviceptr",
    "cuModuleLoadData": "CUmodule",
    "cuModuleGetFunction": "CUfunction",
    "cuStreamEndCapture": "CUgraph",
    "cuGraphInstantiate": "CUgraphExec",
}
"""Types of the bindings that functions return."""
KERNEL = Kernel("copy", lambda: "def kernel(x, n): pass", "pi", 128, shared=100_000)


class Checked(FakeDriver):
    """A driver that is none, whose results are of the bindings' types, and which shows them every call."""

    def __init__(self, bindings: Any) -> None:
        super().__init__(gpus=2)
        self.bindings = bindings

    def call(self, function: str, *arguments: Any) -> Any:
        with pytest.raises(RuntimeError, match="driver"):
            getattr(self.bindings, function)(*arguments)
        found = super().call(function, *map(self._plain, arguments))
        kind = HANDLES.get(function)
        return found if kind is None else getattr(self.bindings, kind)(found)

    def constant(self, enumeration: str, name: str) -> Any:
        return getattr(getattr(self.bindings, enumeration), name)

    def _plain(self, argument: Any) -> Any:
        if hasattr(argument, "name"):  # of an enumeration
            return argument.name
        return int(argument) if type(argument).__name__ in HANDLES.values() else argument

    def _cuDevicePrimaryCtxRetain(self, device: int) -> Any:
        return 7 + device

    def _cuModuleGetFunction(self, module: int, name: bytes) -> Any:
        return module + 1


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Checked:
    bindings = pytest.importorskip("cuda.bindings.driver")
    try:
        bindings.cuInit(0)
    except RuntimeError:
        empty = toolchain.Resources(0, 0, 0, 0)
        monkeypatch.setattr(toolchain, "cubin", lambda kernel, arch: toolchain.Cubin(kernel.key, arch, b"cubin", empty))
        monkeypatch.setattr(copies, "CHUNK", 4096)
        monkeypatch.setattr(copies, "DIRECT", 512)
        return Checked(bindings)
    pytest.skip("a driver is installed, which would carry the calls out")


def test_the_bindings_take_every_call(driver: Checked) -> None:
    gpu, other = Gpu(driver, 0), Gpu(driver, 1)
    one, two = gpu.allocate(20_000), other.allocate(20_000)
    for size in (100, 20_000):
        array = np.arange(size, dtype=np.uint8)
        gpu.upload(one, array)
        other.receive(two, gpu, one, size)
        found = np.zeros_like(array)
        other.download(two, found)
        np.testing.assert_array_equal(found, array)
    gpu.copy(one, one + 16, 16)
    gpu.wait_for(2)
    launch = Launched(KERNEL, (one, 5), (3, 1, 1))
    recording = gpu.record([launch])
    gpu.elapsed(recording.replay)
    gpu.clocked([[launch], []]).seconds()
    del recording
    gpu.synchronize()
    gpu.free(one)
    assert {"cuLaunchKernel", "cuFuncSetAttribute", "cuMemcpyPeerAsync", "cuGraphExecDestroy"} <= {*driver.names()}
