"""NVIDIA GPUs through the driver's own interface (libcuda), by `cuda.bindings`.

`api` is the one place where the driver is called and its faults become sentences; `properties` says what a GPU is,
`copies` moves arrays to and fro, `code` loads kernels, `launching` starts them and captures them into graphs, and `gpu`
puts that together into a device.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netlang.backends.cuda.driver.gpu import Gpu


def default_device() -> Gpu:
    """The first GPU. Raises NetError where there is none that can run code."""
    return device(0)


def further_devices() -> tuple[Gpu, ...]:
    """The other GPUs that the driver shows. Raises NetError where one of them cannot run code."""
    from netlang.backends.cuda.driver.api import Driver

    return tuple(device(index) for index in range(1, int(Driver().call("cuDeviceGetCount"))))


@cache
def device(index: int) -> Gpu:
    """GPU `index`, the same object each time. Raises NetError where there is none that can run code."""
    from netlang.backends.cuda.driver.api import Driver
    from netlang.backends.cuda.driver.gpu import Gpu

    return Gpu(Driver(), index)
