"""Single layers on the cpu backend beside PyTorch: medians of calls taken in turn in one process, outputs compared.

    python benchmarks/kernels.py [--threads 1] [--seconds 1.0] [--only TEXT]

PyTorch is optional; without it only the own times are printed. Prints milliseconds, GFLOP/s (a multiply-add is two)
and the ratio PyTorch / own: above 1 the own kernel is faster.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from netlang.backends.base import Array
from netlang.backends.cpu import Cpu
from netlang.ir.build import Builder
from netlang.ir.graph import Graph, Value
from netlang.ir.types import DType, TensorType
from netlang.passes import fuse

try:
    import torch
except ImportError:
    torch = None  # type: ignore[assignment]

Values = Mapping[str, Value]
WEIGHTS = ("w", "b", "w2", "b2", "w3", "b3")
"""Names of the inputs that are parameters: packed once, as in inference."""
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Case:
    """`make` builds the result from the named arrays, `peer` computes the same from their tensors."""

    name: str
    arrays: Mapping[str, Array]
    make: Callable[[Builder, Values], Value]
    peer: Callable[[Mapping[str, Any]], Any]
    flops: int


def draw(seed: int, *shape: int) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def conv(n: int, c: int, h: int, o: int, k: int, stride: int = 1, pool: bool = False) -> Case:
    """Convolution, bias, ReLU and perhaps a 2x2 max pool."""
    geometry = {"stride": (stride, stride), "pad": ((k // 2, k // 2),) * 2, "dilation": (1, 1)}
    size = (h + 2 * (k // 2) - k) // stride + 1

    def make(b: Builder, v: Values) -> Value:
        y = b.op("conv", v["x"], v["w"], **geometry)
        if pool:
            y = b.op("max_pool", y, kernel=(2, 2), stride=(2, 2), pad=((0, 0), (0, 0)), dilation=(1, 1))
        return b.op("relu", b.add(y, b.along(v["b"], 4, 1)))

    def peer(t: Mapping[str, Any]) -> Any:
        y = torch.nn.functional.conv2d(t["x"], t["w"], t["b"], stride=stride, padding=k // 2).relu_()
        return torch.nn.functional.max_pool2d(y, 2) if pool else y

    arrays = {"x": draw(0, n, c, h, h), "w": draw(1, o, c, k, k), "b": draw(2, o)}
    text = f"conv{' + pool' if pool else ''} {c}->{o}, {h}x{h}, {k}x{k} stride {stride}, batch {n}"
    return Case(text, arrays, make, peer, 2 * n * o * c * k * k * size * size)


def grouped(n: int, c: int, h: int, groups: int, stride: int = 1, k: int = 3) -> Case:
    """A convolution in groups, bias, ReLU."""
    geometry: dict[str, Any] = {"stride": (stride, stride), "pad": ((k // 2, k // 2),) * 2, "dilation": (1, 1)}
    size = (h + 2 * (k // 2) - k) // stride + 1

    def make(b: Builder, v: Values) -> Value:
        y = b.op("conv", v["x"], v["w"], groups=groups, **geometry)
        return b.op("relu", b.add(y, b.along(v["b"], 4, 1)))

    def peer(t: Mapping[str, Any]) -> Any:
        return torch.nn.functional.conv2d(t["x"], t["w"], t["b"], stride, k // 2, groups=groups).relu_()

    arrays = {"x": draw(0, n, c, h, h), "w": draw(1, c, c // groups, k, k), "b": draw(2, c)}
    text = f"{groups} groups of {c // groups}, {h}x{h}, {k}x{k} stride {stride}, batch {n}"
    return Case(text, arrays, make, peer, 2 * n * c * (c // groups) * k * k * size * size)


def separable(n: int, c: int, h: int, wide: int, stride: int = 1) -> Case:
    """The block of MobileNet: 1x1 to more channels, depthwise 3x3, 1x1 back, ReLU after the first two."""
    point: dict[str, Any] = {"stride": (1, 1), "pad": ((0, 0),) * 2, "dilation": (1, 1)}
    depth: dict[str, Any] = {"stride": (stride, stride), "pad": ((1, 1),) * 2, "dilation": (1, 1), "groups": wide}
    size = (h - 1) // stride + 1

    def make(b: Builder, v: Values) -> Value:
        y = b.op("relu", b.add(b.op("conv", v["x"], v["w"], **point), b.along(v["b"], 4, 1)))
        y = b.op("relu", b.add(b.op("conv", y, v["w2"], **depth), b.along(v["b2"], 4, 1)))
        return b.add(b.op("conv", y, v["w3"], **point), b.along(v["b3"], 4, 1))

    def peer(t: Mapping[str, Any]) -> Any:
        y = torch.nn.functional.conv2d(t["x"], t["w"], t["b"]).relu_()
        y = torch.nn.functional.conv2d(y, t["w2"], t["b2"], stride, 1, groups=wide).relu_()
        return torch.nn.functional.conv2d(y, t["w3"], t["b3"])

    arrays = {"x": draw(0, n, c, h, h), "w": draw(1, wide, c, 1, 1), "b": draw(2, wide)}
    arrays |= {"w2": draw(3, wide, 1, 3, 3), "b2": draw(4, wide), "w3": draw(5, c, wide, 1, 1), "b3": draw(6, c)}
    flops = 2 * n * wide * (h * h * c + size * size * (9 + c))
    return Case(f"separable block {c}->{wide}->{c}, {h}x{h} stride {stride}, batch {n}", arrays, make, peer, flops)


def response(n: int, c: int, h: int, pool: bool) -> Case:
    """A convolution with ReLU, local response normalisation, and perhaps a 3x3 max pool of stride 2 (AlexNet)."""
    point: dict[str, Any] = {"stride": (1, 1), "pad": ((0, 0),) * 2, "dilation": (1, 1)}

    def make(b: Builder, v: Values) -> Value:
        y = b.op("relu", b.add(b.op("conv", v["x"], v["w"], **point), b.along(v["b"], 4, 1)))
        y = b.op("local_response_norm", y, size=5)
        window = {"kernel": (3, 3), "stride": (2, 2), "pad": ((0, 0),) * 2, "dilation": (1, 1)}
        return b.op("max_pool", y, **window) if pool else y

    def peer(t: Mapping[str, Any]) -> Any:
        y = torch.nn.functional.conv2d(t["x"], t["w"], t["b"]).relu_()
        y = torch.nn.functional.local_response_norm(y, 5)
        return torch.nn.functional.max_pool2d(y, 3, 2) if pool else y

    arrays = {"x": draw(0, n, 16, h, h), "w": draw(1, c, 16, 1, 1), "b": draw(2, c)}
    text = f"1x1, response norm{' + pool' if pool else ''} {c}, {h}x{h}, batch {n}"
    return Case(text, arrays, make, peer, 2 * n * c * h * h * (16 + 7))


def response_gradient(n: int, c: int, h: int) -> Case:
    """The gradient of local response normalisation."""

    def make(b: Builder, v: Values) -> Value:
        return b.op("local_response_norm_grad", v["x"], v["dy"], size=5)

    def peer(t: Mapping[str, Any]) -> Any:
        with torch.inference_mode(False), torch.enable_grad():
            x = t["x"].clone().requires_grad_()
            return torch.autograd.grad(torch.nn.functional.local_response_norm(x, 5), x, t["dy"].clone())[0]

    arrays = {"x": draw(0, n, c, h, h), "dy": draw(1, n, c, h, h)}
    return Case(f"response norm gradient {c}, {h}x{h}, batch {n}", arrays, make, peer, 2 * n * c * h * h * 14)


def conv_gradient(n: int, c: int, h: int, o: int, k: int, stride: int = 1, of: str = "weight", groups: int = 1) -> Case:
    """The gradient of a convolution by its weights or its input."""
    size = (h + 2 * (k // 2) - k) // stride + 1
    geometry: dict[str, Any] = {"stride": (stride, stride), "pad": ((k // 2, k // 2),) * 2, "dilation": (1, 1)}
    geometry["groups"] = groups

    def make(b: Builder, v: Values) -> Value:
        if of == "weight":
            return b.op("conv_weight_grad", v["x"], v["dy"], kernel=(k, k), **geometry)
        return b.op("conv_data_grad", v["dy"], v["k"], size=(h, h), **geometry)

    def peer(t: Mapping[str, Any]) -> Any:
        x, w = t.get("x", torch.empty(n, c, h, h)), t.get("k", torch.empty(o, c // groups, k, k))
        settings = ([stride] * 2, [k // 2] * 2, [1, 1], False, [0, 0], groups, [of != "weight", of == "weight", False])
        return torch.ops.aten.convolution_backward(t["dy"], x, w, [0], *settings)[1 if of == "weight" else 0]

    arrays = {"dy": draw(1, n, o, size, size)}
    arrays |= {"x": draw(0, n, c, h, h)} if of == "weight" else {"k": draw(2, o, c // groups, k, k)}
    kind = f" in {groups} groups" if groups > 1 else ""
    text = f"{of} gradient {c}->{o}{kind}, {h}x{h}, {k}x{k} stride {stride}, batch {n}"
    return Case(text, arrays, make, peer, 2 * n * o * (c // groups) * k * k * size * size)


def dense(rows: int, inner: int, columns: int) -> Case:
    """Matrix product, bias, ReLU."""

    def make(b: Builder, v: Values) -> Value:
        return b.op("relu", b.add(b.op("matmul", v["x"], v["w"], transpose_b=True), v["b"]))

    def peer(t: Mapping[str, Any]) -> Any:
        return torch.nn.functional.linear(t["x"], t["w"], t["b"]).relu_()

    arrays = {"x": draw(0, rows, inner), "w": draw(1, columns, inner), "b": draw(2, columns)}
    return Case(f"dense {inner}->{columns}, batch {rows}", arrays, make, peer, 2 * rows * inner * columns)


def cases() -> Iterator[Case]:
    yield conv(1, 64, 56, 64, 3)
    yield conv(1, 64, 224, 64, 3)
    yield conv(1, 256, 56, 256, 3)
    yield conv(1, 256, 28, 256, 3)
    yield conv(1, 512, 14, 512, 3)
    yield conv(16, 256, 14, 256, 3)
    yield conv(1, 512, 7, 512, 3)
    yield conv(1, 3, 224, 64, 7, 2)
    yield conv(1, 64, 112, 64, 3, pool=True)
    yield conv(1, 1024, 14, 256, 1)
    yield conv(32, 1, 28, 32, 5, pool=True)
    yield conv(32, 32, 14, 64, 5, pool=True)
    yield grouped(1, 64, 112, 64)
    yield grouped(1, 128, 56, 128)
    yield grouped(1, 256, 28, 256, 2)
    yield grouped(1, 512, 14, 512)
    yield grouped(16, 1024, 7, 1024)
    yield grouped(1, 128, 56, 32)
    yield grouped(1, 256, 28, 32)
    yield response(1, 96, 55, pool=True)
    yield response(1, 96, 55, pool=False)
    yield response_gradient(16, 96, 55)
    yield separable(1, 32, 56, 192)
    yield separable(1, 64, 14, 384)
    for of in ("weight", "data"):
        yield conv_gradient(16, 64, 56, 64, 3, of=of)
        yield conv_gradient(16, 256, 14, 256, 3, of=of)
        yield conv_gradient(16, 64, 56, 128, 3, 2, of=of)
        yield conv_gradient(16, 256, 56, 64, 1, of=of)
        yield conv_gradient(32, 32, 14, 64, 5, of=of)
        yield conv_gradient(16, 128, 28, 128, 3, of=of, groups=128)
        yield conv_gradient(16, 128, 28, 128, 3, 2, of=of, groups=128)
    yield dense(1, 784, 100)
    yield dense(1, 4096, 4096)
    yield dense(32, 3136, 512)
    yield dense(256, 1024, 1024)


def own(case: Case, threads: int) -> Callable[[], Array]:
    """The case on the cpu backend, ready to be called."""
    b = Builder()
    values: dict[str, Value] = {}
    for name, array in case.arrays.items():
        kind = TensorType(DType.F32, array.shape)
        weight = name in WEIGHTS
        values[name] = b.param(name, kind, "weight", ("constant", 0.0)) if weight else b.input(name, kind)
    params = tuple(v for name, v in values.items() if name in WEIGHTS)
    inputs = tuple(v for name, v in values.items() if name not in WEIGHTS)
    graph = fuse.run(Graph("layer", inputs=inputs, params=params, outputs=(("y", case.make(b, values)),)))
    backend = Cpu()
    executable = backend.compile(backend.prepare(graph), threads=threads)
    given = {name: a for name, a in case.arrays.items() if name not in WEIGHTS}
    weights = {name: a for name, a in case.arrays.items() if name in WEIGHTS}
    return lambda: executable.run(given, weights)["y"]


def medians(functions: Mapping[str, Callable[[], Any]], seconds: float) -> dict[str, float]:
    """Median seconds of each function, called in turn so that drift hits all alike."""
    samples: dict[str, list[float]] = {name: [] for name in functions}
    start = time.perf_counter()
    while time.perf_counter() - start < seconds or min(map(len, samples.values())) < 5:
        for name, function in functions.items():
            before = time.perf_counter()
            function()
            samples[name].append(time.perf_counter() - before)
    return {name: statistics.median(values) for name, values in samples.items()}


def measure(case: Case, threads: int, seconds: float) -> str:
    """One line of results. Raises SystemExit where the outputs differ."""
    functions: dict[str, Callable[[], Any]] = {"own": own(case, threads)}
    result = functions["own"]()
    if torch is not None:
        tensors = {name: torch.tensor(array) for name, array in case.arrays.items()}

        def peer() -> Any:
            with torch.inference_mode():
                return case.peer(tensors)

        wanted = peer().numpy()
        difference = float(np.abs(result - wanted).max() / np.abs(wanted).max())
        if difference > TOLERANCE:
            raise SystemExit(f"{case.name}: outputs differ by {difference:.1e}")
        functions["torch"] = peer
    times = medians(functions, seconds)
    line = f"{case.name:52} {times['own'] * 1e3:9.3f} ms {case.flops / times['own'] / 1e9:6.0f} GF/s"
    if "torch" in times:
        line += f"   torch {times['torch'] * 1e3:9.3f} ms   ratio {times['torch'] / times['own']:5.2f}"
    return line


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=1.0, help="time for each line")
    parser.add_argument("--only", default="", help="only lines whose name contains this")
    options = parser.parse_args()
    if torch is not None:
        torch.set_num_threads(options.threads)
    for case in cases():
        if options.only in case.name:
            print(measure(case, options.threads, options.seconds), flush=True)


if __name__ == "__main__":
    main()
