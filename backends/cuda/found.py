"""What of CUDA there is on this machine: GPUs, their driver, and the packages that compile for them."""

from __future__ import annotations

from netlang.backends.cuda import versions
from netlang.backends.cuda.driver.api import Api, Driver
from netlang.backends.cuda.driver.properties import Properties, driver_version, read
from netlang.diagnostics import NetError


def found() -> list[tuple[str, str]]:
    """(part, what is found of it): the packages, and every GPU or why there is none. Nothing is raised."""
    packages = versions.installed()
    there = [f"{name} {version}" for name, version in packages.items() if version]
    try:
        versions.require()
    except NetError as fault:
        there = [*there, _reason(fault)]
    return [("cuda packages", ", ".join(there)), *_gpus()]


def gpus(api: Api) -> list[Properties]:
    """All GPUs that the driver shows."""
    return [read(api, index) for index in range(int(api.call("cuDeviceGetCount")))]


def _gpus() -> list[tuple[str, str]]:
    try:
        api = Driver()
        listed = gpus(api)
        cuda = ".".join(map(str, driver_version(api)))
    except NetError as fault:
        return [("gpu", _reason(fault))]
    driver = ("cuda driver", f"supports CUDA {cuda}")
    return [driver, *((f"gpu {gpu.index}", _text(gpu)) for gpu in listed)] if listed else [driver, ("gpu", "none")]


def _text(gpu: Properties) -> str:
    capability = ".".join(map(str, gpu.capability))
    return (
        f"{gpu.name}, compute capability {capability}, {gpu.memory / 1e9:.1f} GB, {gpu.multiprocessors} multiprocessors"
    )


def _reason(fault: NetError) -> str:
    return fault.diagnostics[0].message
