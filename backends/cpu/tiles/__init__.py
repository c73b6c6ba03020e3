"""Register tiles: LLVM vector IR whose accumulators live in registers, as intrinsics for Numba functions to call."""
