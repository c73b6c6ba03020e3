"""What a simulated kernel may do wrong."""

from __future__ import annotations


class SimulationError(Exception):
    """A kernel did what it must not; the text says where: kernel, block, thread, line of the source."""


class AccessError(Exception):
    """An access outside of every allocation, or misaligned. The launch adds where it happened."""
