"""netc profile: where the time of a call goes, layer by layer, as a table and as a picture."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median

from netlang.backends.base import Array, Executable, Profiled, StepTime
from netlang.cli.arguments import (
    Verbs,
    add_memory,
    add_net,
    add_options,
    add_sizes,
    add_target,
    backend_of,
    module_of,
    positive,
    sizes_of,
    sizes_text,
    verb,
)
from netlang.cli.graphs import train_section
from netlang.cli.output import bar, bytes_text, table
from netlang.diagnostics import NetError
from netlang.driver import Budget, Code, choose
from netlang.ir import dims
from netlang.ir.gradient import ORIGIN as GRADIENT
from netlang.ir.graph import Graph, Node
from netlang.ir.work import multiply_adds
from netlang.passes import inference_pipeline, training_pipeline
from netlang.passes.optimizer import ORIGIN as OPTIMIZER
from netlang.passes.optimizer import training_step
from netlang.passes.repeat import ORIGIN as RECOMPUTE
from netlang.runtime.samples import initial_params, random_inputs

_COLUMNS = ("layer", "line", "kernel", "time", "share", "GF/s", "of peak", "bytes", "GB/s")
_BAR = 40
_SECONDS = 2.0
"""About how long the calls that are timed may take, in all."""
_HEAVY = ("conv", "conv_data_grad", "conv_weight_grad", "matmul")


def add_verbs(verbs: Verbs) -> None:
    new = verb(verbs, "profile", profile, "time every layer: rate, bandwidth, the kernel that carries it out")
    add_sizes(new, "1, or the train section's with --train")
    new.add_argument("--train", action="store_true", help="a training step instead of inference")
    new.add_argument("--calls", type=positive, metavar="N", help="calls to take the median of (default: for 2 s)")
    new.add_argument("--json", action="store_true", help="print JSON instead of a table and a picture")
    add_net(new)
    add_memory(new)
    add_target(new)
    add_options(new)


@dataclass
class Layer:
    """One layer: `seconds` is the sum of its steps' medians, `flops` twice its multiply-adds, `bytes` what it moves."""

    name: str
    phase: str
    line: str
    kernels: list[str]
    seconds: float = 0.0
    flops: int = 0
    bytes: int = 0

    @property
    def kernel(self) -> str:
        return ", ".join(self.kernels)


@dataclass(frozen=True)
class Profile:
    """A net's layers in the order in which they run. `call` are the seconds of a whole call, the interpreter's part
    included; `peak` is in FLOP/s; `parameters` and `memory` (packed weights, and what calls work in) are in bytes."""

    net: str
    sizes: Mapping[str, int]
    threads: int
    calls: int
    call: float
    peak: float
    parameters: int
    memory: int
    layers: Sequence[Layer]

    @property
    def inside(self) -> float:
        return sum(layer.seconds for layer in self.layers)


def profile(args: argparse.Namespace) -> None:
    module, backend = module_of(args), backend_of(args)
    if args.train:
        spec = train_section(module)
        graph, pipeline, batch = training_step(spec), training_pipeline(), spec.batch
    else:
        graph, pipeline, batch = choose(module, args.net), inference_pipeline(), 1
    if args.memory is not None and not args.train:
        raise NetError("--memory is for training steps", hint="add --train")
    sizes = sizes_of(args, graph, args.batch or batch)
    budget = None if args.memory is None else Budget(args.memory, sizes)
    executable = Code(graph, pipeline, backend, args.threads, budget).executable
    if not isinstance(executable, Profiled):
        raise NetError(f"target '{backend.name}' cannot time single steps", hint="profile the target cpu")
    found = measure(graph, executable, sizes, args.calls)
    if args.json:
        print(json.dumps(asdict(found) | {"inside": found.inside}, indent=2))
    else:
        show(found)


def measure(graph: Graph, executable: Executable, sizes: Mapping[str, int], calls: int | None = None) -> Profile:
    """Profile a compiled graph on random inputs and initial parameters. `graph` is what it was before the passes."""
    assert isinstance(executable, Profiled)
    inputs = random_inputs(graph, sizes)
    params = initial_params(graph)
    executable.run(inputs, params)
    first = _timed_call(executable, inputs, params)
    calls = calls or int(min(200, max(5, _SECONDS / 2 / first)))
    whole = median(_timed_call(executable, inputs, params) for _ in range(calls))
    times = executable.profile(inputs, params, calls)
    return Profile(
        graph.name,
        sizes,
        executable.threads,
        calls,
        whole,
        executable.peak(),
        sum(array.nbytes for array in params.values()),
        executable.planned_bytes(sizes),
        layers(times, sizes),
    )


