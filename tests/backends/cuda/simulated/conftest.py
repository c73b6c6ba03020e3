"""Here the backend's own device is the simulator, whether or not Numba was told to simulate."""

from __future__ import annotations

import pytest

from netlang.backends.cuda.tiles import gemm
from tests.backends.cuda.simulated import plain_products as plain


@pytest.fixture(autouse=True)
def simulated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not by Numba's variable: what it says when Numba is first imported holds for all that the process compiles."""
    monkeypatch.setattr("netlang.backends.cuda.devices.is_simulated", lambda: True)


@pytest.fixture
def plain_products(monkeypatch: pytest.MonkeyPatch) -> None:
    """Products of matrices, which are tested by themselves, take no time here."""
    monkeypatch.setattr(gemm, "source", plain.source)
