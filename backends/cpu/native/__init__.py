"""Kernels and the walker written as Numba functions. Imported only when something has to be compiled: needs Numba."""
