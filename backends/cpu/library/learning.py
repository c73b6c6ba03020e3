"""What a library has to know of learning, as C: its training steps, schedules, and the weights that they change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

from netlang.backends.cpu.library.tables import ROOM_BEHIND, Param, array, params_of
from netlang.ir.reserved import LOSS
from netlang.placement import align
from netlang.runtime.artifact.checkpoints import COUNTS, RATES, metadata, name_of, tensors
from netlang.runtime.ports import Port, dtype_of
from netlang.runtime.tensor_file import Wanted, header

_KINDS = {"constant": "STEADY", "step": "STEP", "cosine": "COSINE", "warmup": "WARMUP", "plateau": "PLATEAU"}


PROGRESS_BYTES = 40
"""Of a `struct progress`: two counts, three rates."""


class Step(NamedTuple):
    """A training step: the name of its `train` section, and its `struct net`."""

    section: str
    net: str
    outputs: Sequence[str]


class Learned:
    """What is learned, and where it is.

    said      what a manifest says of learning (`netlang.backends.common.learning`); None: nothing is learned
    source    the hash of the text that all was made of
    weights   bytes of weights; what steps keep for themselves and is zero at first comes behind them
    """

    def __init__(self, said: Mapping[str, Any] | None, source: str, weights: int) -> None:
        self._said: Mapping[str, Any] = said or {"seed": 0, "weights": {}, "steps": {}}
        self.bytes = weights
        self._source = source
        self._homes: dict[str, tuple[str, int]] = {}
        """Where what checkpoints hold is, by the names that it has there."""
        self._schedules: list[list[str]] = []

    def params(self, section: str) -> dict[str, Param]:
        """The parameters of a step; to be asked once."""
        step = self._said["steps"][section]
        own = dict(step["private"])
        for name, (dtype, shape, first) in step["private"].items():
            if first is None:
                own[name] = dtype, shape, align(self.bytes)
                self.bytes = align(self.bytes) + prod(shape) * dtype_of(dtype).itemsize + ROOM_BEHIND
        number = list(self._said["steps"]).index(section) * PROGRESS_BYTES
        self._homes |= {name_of(section, name): ("LEARNED", place) for name, (_, _, place) in own.items()}
        self._homes[name_of(section, COUNTS)] = "PROGRESS", number
        self._homes[name_of(section, RATES)] = "PROGRESS", number + 16
        return params_of({**step["params"], **own})

    def written(self, steps: Sequence[Step], net: str, port: Any) -> str:
        """Everything; `net` is noted in files of weights, and `port` writes a `netlang_port` down."""
        rows = [self._step(step) for step in steps]
        text = array("struct schedule", "all_schedules", [f"{{{', '.join(row)}}}" for row in self._schedules])
        text = text.replace("static const struct schedule all_schedules", "const struct schedule schedules")
        text += f"const struct step steps[] = {{{', '.join(rows) or '{0}'}}};\nconst int step_count = {len(rows)};\n"
        text += f"const int64_t learning_seed = {self._said['seed']};\nconst int64_t learned_bytes = {self.bytes};\n"
        return text + self._weights(net, port)

    def _step(self, step: Step) -> str:
        said = self._said["steps"][step.section]
        numbers = (step.outputs.index(LOSS), self._schedule(said["schedule"]), float(said["rate"]).hex())
        return f'{{"{step.section}", {step.net}, {", ".join(map(str, numbers))}}}'

    def _schedule(self, said: Mapping[str, Any]) -> int:
        """Its place among all."""
        args = said["args"]
        row = [_KINDS[said["name"]], str(self._schedule(args["then"]) if "then" in args else -1)]
        epochs = args.get("every", args.get("epochs", 0))
        row += [float(n).hex() for n in (epochs, args.get("factor", 0), args.get("floor", 0), args.get("patience", 0))]
        self._schedules.append(row)
        return len(self._schedules) - 1

    def _weights(self, net: str, port: Any) -> str:
        """Those that are learned, in the order in which a file has them, and files of them and of checkpoints."""
        places = self._said["weights"]
        wanted = {name: Wanted(p[0], tuple(p[1])) for name, p in places.items()}
        head, names = header(wanted, {"net": net})
        ports = [port(Port(n, wanted[n].dtype, wanted[n].shape), f"learned_shape{i}") for i, n in enumerate(names)]
        rows = ", ".join(f"{{{', '.join(map(str, row))}}}" for row in ports)
        text = "".join(array("int64_t", f"learned_shape{i}", places[name][1]) for i, name in enumerate(names))
        text += f"const port learned_ports[] = {{{rows or '{0}'}}};\n"
        text += _file("weights", head, [("LEARNED", places[name][2], _bytes(wanted[name])) for name in names])
        wanted = tensors(self._said)
        head, names = header(wanted, metadata(self._source, self._said["seed"]))
        homes = {name: ("LEARNED", place[2]) for name, place in places.items()} | self._homes
        return text + _file("checkpoint", head, [(*homes[name], _bytes(wanted[name])) for name in names])


def _file(name: str, head: bytes, parts: Sequence[tuple[str, int, int]]) -> str:
    """A `struct file`."""
    text = array("unsigned char", f"{name}_header", head) + array("struct part", f"{name}_part", parts)
    return f"{text}const struct file {name}_content = {{{name}_header, {len(head)}, {len(parts)}, {name}_part}};\n"


def _bytes(tensor: Wanted) -> int:
    return prod(tensor.shape) * dtype_of(tensor.dtype).itemsize
