"""Which devices code runs on where nobody names any: the simulator where Numba is to simulate, else the GPUs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from netlang.backends.cuda.device import Device

SWITCH = "NUMBA_ENABLE_CUDASIM"
"""Numba's own variable for its simulator, in whose stead this backend has one that is faster and checks more."""


def is_simulated() -> bool:
    """Whether kernels are carried out by the simulator in this process."""
    return os.environ.get(SWITCH, "0") not in ("", "0")


def default_device() -> Device:
    """The device of this process. Raises NetError where there is no GPU that can run code."""
    found: Device = _kind().default_device()
    return found


def further_devices() -> Sequence[Device]:
    """The devices of this process besides that one. Raises NetError where one of them cannot run code."""
    found: Sequence[Device] = _kind().further_devices()
    return found


def _kind() -> Any:
    return import_module(f"netlang.backends.cuda.{'simulator.device' if is_simulated() else 'driver'}")
