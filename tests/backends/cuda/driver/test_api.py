"""The driver's functions as they are bound, and a machine without a driver."""

from __future__ import annotations

from enum import IntEnum
from types import SimpleNamespace

import pytest

from netlang import NetError
from netlang.backends.cuda import driver, versions
from netlang.backends.cuda.driver.api import Driver
from netlang.backends.cuda.driver.faults import DriverFault


class Status(IntEnum):
    CUDA_SUCCESS = 0
    CUDA_ERROR_NO_DEVICE = 100


def bound(**functions: object) -> Driver:
    """A driver with these functions."""
    made = Driver.__new__(Driver)
    made._functions = SimpleNamespace(**functions)
    return made


def test_a_function_returns_what_comes_after_its_status() -> None:
    api = bound(
        nothing=lambda: (Status.CUDA_SUCCESS,),
        one=lambda a: (Status.CUDA_SUCCESS, a + 1),
        two=lambda: (Status.CUDA_SUCCESS, 3, 4),
        Flags=SimpleNamespace(SOME=7),
    )
    assert api.call("nothing") is None
    assert api.call("one", 1) == 2
    assert api.call("two") == (3, 4)
    assert api.constant("Flags", "SOME") == 7


def test_a_status_that_is_an_error_is_raised() -> None:
    api = bound(count=lambda: (Status.CUDA_ERROR_NO_DEVICE, 0))
    with pytest.raises(DriverFault, match="the NVIDIA driver finds no GPU") as found:
        api.call("count")
    assert found.value.code == "CUDA_ERROR_NO_DEVICE" and found.value.function == "count"


def test_a_function_that_the_driver_does_not_have_yet() -> None:
    def missing() -> None:
        raise RuntimeError('Function "cuLater" not found')

    with pytest.raises(NetError, match=r"has no function cuLater(?s:.*)update the driver"):
        bound(cuLater=missing).call("cuLater")


def test_a_machine_without_a_driver_or_a_gpu_is_told_so() -> None:
    """Where there is a GPU it is found instead."""
    pytest.importorskip("cuda.bindings")
    try:
        assert driver.default_device() is driver.device(0)
    except NetError as fault:
        assert "driver" in str(fault) and "hint:" in str(fault)


def test_without_the_bindings_there_is_a_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "is_module", lambda name: False)
    with pytest.raises(NetError, match=r"needs cuda-bindings(?s:.*)pip install netlang\[cuda\]"):
        Driver()
