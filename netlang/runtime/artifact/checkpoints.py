"""What a checkpoint of learning from a file holds: the same in Python and in C, so that each goes on from the other's.

It is a safetensors file of the weights under the names that weights files give them, of what each step keeps for itself
and of where each step stands, under the names that these have there, after the name of the `train` section and a colon
where it has one:

    $progress.counts   i64[2]: steps taken, epochs without improvement
    $progress.rates    f64[3]: epochs, what plateaus have made of the learning rate (a factor), the best loss so far

The header's `netlang` entry is a JSON record that says of which file it is. All checkpoints of a file have one header.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from netlang.runtime.tensor_file import CHECKPOINT_ENTRY, Wanted

FORMAT = "file 2"
"""Not that of `netc train`, whose checkpoints say which data a run stands in."""
COUNTS, RATES = "$progress.counts", "$progress.rates"


def name_of(section: str, name: str) -> str:
    """What a checkpoint calls something that the step of a `train` section has."""
    return f"{section}:{name}" if section else name


def tensors(learning: Mapping[str, Any]) -> dict[str, Wanted]:
    """Everything in it; `learning` is what the manifest says (`netlang.backends.common.learning`)."""
    found = {name: _wanted(place) for name, place in learning["weights"].items()}
    for section, said in learning["steps"].items():
        found.update({name_of(section, name): _wanted(place) for name, place in said["private"].items()})
        found[name_of(section, COUNTS)] = Wanted("i64", (2,))
        found[name_of(section, RATES)] = Wanted("f64", (3,))
    return found


def metadata(source: str, seed: int) -> dict[str, str]:
    """The text entries of its header; `source` is the hash of the `.net` text."""
    identity = {"source": source, "seed": seed}
    return {CHECKPOINT_ENTRY: json.dumps({"format": FORMAT, "identity": identity}, sort_keys=True)}


def _wanted(place: Any) -> Wanted:
    dtype, shape, *_ = place
    return Wanted(dtype, tuple(shape))