def layers(times: Sequence[StepTime], sizes: Mapping[str, int]) -> list[Layer]:
    """The steps of each layer together, in the order in which layers begin."""
    found: dict[tuple[str, str, str], Layer] = {}
    counted: set[Node] = set()
    for step in times:
        node = step.node
        phase = _phase(node)
        name = node.name.rpartition(".")[0] or node.name if phase == "update" else node.name
        line = f"{node.spans[0].source.name}:{node.spans[0].line}" if node.spans else ""
        layer = found.setdefault((name, phase, line), Layer(name or f"({node.op})", phase, line, []))
        layer.seconds += median(step.seconds)
        layer.bytes += step.bytes
        kernel = step.kernel if step.count == 1 else f"{step.count} x {step.kernel}"
        if kernel not in layer.kernels:
            layer.kernels.append(kernel)
        if node not in counted:
            counted.add(node)
            layer.flops += 2 * dims.evaluate(_madds(node), sizes)
    return list(found.values())


def _madds(node: Node) -> dims.Dim:
    """Multiply-adds; those of a fused node are its convolution's or product's, where there is one."""
    return multiply_adds(node, _HEAVY) or multiply_adds(node)


def _phase(node: Node) -> str:
    origins = _origins(node)
    if node.origin == RECOMPUTE:
        return "again"
    if OPTIMIZER in origins:
        return "update"
    return "backward" if GRADIENT in origins or node.op == "max_unpool" else "forward"


def _origins(node: Node) -> set[str]:
    """The passes that made a node and what is inside of it."""
    inside = [n for n in node.body.nodes if n.op not in ("input", "param", "const")] if node.body else []
    return {node.origin}.union(*map(_origins, inside))


def _timed_call(executable: Executable, inputs: Mapping[str, Array], params: Mapping[str, Array]) -> float:
    start = time.perf_counter()
    executable.run(inputs, params)
    return time.perf_counter() - start


# ---- what is shown


def show(found: Profile) -> None:
    """Print the table, then the slowest layers as bars."""
    rows = [_row(layer, found) for layer in found.layers]
    inside = found.inside
    flops, moved = sum(layer.flops for layer in found.layers), sum(layer.bytes for layer in found.layers)
    whole = Layer("total", "", "", [], inside, flops, moved)
    threads = f"{found.threads} thread" + ("s" if found.threads > 1 else "")
    title = f"{found.net} with {sizes_text(found.sizes)}" if found.sizes else found.net
    table(f"{title}, {threads}, medians of {found.calls} calls", _COLUMNS, rows, _row(whole, found), text_columns=3)
    print()
    widest = max((layer.seconds for layer in found.layers), default=0.0)
    names = [_name(layer) for layer in found.layers]
    width = max(map(len, names), default=0)
    for name, layer in zip(names, found.layers, strict=True):
        drawn = bar(layer.seconds / widest if widest else 0.0, _BAR)
        print(f"{name.ljust(width)}  {drawn.ljust(_BAR)}  {time_text(layer.seconds)}")
    print()
    print(f"a call takes {time_text(found.call)}, {time_text(max(0.0, found.call - inside))} of it outside the kernels")
    print(f"peak of {threads}: {found.peak / 1e9:.0f} GF/s in float32")
    print(f"memory: {bytes_text(found.parameters)} of parameters, {bytes_text(found.memory)} beside them")


def time_text(seconds: float) -> str:
    """`1.234 ms`, `56.7 us`."""
    if seconds < 1e-3:
        return f"{seconds * 1e6:.1f} us"
    return f"{seconds * 1e3:.2f} ms" if seconds < 1 else f"{seconds:.2f} s"


def _name(layer: Layer) -> str:
    return layer.name if layer.phase in ("", "forward") else f"{layer.name} ({layer.phase})"


def _row(layer: Layer, found: Profile) -> tuple[str, ...]:
    seconds = layer.seconds or float("inf")
    rate = layer.flops / seconds
    return (
        _name(layer),
        layer.line,
        layer.kernel,
        time_text(layer.seconds),
        f"{layer.seconds / (found.inside or 1):.1%}",
        f"{rate / 1e9:.1f}",
        f"{rate / found.peak:.0%}",
        bytes_text(layer.bytes),
        f"{layer.bytes / seconds / 1e9:.1f}",
    )
