"""What a library has to know of learning, as C: its training steps, schedules, and the weights that they change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

from netlang.backends.cpu.library.tables import ROOM_BEHIND, Param, array, params_of
from netlang.ir.reserved import LOSS
from netlang.placement import align
from netlang.runtime.ports import Port, dtype_of
from netlang.runtime.tensor_file import Wanted, header

_KINDS = {"constant": "STEADY", "step": "STEP", "cosine": "COSINE", "warmup": "WARMUP", "plateau": "PLATEAU"}


class Step(NamedTuple):
    """A training step: the name of its `train` section, and its `struct net`."""

    section: str
    net: str
    outputs: Sequence[str]


class Learned:
    """`said` is what a manifest says of learning (`netlang.backends.common.learning`), None where a library does not
    learn; `weights` how many bytes of weights there are. What steps keep for themselves and is zero at first comes
    behind them."""

    def __init__(self, said: Mapping[str, Any] | None, weights: int) -> None:
        self._said: Mapping[str, Any] = said or {"seed": 0, "weights": {}, "steps": {}}
        self.bytes = weights
        self._schedules: list[list[str]] = []

    def params(self, section: str) -> dict[str, Param]:
        """The parameters of a step; to be asked once."""
        step = self._said["steps"][section]
        own = dict(step["private"])
        for name, (dtype, shape, first) in step["private"].items():
            if first is None:
                own[name] = dtype, shape, align(self.bytes)
                self.bytes = align(self.bytes) + prod(shape) * dtype_of(dtype).itemsize + ROOM_BEHIND
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
        """Those that are learned, in the order in which a file has them, and its header."""
        places = self._said["weights"]
        head, names = header({name: Wanted(p[0], tuple(p[1])) for name, p in places.items()}, {"net": net})
        text, ports, rows = "", [], []
        for i, name in enumerate(names):
            dtype, shape, first = places[name]
            text += array("int64_t", f"learned_shape{i}", shape)
            ports.append(f"{{{', '.join(map(str, port(Port(name, dtype, tuple(shape)), f'learned_shape{i}')))}}}")
            rows.append(f"{{{first}, {prod(shape) * dtype_of(dtype).itemsize}}}")
        text += f"const port learned_ports[] = {{{', '.join(ports) or '{0}'}}};\n"
        text += f"const struct weight learned[] = {{{', '.join(rows) or '{0}'}}};\n"
        text += f"const int learned_count = {len(rows)};\n"
        text += f"const unsigned char weights_header[] = {{{','.join(map(str, head))}}};\n"
        return text + f"const int64_t weights_header_bytes = {len(head)};\n"
