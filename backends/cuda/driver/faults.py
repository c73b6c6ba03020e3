"""What the driver's errors mean: what was found, and what is needed instead."""

from __future__ import annotations

from netlang.diagnostics import Diagnostic, NetError

OLDEST_DRIVER = (12, 0)
"""The CUDA version that a driver must support: the first that takes the oldest PTX that is written."""
_ELSEWHERE = "--target cpu runs anywhere, and `netc compile --target cuda` needs no GPU"

_MEANINGS = {
    "CUDA_ERROR_OUT_OF_MEMORY": ("the GPU has not enough free memory", "a smaller batch needs less"),
    "CUDA_ERROR_NO_DEVICE": (
        "the NVIDIA driver finds no GPU",
        f"`nvidia-smi` lists them, and CUDA_VISIBLE_DEVICES may hide them; {_ELSEWHERE}",
    ),
    "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH": (
        "the NVIDIA driver's library is of another version than its kernel module",
        "after an update of the driver the machine has to be started again",
    ),
    "CUDA_ERROR_UNSUPPORTED_PTX_VERSION": (
        "the NVIDIA driver is too old for the code",
        f"a driver for CUDA {'.'.join(map(str, OLDEST_DRIVER))} or later is needed, and a later one for later GPUs",
    ),
    "CUDA_ERROR_DEVICES_UNAVAILABLE": (
        "the GPU is taken by another process",
        "`nvidia-smi` shows by which; its compute mode may be exclusive",
    ),
}
"""Errors that follow from the machine: what was found, and what helps."""

_WRONG_CODE = (
    "CUDA_ERROR_ILLEGAL_ADDRESS",
    "CUDA_ERROR_MISALIGNED_ADDRESS",
    "CUDA_ERROR_ILLEGAL_INSTRUCTION",
    "CUDA_ERROR_INVALID_ADDRESS_SPACE",
    "CUDA_ERROR_INVALID_PC",
    "CUDA_ERROR_HARDWARE_STACK_ERROR",
    "CUDA_ERROR_LAUNCH_FAILED",
    "CUDA_ERROR_ASSERT",
)
"""A kernel has done what it must not do."""


class DriverFault(NetError):
    """A function of the driver failed with the error `code`, such as CUDA_ERROR_OUT_OF_MEMORY."""

    def __init__(self, function: str, code: str) -> None:
        self.function, self.code = function, code
        if code in _MEANINGS:
            message, hint = _MEANINGS[code]
        elif code in _WRONG_CODE:
            message = "a kernel failed on the GPU, and this process cannot use the GPU any more"
            hint = "this is a fault of netlang: please report it"
        else:
            message, hint = "the NVIDIA driver reports an error", "`nvidia-smi` may show what is wrong with the GPU"
        super().__init__(Diagnostic(message, notes=(f"{function}: {code}",), hint=hint))


def no_driver() -> NetError:
    """There is no libcuda."""
    found = "no NVIDIA driver is installed (libcuda is missing)"
    return NetError(f"{found}: running for cuda needs one, and a GPU", hint=_ELSEWHERE)


def no_function(function: str) -> NetError:
    """The bindings are for a newer driver."""
    return NetError(
        f"the NVIDIA driver has no function {function}, which the installed cuda-bindings ask it for",
        hint="update the driver (https://www.nvidia.com/drivers), or install cuda-bindings of the CUDA version that "
        "`nvidia-smi` shows",
    )


def old_driver(found: tuple[int, int], needed: tuple[int, int]) -> NetError:
    """The driver is for an older CUDA than the code."""
    has, needs = (".".join(map(str, version)) for version in (found, needed))
    return NetError(
        f"the NVIDIA driver supports CUDA {has}, and code for this GPU needs {needs} or later",
        hint="a newer driver also runs older programs: https://www.nvidia.com/drivers",
    )


def no_such_gpu(index: int, count: int) -> NetError:
    """GPUs are counted from 0."""
    found = "one GPU" if count == 1 else f"{count} GPUs"
    return NetError(f"there is no GPU {index}: the driver finds {found}", hint=f"the last one is GPU {count - 1}")


def no_memory(planned: int, free: int, total: int, name: str) -> NetError:
    """An allocation is larger than what is free."""
    needed, found, all = (f"{bytes / 1e6:,.1f} MB" for bytes in (planned, free, total))
    return NetError(
        f"{needed} of memory are needed on the GPU, and {found} of {all} are free ({name})",
        hint="a smaller batch needs less, and `nvidia-smi` shows who else uses the GPU",
    )


def no_shared_memory(key: str, needed: int, most: int, name: str) -> NetError:
    """A kernel takes more shared memory than a block can have."""
    return NetError(
        f"kernel {key} needs {needed:,} bytes of shared memory, and a block can have {most:,} on this GPU ({name})",
        hint="the code is for another GPU: compile it for this one",
    )
