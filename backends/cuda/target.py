"""The GPU that code is chosen for: what lowerings may ask about it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CudaTarget:
    """arch: compute capability as two or three digits, with `a` for the instructions of one architecture alone (`90a`).

    multiprocessors, shared_bytes (of a block at most) and memory_bandwidth (bytes a second) are for models of costs.
    small: blocks and tiles as small as they can be, for a simulator in which each thread is slow
    """

    arch: str
    multiprocessors: int = 108
    shared_bytes: int = 99 * 1024
    memory_bandwidth: float = 1.5e12
    small: bool = False

    @property
    def capability(self) -> int:
        """As a number: 75, 80, 90, 100."""
        return int(self.arch.rstrip("af"))

    @property
    def has_async_copies(self) -> bool:
        """cp.async, and tensor cores for tf32 and bf16."""
        return self.capability >= 80

    @property
    def has_warp_groups(self) -> bool:
        """wgmma, the products of four warps together."""
        return self.arch == "90a"
