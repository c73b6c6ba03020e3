"""Kernels of one GPU: their machine code, loaded once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from netlang.backends.cuda import toolchain
from netlang.backends.cuda.architecture import CUDA_OF_PTX, PTX_VERSIONS, best_for
from netlang.backends.cuda.build import build
from netlang.backends.cuda.driver.api import Api
from netlang.backends.cuda.driver.faults import DriverFault, no_shared_memory, old_driver
from netlang.backends.cuda.driver.properties import Properties
from netlang.backends.cuda.kernel import Kernel

USUAL_SHARED = 48 << 10
"""Bytes of dynamic shared memory that a kernel may take without being allowed more."""
_NOT_FOR_THIS_GPU = ("CUDA_ERROR_INVALID_IMAGE", "CUDA_ERROR_NO_BINARY_FOR_GPU", "CUDA_ERROR_UNSUPPORTED_PTX_VERSION")
"""What a driver says of machine code of another architecture, or of a newer toolkit than it knows."""


class Code:
    """Functions of the driver by kernel. Modules stay loaded: executables share kernels."""

    def __init__(self, api: Api, properties: Properties) -> None:
        """Raises NetError for a GPU that is too old."""
        self._api, self._properties = api, properties
        self.arch = best_for(properties.capability)
        self._functions: dict[Kernel, Any] = {}

    def load(self, kernels: Iterable[Kernel]) -> None:
        """Compile what is missing, and load what is not loaded yet. The GPU must be current.

        Raises NetError where the driver is too old for a kernel, or the GPU has not enough shared memory.
        """
        new = [kernel for kernel in dict.fromkeys(kernels) if kernel not in self._functions]
        most = self._properties.shared
        for kernel in new:
            if kernel.shared > most:
                raise no_shared_memory(kernel.key, kernel.shared, most, self._properties.name)
        for kernel, cubin in build(new, self.arch).items():
            self._functions[kernel] = self._function(kernel, cubin)

    def function(self, kernel: Kernel) -> Any:
        """The driver's function of a kernel that was loaded."""
        return self._functions[kernel]

    def _function(self, kernel: Kernel, cubin: toolchain.Cubin) -> Any:
        function = self._api.call("cuModuleGetFunction", self._module(kernel, cubin), cubin.entry.encode("ascii"))
        if kernel.shared > USUAL_SHARED:
            name = "CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES"
            attribute = self._api.constant("CUfunction_attribute", name)
            self._api.call("cuFuncSetAttribute", function, attribute, kernel.shared)
        return function

    def _module(self, kernel: Kernel, cubin: toolchain.Cubin) -> Any:
        """Machine code where the driver takes it, else PTX, which the driver compiles itself."""
        try:
            return self._api.call("cuModuleLoadData", cubin.code)
        except DriverFault as fault:
            if fault.code not in _NOT_FOR_THIS_GPU:
                raise
        code = toolchain.ptx(kernel, toolchain.written_for(kernel, self.arch))
        try:
            return self._api.call("cuModuleLoadData", code.text.encode("ascii") + b"\0")
        except DriverFault as fault:
            if fault.code not in _NOT_FOR_THIS_GPU:
                raise
            raise old_driver(self._properties.cuda, CUDA_OF_PTX[PTX_VERSIONS[code.arch]]) from fault
