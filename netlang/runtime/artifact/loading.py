"""`netlang.load`: a compiled network from a file, without a compiler. Needs the standard library and NumPy."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

from netlang.diagnostics import NetError
from netlang.runtime.artifact.container import Artifact, open_artifact
from netlang.runtime.artifact.damage import damage_told

RUNNERS = {
    "cpu": "netlang.backends.cpu.artifact.model:loaded",
    "cuda": "netlang.backends.cuda.loaded:loaded",
}
"""What makes a net of a file, by the target it was compiled for; imported when it is asked for."""


def load(
    path: str | os.PathLike[str], net: str | None = None, *, threads: int | None = None, level: str | None = None
) -> Any:
    """Open a file that `netc compile -o model.netc` has written, and return its net, which is called like a model.

    net      which of its nets; the one that was compiled for if not given
    threads  of compiled code; None means as many as the process may use
    level    the kind of processor whose code is taken; None means the best that this machine can run

    Raises NetError for a file that is not whole, comes from a newer version, or has no code for this machine.
    """
    if threads is not None and (isinstance(threads, bool) or not isinstance(threads, int) or threads < 1):
        raise NetError(f"'threads' is a whole number from 1 on, not {threads!r}")
    return net_of(open_artifact(path), net, threads, level)


def net_of(artifact: Artifact, net: str | None, threads: int | None, level: str | None) -> Any:
    """A net of an open file."""
    with damage_told(artifact):
        return runner_of(artifact)(artifact, net, threads, level)


def runner_of(artifact: Artifact) -> Any:
    """What makes its nets. Raises NetError for a target that this version does not know."""
    target = artifact.content.get("target")
    if target not in RUNNERS:
        raise NetError(f"{artifact.path} was compiled for {target!r}, which cannot be run from a file")
    module, _, name = RUNNERS[target].partition(":")
    return getattr(import_module(module), name)
