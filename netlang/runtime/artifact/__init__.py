"""Compiled networks as single files: `container` is the file, whatever is in it; it needs no compiler.

    write_artifact("model.netc", {"target": "cuda", "entries": [...]}, {"cuda/sm_90/conv": cubin, "cuda/ptx/conv": ptx})

    artifact = open_artifact("model.netc")
    artifact.content["target"]               what was written, as JSON gives it back
    artifact.member("cuda/sm_90/conv")       a read-only memoryview of the mapped file, checked when first asked for

Who stores something in it says what it is in `content` (JSON: texts, whole numbers, truths, lists, objects with texts
as keys) and puts bytes into members, whose names are paths: `weights/...`, `code/<level>`, `cuda/<arch>/<kernel>`. A
member begins at a multiple of 4096 bytes, so it can be mapped by itself, and has a SHA-256 of its own. The same content
and members give the same bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netlang.runtime.artifact.container import ALIGNMENT, FORMAT, Artifact, open_artifact

if TYPE_CHECKING:
    from netlang.runtime.artifact.writing import write_artifact as write_artifact

__all__ = ["ALIGNMENT", "FORMAT", "Artifact", "open_artifact", "write_artifact"]


def __getattr__(name: str) -> Any:
    """Writing is imported when it is first named: a program that loads a file does not wait for it."""
    if name != "write_artifact":
        raise AttributeError(f"module 'netlang.runtime.artifact' has no attribute '{name}'")
    from netlang.runtime.artifact.writing import write_artifact

    return write_artifact
