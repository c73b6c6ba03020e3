"""What a GPU is: its name, capability, memory and limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from netlang.backends.cuda.architecture import Capability
from netlang.backends.cuda.driver.api import Api

_ATTRIBUTE = "CU_DEVICE_ATTRIBUTE_"


@dataclass(frozen=True)
class Properties:
    """One GPU, and the driver that it is used through.

    cuda                  the newest CUDA version that the driver supports
    memory                bytes of device memory in all
    shared                bytes of shared memory that a block can have
    bandwidth             bytes a second between the GPU and its memory, by its clock; 0 where the driver does not tell
    """

    index: int
    name: str
    capability: Capability
    cuda: tuple[int, int]
    memory: int
    multiprocessors: int
    shared: int
    bandwidth: float


def driver_version(api: Api) -> tuple[int, int]:
    """The newest CUDA version that the driver supports: 12040 is 12.4."""
    number = int(api.call("cuDriverGetVersion"))
    return number // 1000, number % 1000 // 10


def read(api: Api, index: int) -> Properties:
    """The properties of GPU `index`, which must be there."""
    device = api.call("cuDeviceGet", index)

    def attribute(name: str) -> int:
        return int(api.call("cuDeviceGetAttribute", api.constant("CUdevice_attribute", _ATTRIBUTE + name), device))

    # Two transfers a clock; the clock is in kHz and the bus in bits.
    bandwidth = 2 * 1e3 * attribute("MEMORY_CLOCK_RATE") * attribute("GLOBAL_MEMORY_BUS_WIDTH") / 8
    return Properties(
        index=index,
        name=_text(api.call("cuDeviceGetName", 256, device)),
        capability=(attribute("COMPUTE_CAPABILITY_MAJOR"), attribute("COMPUTE_CAPABILITY_MINOR")),
        cuda=driver_version(api),
        memory=int(api.call("cuDeviceTotalMem", device)),
        multiprocessors=attribute("MULTIPROCESSOR_COUNT"),
        shared=attribute("MAX_SHARED_MEMORY_PER_BLOCK_OPTIN"),
        bandwidth=bandwidth,
    )


def _text(name: Any) -> str:
    """A C string in a buffer of fixed size."""
    return bytes(name).split(b"\0")[0].decode("utf-8", "replace")
