"""Code of a graph for GPUs that need not be here: PTX and machine code, for every architecture that is named.

An artifact that holds it has the members

    cuda/sm_90a/<entry>       machine code of a kernel (a cubin) for that architecture
    cuda/compute_80/<entry>   its PTX, which drivers compile for that architecture and later ones

and says in `content["cuda"]`, for every architecture, what lowerings were told of the GPU and which kernels they chose.
Lowering again for that target, which needs no compiler, gives the same kernels: whoever loads an artifact finds their
code by `Kernel` fields and the hash of the source text. Where a net leaves sizes open, these are the kernels of the
ways that are best for a few sizes (`usual_sizes`); `ways` names them, and whatever the sizes of a call, one of these
is taken (`settled`). PTX is there for all kernels that later GPUs can run, and for
`architecture.PORTABLE` always, so that an artifact runs on every GPU that is supported at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from netlang.backends.base import AheadOfTime, CodeFigures, Options
from netlang.backends.common.choices import Choices
from netlang.backends.common.context import Context
from netlang.backends.common.homes import find_homes
from netlang.backends.common.steps import Scratch
from netlang.backends.cuda import build, toolchain
from netlang.backends.cuda.architecture import PORTABLE, USUAL, is_specific, named
from netlang.backends.cuda.backend import lowered
from netlang.backends.cuda.kernel import Kernel
from netlang.backends.cuda.settled import Noted
from netlang.backends.cuda.steps import Launch
from netlang.backends.cuda.target import CudaTarget
from netlang.ir.graph import Graph
from netlang.runtime.model import batch_symbol, user_inputs

BATCHES = (1, 64)
LENGTH = 64
"""Of what else is open, such as a sequence."""


def ahead(graph: Graph, options: Options, architectures: Sequence[str] = ()) -> AheadOfTime:
    """Code of a prepared graph for architectures by any of their names; without any, for the usual ones.

    Raises NetError for an architecture that there is no code for, for an op that is not supported, with its place, and
    where something is missing that compiling needs.
    """
    names = list(dict.fromkeys(map(named, architectures))) or list(USUAL)
    content: dict[str, Any] = {}
    members: dict[str, bytes] = {}
    figures: list[CodeFigures] = []
    for arch in [*names, *(() if PORTABLE in names else (PORTABLE,))]:
        target, noted = CudaTarget(arch), Noted(Choices())
        kernels = kernels_of(graph, target, options, noted)
        listed = [_description(kernel) for kernel in kernels]
        if arch in names:
            made = build.build(kernels, arch)
            figures.append(_figures(arch, list(made.values())))
            for kernel, entry in zip(kernels, listed, strict=True):
                entry["machine_code"] = f"cuda/sm_{arch}/{made[kernel].entry}"
                entry["resources"] = asdict(made[kernel].resources)
                members[entry["machine_code"]] = made[kernel].code
        build.prepare(kernels, arch)
        for kernel, entry in zip(kernels, listed, strict=True):
            found = toolchain.ptx(kernel, toolchain.written_for(kernel, arch))
            if not is_specific(found.arch):
                entry["ptx"] = f"cuda/compute_{found.arch}/{found.entry}"
                members[entry["ptx"]] = found.text.encode("ascii")
        content[arch] = {"target": asdict(target), "kernels": listed, "ways": noted.table}
    return AheadOfTime({"cuda": content}, members, tuple(figures))


def kernels_of(graph: Graph, target: CudaTarget, options: Options, choices: Choices | None = None) -> list[Kernel]:
    """The kernels that a prepared graph is carried out by on a target, for any of the usual sizes, each once."""
    context, steps = lowered(graph, target, options, choices)
    homes = find_homes(context, steps)
    listed = [step for own in steps.values() for step in own if isinstance(step, Launch)]
    found = [step.kernel for sizes in usual_sizes(graph, options) for step in listed if step.is_taken(sizes)]
    if homes.copies:
        found.append(_copy(context))
    return list(dict.fromkeys(found))


def usual_sizes(graph: Graph, options: Options) -> list[dict[str, int]]:
    """For which sizes ways are chosen where a graph leaves them open: those of a batch as it was asked for, or of one
    sample and of many."""
    first = str(batch_symbol(user_inputs(graph)))
    batches = (options.batch,) if options.batch else BATCHES
    return [{name: batch if name == first else LENGTH for name in graph.symbols} for batch in batches]


def _copy(context: Context) -> Kernel:
    """What results are copied by that no step could compute in their place."""
    one, other = Scratch(16), Scratch(16)
    kernel: Kernel = context.copy_bytes(one, other, 16).kernel
    return kernel


def _description(kernel: Kernel) -> dict[str, Any]:
    return {
        "key": kernel.key,
        "source": toolchain.identity(kernel).source,
        "arguments": kernel.arguments,
        "threads": kernel.threads,
        "shared": kernel.shared,
        "blocks_per_sm": kernel.blocks_per_sm,
    }


def _figures(arch: str, made: Sequence[toolchain.Cubin]) -> CodeFigures:
    resources = [cubin.resources for cubin in made]
    return CodeFigures(
        architecture=f"sm_{arch}",
        kernels=len(made),
        registers=max((r.registers for r in resources), default=0),
        stack=max((r.stack for r in resources), default=0),
        spills=sum(r.spills for r in resources),
        bytes=sum(len(cubin.code) for cubin in made),
    )
