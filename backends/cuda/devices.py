"""Which device code runs on where nobody names one: the simulator where Numba is to simulate, else the first GPU."""

from __future__ import annotations

import os
from importlib import import_module

from netlang.backends.cuda.device import Device

SWITCH = "NUMBA_ENABLE_CUDASIM"
"""Numba's own variable for its simulator, in whose stead this backend has one that is faster and checks more."""


def is_simulated() -> bool:
    """Whether kernels are carried out by the simulator in this process."""
    return os.environ.get(SWITCH, "0") not in ("", "0")


def default_device() -> Device:
    """The device of this process. Raises NetError where there is no GPU that can run code."""
    module = "simulator.device" if is_simulated() else "driver"
    found: Device = import_module(f"netlang.backends.cuda.{module}").default_device()
    return found
