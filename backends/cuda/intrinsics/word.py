"""A word of the vocabulary that kernels are written in: one name with two meanings.

On a GPU a word is LLVM IR or PTX (`emit`), which `language` puts where it is called. In the simulator it is plain
Python (`meaning`), of one of these scopes:

    pure     a function of its arguments
    bound    called once per launch with its `Machine`; returns the function of the arguments
    warp     all 32 threads of a warp take part: (machine, [arguments of lane 0, of lane 1, ...]) -> their results
    group    the same for the 128 threads of a warp group
    block    the same for all threads of a block that have not returned

Types are written as in the IR, with a count where there are several: `f32`, `u32x4` (a tuple in Python), `none`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Scope = Literal["pure", "bound", "warp", "group", "block"]
GROUP_SIZES: dict[Scope, int] = {"warp": 32, "group": 128}
"""Threads that meet at a collective word; at one of scope `block` all do."""

_ARCHITECTURE = re.compile(r"(\d+)(a?)")


@dataclass(frozen=True)
class Word:
    """One name of the vocabulary.

    signature   "result(parameter, parameter)"; numbers are converted to these types as Numba does, wrapping
    emit        (Emission, LLVM values) -> LLVM value of the result
    meaning     what the simulator calls: see above
    since       the least architecture that has the instruction: "75", "80", ...; "90a" is that one alone
    """

    name: str
    signature: str
    emit: Callable[..., Any]
    meaning: Callable[..., Any]
    scope: Scope = "pure"
    since: str = "75"

    @property
    def result(self) -> str:
        """The type of the result, `none` for statements."""
        return self.signature.split("(")[0]

    @property
    def parameters(self) -> tuple[str, ...]:
        """The types of the parameters."""
        inner = self.signature.split("(")[1].rstrip(")")
        return tuple(part.strip() for part in inner.split(",")) if inner else ()

    @property
    def collective(self) -> bool:
        """Whether several threads have to call it together."""
        return self.scope in ("warp", "group", "block")

    def runs_on(self, architecture: str) -> bool:
        """Whether GPUs of this architecture ("75", "90a", ...) have it."""
        if self.since.endswith("a"):
            return architecture == self.since
        return generation(architecture) >= generation(self.since)


def generation(architecture: str) -> int:
    """The number of an architecture: 90 for "90" and "90a"."""
    found = _ARCHITECTURE.fullmatch(architecture)
    if found is None:
        raise ValueError(f"'{architecture}' is no architecture: expected a text such as 75, 80, 90 or 90a")
    return int(found.group(1))


def element_and_count(type: str) -> tuple[str, int]:
    """("f32", 4) of "f32x4", ("f32", 1) of "f32"."""
    element, _, count = type.partition("x")
    return element, int(count or 1)
