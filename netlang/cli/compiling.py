"""netc compile: generate the code of a net and report what it came to; with --tune, after measuring what is fastest."""

from __future__ import annotations

import argparse
import time

from netlang.backends.base import Backend, Packaging, Portable, Tunable
from netlang.cli.arguments import (
    Verbs,
    add_net,
    add_options,
    add_sizes,
    add_target,
    backend_of,
    identifier,
    module_of,
    names,
    natural,
    sizes_of,
    sizes_text,
    verb,
)
from netlang.cli.artifacts import LIBRARY, SUFFIX, write
from netlang.cli.loading import add_weights
from netlang.cli.output import bytes_text, count, table
from netlang.cli.tuning import add_tune, measure
from netlang.diagnostics import NetError
from netlang.driver import HALF_TYPES, assemble, choose, generate_ahead, tune_net
from netlang.ir.dims import evaluate
from netlang.ir.graph import Graph
from netlang.ir.module import Module
from netlang.ir.opdef import opdef
from netlang.ir.text import print_graph
from netlang.passes import inference_pipeline
from netlang.runtime.files import replacing

_FILES = f"a {SUFFIX} or {LIBRARY} file"


def add_verbs(verbs: Verbs) -> None:
    new = verb(verbs, "compile", compile_net, "generate the code of a net, so that later runs find it in the cache")
    add_sizes(new, "1")
    new.add_argument(
        "-o",
        "--output",
        metavar="OUT",
        help=f"a name that ends in {SUFFIX}: the code and the weights, for netlang.load; in {LIBRARY}: these as a "
        "shared library for C, which takes a C compiler; another: the graph as it is carried out",
    )
    add_weights(new, f"for {_FILES}: a safetensors file")
    new.add_argument("--also", type=names, default=[], metavar="NET,...", help=f"for {_FILES}: other nets to be in it")
    new.add_argument("--header", metavar="FILE", help=f"for a {LIBRARY} file: write its C header here")
    new.add_argument(
        "--store-as",
        metavar="TYPE",
        help=f"for {_FILES}: what matrices and filters are rounded to in it, {' or '.join(HALF_TYPES)}",
    )
    new.add_argument(
        "--prefix",
        type=identifier,
        default="netlang",
        metavar="NAME",
        help=f"for a {LIBRARY} file: what the names of its functions begin with (default: netlang)",
    )
    new.add_argument(
        "--weights-beside",
        action="store_true",
        help=f"for a {LIBRARY} file: write the weights into a file beside it, whose name ends in .weights",
    )
    new.add_argument(
        "--train",
        action="store_true",
        help=f"for {_FILES}: with the steps of the train sections, so that whoever loads it can go on learning; "
        "without --weights it begins at random ones",
    )
    new.add_argument("--seed", type=natural, metavar="N", help="with --train: of everything random (default: 0)")
    new.add_argument(
        "--arch",
        type=names,
        default=[],
        metavar="NAME,...",
        help=f"what to generate code for: with --target cuda, GPU architectures such as sm_80,sm_90a; for {_FILES}, "
        "processors such as x86-64-v3,aarch64 (default: all that are known, of one architecture for C)",
    )
    add_net(new)
    add_target(new)
    add_options(new)
    add_tune(new)


def compile_net(args: argparse.Namespace) -> None:
    module, backend = module_of(args), backend_of(args)
    if args.store_as and not str(args.output).endswith((SUFFIX, LIBRARY)):
        hint = f"--store-as goes with -o and a name that ends in {SUFFIX} or {LIBRARY}"
        raise NetError("there are no weights to store", hint=hint)
    if isinstance(backend, Packaging) and str(args.output).endswith((SUFFIX, LIBRARY)):
        if args.tune:
            raise NetError("--tune is for this machine, and what is in a file is not", hint="leave out --tune, or -o")
        write(args, module, backend)
        return
    if args.train or args.seed is not None:
        what = "--train" if args.train else "--seed"
        raise NetError(f"{what} is for files that need no compiler", hint=f"add -o with a name that ends in {SUFFIX}")
    if args.arch and args.tune:
        raise NetError("--tune is for this machine, and --arch names others", hint="leave out one of them")
    if args.arch or (isinstance(backend, Portable) and not args.tune):
        compile_ahead(args, module, backend)
        return
    if args.tune:
        net = choose(module, args.net)
        sizes = sizes_of(args, net, args.batch or 1)
        measure(lambda tell: tune_net(net, inference_pipeline(), backend, sizes, args.threads, args.tune, tell))
    model = assemble(module, backend, args.net, args.threads)
    start = time.perf_counter()
    model.compiled.build()
    took = time.perf_counter() - start
    graph = model.compiled.graph
    if args.output:
        write_graph(args.output, graph)
    kernels = sum("leaf" not in opdef(n.op).traits and n.op not in ("reshape", "stop_gradient") for n in graph.nodes)
    sizes = sizes_of(args, model.net, args.batch or 1)
    working = model.compiled.planned_bytes(sizes)
    held = sum(a.nbytes for a in model.parameters.values())
    print(f"{model.name} for {model.target}: {count(kernels)} kernels in {took:.2f} s")
    print(f"parameters {bytes_text(held)}, working memory {bytes_text(working)} with {sizes_text(sizes)}")
    if isinstance(backend, Tunable) and (remembered := backend.remembered(args.threads))[0]:
        print(f"goes by choices measured on this machine: {count(remembered[0])} in {remembered[1]}")


def compile_ahead(args: argparse.Namespace, module: Module, backend: Backend) -> None:
    """Generate code for machines that need not be this one, and say what it takes of them."""
    start = time.perf_counter()
    wanted = args.arch
    if not wanted and not args.output and isinstance(backend, Portable):
        wanted = backend.here()
    graph, code = generate_ahead(module, backend, args.net, wanted)
    took = time.perf_counter() - start
    if args.output:
        write_graph(args.output, graph)
    sizes = sizes_of(args, graph, args.batch or 1)
    held = sum(evaluate(v.type.bytes, {}) for v in graph.params)
    working = backend.plan(graph, sizes).peak
    rows = [
        (f.architecture, *map(count, (f.kernels, f.registers, f.stack, f.spills)), bytes_text(f.bytes))
        for f in code.figures
    ]
    print(f"{graph.name} for {backend.name} in {took:.2f} s")
    table("", ("architecture", "kernels", "most registers", "stack", "bytes spilled", "machine code"), rows)
    print(f"parameters {bytes_text(held)}, working memory {bytes_text(working)} with {sizes_text(sizes)}")


def write_graph(path: str, graph: Graph) -> None:
    """Write the text form of a graph."""
    with replacing(path) as temporary:
        temporary.write_text(print_graph(graph), encoding="utf-8")
