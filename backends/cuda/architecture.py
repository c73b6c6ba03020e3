"""GPU architectures: their names, what code for one runs on, and the PTX dialect that is written for each.

An architecture is named by its compute capability without the dot, `80` or `90a`. Code that uses what only that very
GPU has (wgmma on Hopper) has the `a`: it runs nowhere else, and its PTX is compiled for nothing later.
"""

from __future__ import annotations

import re

from netlang.diagnostics import NetError, did_you_mean

Capability = tuple[int, int]
"""A GPU's compute capability: (9, 0) for an H100."""

OLDEST: Capability = (7, 5)
"""Turing. Older GPUs have no code: CUDA 13 dropped them."""

PTX_VERSIONS = {
    "75": "8.0",
    "80": "8.0",
    "86": "8.0",
    "89": "8.0",
    "90": "8.0",
    "90a": "8.0",
    "100": "8.6",
    "103": "8.8",
    "120": "8.7",
}
"""Architectures that code is generated for, and the PTX version that it is written in.

It is lower than the newest that the compiler knows, because a driver refuses PTX that is newer than itself: with 8.0
any driver for CUDA 12 will do. ptxas holds the text to it, instruction by instruction (PTX ISA, Release Notes).
"""

CUDA_OF_PTX = {"8.0": (12, 0), "8.6": (12, 7), "8.7": (12, 8), "8.8": (12, 9)}
"""The CUDA version whose driver is the first to take a PTX version."""

USUAL = ("75", "80", "86", "89", "90a", "100", "120")
"""Machine code is written for these where nobody names architectures; PTX serves whatever comes later."""

PORTABLE = "75"
"""PTX of this architecture runs on every GPU."""


def named(text: str) -> str:
    """`sm_90a`, `90a` or `9.0a` as the name of an architecture. Raises NetError for one that there is no code for."""
    found = re.fullmatch(r"(?:sm_|compute_)?(\d+)\.?(\d)(a?)", text.strip().lower())
    name = "".join(found.groups()) if found else ""
    if name not in PTX_VERSIONS:
        known = [f"sm_{n}" for n in PTX_VERSIONS]
        hint = did_you_mean(text, known) or f"architectures are {', '.join(known)}"
        raise NetError(f"there is no code for an architecture '{text}'", hint=hint)
    return name


def capability(name: str) -> Capability:
    """The compute capability that an architecture is named after."""
    digits = name.rstrip("a")
    return int(digits[:-1]), int(digits[-1])


def is_specific(name: str) -> bool:
    """Whether code for an architecture runs on no other."""
    return name.endswith("a")


def machine_code_runs(name: str, on: Capability) -> bool:
    """Whether a GPU runs machine code of an architecture: of its own generation, no newer than itself."""
    own = capability(name)
    return own == on if is_specific(name) else own[0] == on[0] and own[1] <= on[1]


def ptx_runs(name: str, on: Capability) -> bool:
    """Whether a GPU's driver can compile PTX of an architecture for it."""
    own = capability(name)
    return own == on if is_specific(name) else own <= on


def best_for(on: Capability) -> str:
    """The architecture to generate code for when it is to run on this GPU alone. Raises NetError for too old a GPU."""
    if on < OLDEST:
        found, least = ".".join(map(str, on)), ".".join(map(str, OLDEST))
        raise NetError(
            f"this GPU has compute capability {found}, and code needs {least} or later",
            hint="GPUs from 2018 on (Turing: GeForce RTX 20, T4) have it; --target cpu runs anywhere",
        )
    exact = [name for name in PTX_VERSIONS if machine_code_runs(name, on)]
    usable = exact or [name for name in PTX_VERSIONS if ptx_runs(name, on)]
    return max(usable, key=lambda name: (capability(name), is_specific(name)))
