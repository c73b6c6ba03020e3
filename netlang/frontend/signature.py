"""Parameters of functions and how arguments find them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from netlang.diagnostics import did_you_mean
from netlang.frontend.faults import Fault


@dataclass(frozen=True)
class Signature:
    """Parameter names in order, each with whether it may be left out; `defaults` where the values are known here."""

    name: str
    parameters: tuple[tuple[str, bool], ...]
    defaults: tuple[tuple[str, Any], ...] = ()

    @staticmethod
    def of(name: str, *required: str, **optional: Any) -> Signature:
        """Required parameters, then optional ones with their defaults."""
        parameters = (*((r, False) for r in required), *((o, True) for o in optional))
        return Signature(name, parameters, tuple(optional.items()))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.parameters)

    def bind(self, positional: Sequence[Any], keyword: Mapping[str, Any]) -> dict[str, Any]:
        """Arguments by parameter name, defaults that are known filled in. Raises Fault where they do not fit."""
        names = self.names
        if len(positional) > len(names):
            raise Fault(f"{self.name} takes {_count(len(names))}, got {len(positional)}", hint=self.usage())
        bound = dict(zip(names, positional, strict=False))
        for name, value in keyword.items():
            self.check_keyword(name)
            if name in bound:
                raise Fault(f"{self.name} gets '{name}' twice")
            bound[name] = value
        for name, optional in self.parameters:
            if name not in bound and not optional:
                raise Fault(f"{self.name} needs '{name}'", hint=self.usage())
        return {**{k: v for k, v in self.defaults if k not in bound}, **bound}

    def check_keyword(self, name: str) -> None:
        """Raise Fault for the name of no parameter."""
        if name not in self.names:
            hint = did_you_mean(name, self.names) or self.usage()
            raise Fault(f"{self.name} has no parameter '{name}'", hint=hint)

    def usage(self) -> str:
        """`conv(x, channels, kernel, stride = ...)`, as a hint."""
        shown = ", ".join(f"{n} = ..." if optional else n for n, optional in self.parameters)
        return f"it is {self.name}({shown})"


def _count(number: int) -> str:
    return {0: "no arguments", 1: "1 argument"}.get(number, f"{number} arguments")
