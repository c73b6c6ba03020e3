"""What tests of the cuda backend need and may miss, each as a mark that skips with its reason."""

from __future__ import annotations

import os
from importlib.util import find_spec

import pytest

SIMULATED = os.environ.get("NUMBA_ENABLE_CUDASIM", "0") not in ("", "0")
"""Whether Numba was told to run its simulator instead of compiling: it decides that once, when it is imported."""

compiler = pytest.mark.skipif(
    SIMULATED or find_spec("numba_cuda") is None,
    reason="numba runs its simulator" if SIMULATED else "numba-cuda is not installed",
)
