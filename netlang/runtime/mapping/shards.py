"""Weights in several safetensors files, with an index of which tensor is where: `model.safetensors.index.json`.

{"metadata": {...}, "weight_map": {"encoder.weight": "model-00001-of-00002.safetensors", ...}}
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from netlang.diagnostics import NetError
from netlang.runtime.tensor_file import TensorFile, open_tensors

LARGEST_INDEX = 64 << 20


def open_shards(path: str | os.PathLike[str]) -> dict[str, TensorFile]:
    """The file that each tensor is in. Raises NetError where the index names files outside of its folder, or tensors
    that are not where it says."""
    place = Path(path)
    try:
        with place.open("rb") as file:
            text = file.read(LARGEST_INDEX + 1)
        if len(text) > LARGEST_INDEX:
            raise ValueError(f"it has more than {LARGEST_INDEX:,} bytes")
        listed = dict(json.loads(text)["weight_map"])
    except OSError as fault:
        raise NetError(f"cannot read weights {path}: {fault.strerror or fault}") from fault
    except (ValueError, TypeError, LookupError, RecursionError) as fault:
        raise NetError(f"{path} is no index of safetensors files: {fault}") from fault
    for name in listed.values():
        if not isinstance(name, str) or Path(name).name != name or name in ("", ".", ".."):
            raise NetError(f"{path} names a file that is not in its folder: {str(name)[:200]!r}")
    shards = {name: open_tensors(place.parent / name) for name in sorted(set(listed.values()))}
    for tensor, name in listed.items():
        if tensor not in shards[name].tensors:
            raise NetError(f"{path} says that '{tensor[:200]}' is in {name}, and it is not")
    return {tensor: shards[name] for tensor, name in listed.items()}
