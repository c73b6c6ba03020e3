"""Copies from one GPU to another, in the order of the work of both."""

from __future__ import annotations

from functools import cache

from netlang.backends.cuda.driver.api import Api
from netlang.backends.cuda.driver.copies import event
from netlang.backends.cuda.driver.faults import DriverFault
from netlang.backends.cuda.driver.gpu import Gpu

_ENABLED = "CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED"


def copy_between(source_gpu: Gpu, source: int, target_gpu: Gpu, target: int, bytes: int) -> None:
    """Copy memory of one GPU to another, after all that was asked of either so far; what is asked of them later comes
    after it. Directly where the machine connects them so, else through the host's memory, which the driver sees to."""
    if not bytes:
        return
    _connect(target_gpu, source_gpu)
    api = target_gpu.api
    with source_gpu.current():
        ready = event(api)
        api.call("cuEventRecord", ready, source_gpu.stream)
    with target_gpu.current():
        done = event(api)
        api.call("cuStreamWaitEvent", target_gpu.stream, ready, 0)
        places = (target, target_gpu.context, source, source_gpu.context)
        api.call("cuMemcpyPeerAsync", *places, bytes, target_gpu.stream)
        api.call("cuEventRecord", done, target_gpu.stream)
        api.call("cuEventDestroy", ready)
    with source_gpu.current():
        # What comes next may write over what is still being copied.
        api.call("cuStreamWaitEvent", source_gpu.stream, done, 0)
    with target_gpu.current():
        api.call("cuEventDestroy", done)


@cache
def _connect(reader: Gpu, owner: Gpu) -> bool:
    """Let a GPU read another's memory directly, if it can."""
    api: Api = reader.api
    if not int(api.call("cuDeviceCanAccessPeer", reader.index, owner.index)):
        return False
    with reader.current():
        try:
            api.call("cuCtxEnablePeerAccess", owner.context, 0)
        except DriverFault as fault:
            if fault.code != _ENABLED:
                raise
    return True
