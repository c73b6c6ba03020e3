"""PyTorch on a GPU as it is at its best: a call and the device's seconds that it takes."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.layers import Layer
from benchmarks.peers.torch_peer import build
from netlang.runtime.arrays import Array

Call = Callable[[], Any]
WARM_UP, FEWEST, MOST = 5, 10, 200


def set_precision(precision: str) -> None:
    """float32 products exact, or rounded to tf32, in cuBLAS and in cuDNN; bf16 is a matter of the tensors."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
    torch.backends.cudnn.benchmark = True


def inference(
    layers: Sequence[Layer], params: Mapping[str, Array], x: Array, precision: str, *, last: bool, compiled: bool,
    device: str = "cuda",
) -> Call:  # fmt: skip
    """One inference on data that is on the device. `last`: channels last. In bf16 weights and maps are bfloat16, which
    is faster than autocast. `compiled`: by `torch.compile` with its CUDA graphs, which suit small batches."""
    module, given = _placed(build(layers, params).eval(), torch.tensor(x), last, device)
    if precision == "bf16":
        module, given = module.bfloat16(), given.bfloat16()
    run: Any = torch.compile(module, mode="reduce-overhead") if compiled else module

    def call() -> torch.Tensor:
        with torch.inference_mode():
            found: torch.Tensor = run(given)
            return found

    return call


def training(
    layers: Sequence[Layer], params: Mapping[str, Array], x: Array, label: Array, sgd: Mapping[str, Any],
    precision: str, *, last: bool, compiled: bool, device: str = "cuda",
) -> Call:  # fmt: skip
    """One training step; in bf16 under autocast, the weights being float32 as ours are. `compiled` as for inference:
    forward and backward are graphs, the optimiser is one fused kernel."""
    module, given = _placed(build(layers, params).train(), torch.tensor(x), last, device)
    wanted = torch.tensor(label, device=device)
    run: Any = torch.compile(module, mode="reduce-overhead") if compiled else module
    kept = {key: sgd[key] for key in ("lr", "momentum", "nesterov", "weight_decay")}
    optimizer = torch.optim.SGD(module.parameters(), fused=True, **kept)
    cast = precision == "bf16"

    def step() -> torch.Tensor:
        if compiled:
            torch.compiler.cudagraph_mark_step_begin()
        optimizer.zero_grad(set_to_none=True)
        around: AbstractContextManager[Any] = torch.autocast(device, torch.bfloat16) if cast else nullcontext()
        with around:
            loss = nn.functional.cross_entropy(run(given), wanted)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return loss.detach()

    return step


def _placed(module: nn.Module, x: torch.Tensor, last: bool, device: str) -> tuple[nn.Module, torch.Tensor]:
    module, x = module.to(device), x.to(device)
    if last and x.ndim == 4:
        return module.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)  # type: ignore
    return module, x


def to_numpy(found: torch.Tensor) -> Array:
    return np.asarray(found.float().cpu().numpy())


def forget() -> None:
    """Give back what calls that are gone have held."""
    torch._dynamo.reset()
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def median(call: Call, seconds: float) -> float:
    """Median of single calls by events, for about so many seconds."""
    for _ in range(WARM_UP):
        call()
    torch.cuda.synchronize()
    found: list[float] = []
    end = time.monotonic() + seconds
    while len(found) < FEWEST or (time.monotonic() < end and len(found) < MOST):
        start, stop = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        call()
        stop.record()
        stop.synchronize()
        found.append(start.elapsed_time(stop) / 1e3)
    return statistics.median(found)
