"""Checkpoints: weights, optimiser state and the exact place in the run, in one safetensors file.

The header's `netlang` entry is a JSON record: `identity` says which run it is, `progress` where it stands.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from netlang.diagnostics import NetError
from netlang.ir.graph import Value
from netlang.runtime import weights
from netlang.runtime.parameters import Store
from netlang.runtime.tensor_file import CHECKPOINT_ENTRY as ENTRY

FORMAT = 2

Record = dict[str, Any]
T = TypeVar("T")

_DAMAGE = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)
"""What reading a record raises that is not what `save` wrote."""

_REFUSALS = {
    "source": "the .net file is not the one that the checkpoint was made with",
    "data": "the training data is not the data that the checkpoint was made with",
    "seed": "the seed is not the one that the checkpoint was made with",
    "batch": "the batch size is not the one that the checkpoint was made with",
    "phase": "the train section is not the one that the checkpoint was made in",
    "target": "the target is not the one that the checkpoint was made with",
}


def save(path: str | os.PathLike[str], store: Store, identity: Mapping[str, Any], progress: Record) -> None:
    """Write a checkpoint atomically. Raises NetError where the file system refuses."""
    record = {"format": FORMAT, "identity": dict(identity), "progress": progress}
    weights.save(path, store, {ENTRY: json.dumps(record)})


def load(
    path: str | os.PathLike[str],
    params: Mapping[str, Value],
    store: Store,
    identity: Mapping[str, Any],
    parse: Callable[[Record], T],
) -> T:
    """Read a checkpoint into `store` and return its progress as `parse` makes sense of it.

    Raises NetError, and changes nothing, for a damaged file and for a run whose source, data or settings differ.
    """
    record = _record(path)
    for key, value in identity.items():
        found = record["identity"].get(key)
        if found != value:
            shown = f" ({found} there, {value} now)" if key in ("seed", "batch", "target", "phase") else ""
            hint = "start a new run without --resume, or in another --out folder"
            raise NetError(f"cannot resume from {path}: {_REFUSALS[key]}{shown}", hint=hint)
    try:
        progress = parse(record["progress"])
    except _DAMAGE as fault:
        raise _damaged(path, fault) from fault
    weights.load(path, params, store)
    return progress


def phase_of(path: str | os.PathLike[str]) -> str:
    """The name of the `train` section that a checkpoint was made in. Raises NetError for a damaged file."""
    found = _record(path)["identity"].get("phase")
    if not isinstance(found, str):
        raise _damaged(path, TypeError("the phase is a name"))
    return found


def _record(path: str | os.PathLike[str]) -> Record:
    text = weights.metadata(path).get(ENTRY)
    if text is None:
        raise NetError(f"{path} holds weights but is not a checkpoint: it does not say where its run stood")
    try:
        record = json.loads(text)
        if record["format"] != FORMAT:
            raise NetError(f"{path} is a checkpoint of format {record['format']}, this version reads {FORMAT}")
        if not (isinstance(record["identity"], dict) and isinstance(record["progress"], dict)):
            raise TypeError("identity and progress are records")
    except _DAMAGE as fault:
        raise _damaged(path, fault) from fault
    return dict(record)


def _damaged(path: str | os.PathLike[str], fault: Exception) -> NetError:
    reason = f"it lacks {fault}" if isinstance(fault, KeyError) else str(fault)
    return NetError(f"the header of checkpoint {path} is damaged: {reason}")
