"""The cuda backend: kernels in Numba's CUDA language over raw addresses, for NVIDIA GPUs.

A kernel (`kernel`) is Python source text that is translated to LLVM IR (`language`), from which numba-cuda's NVVM makes
PTX and ptxas, for an architecture, a cubin (`toolchain`), which takes numba-cuda but neither a GPU nor a driver.
"""

from netlang.backends.cuda.backend import Cuda

__all__ = ["Cuda"]
