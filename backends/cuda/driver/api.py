"""Calls of the NVIDIA driver: each by its name, and each fault as a NetError. Tests put a recording in its place."""

from __future__ import annotations

from typing import Any, Protocol

from netlang.backends.cuda import versions
from netlang.backends.cuda.driver.faults import DriverFault, no_driver, no_function
from netlang.diagnostics import NetError


class Api(Protocol):
    """The functions of the driver, by their names in its documentation."""

    def call(self, function: str, *arguments: Any) -> Any:
        """What a function returns besides its status: nothing, a value, or a tuple of several.

        Raises DriverFault where the status is an error.
        """
        ...

    def constant(self, enumeration: str, name: str) -> Any:
        """A number of one of the driver's enumerations."""
        ...


class Driver:
    """The driver of this machine."""

    def __init__(self) -> None:
        """Raises NetError where there are no bindings of the driver, or no driver."""
        if not versions.is_module("cuda.bindings"):
            raise NetError("running for cuda needs cuda-bindings, which is not installed", hint=versions.HINT)
        import cuda.bindings.driver

        self._functions: Any = cuda.bindings.driver
        try:
            self._functions.cuInit(0)
        except RuntimeError as fault:  # libcuda is looked for at the first call
            raise no_driver() from fault
        self.call("cuInit", 0)

    def call(self, function: str, *arguments: Any) -> Any:
        try:
            status, *values = getattr(self._functions, function)(*arguments)
        except RuntimeError as fault:  # functions are looked for when they are first called
            raise no_function(function) from fault
        if int(status) != 0:
            raise DriverFault(function, str(status.name))
        if not values:
            return None
        return values[0] if len(values) == 1 else tuple(values)

    def constant(self, enumeration: str, name: str) -> Any:
        return getattr(getattr(self._functions, enumeration), name)
