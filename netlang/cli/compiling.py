"""netc compile: generate the code of a net and report what it came to."""

from __future__ import annotations

import argparse
import time

from netlang.cli.arguments import (
    Verbs,
    add_net,
    add_options,
    add_sizes,
    add_target,
    backend_of,
    module_of,
    sizes_of,
    sizes_text,
    verb,
)
from netlang.cli.output import bytes_text, count
from netlang.driver import assemble
from netlang.ir.opdef import opdef
from netlang.ir.text import print_graph
from netlang.runtime.files import replacing


def add_verbs(verbs: Verbs) -> None:
    new = verb(verbs, "compile", compile_net, "generate the code of a net, so that later runs find it in the cache")
    add_sizes(new, "1")
    new.add_argument("-o", "--output", metavar="OUT", help="write the graph as it is carried out to this file")
    add_net(new)
    add_target(new)
    add_options(new)


def compile_net(args: argparse.Namespace) -> None:
    model = assemble(module_of(args), backend_of(args), args.net, args.threads)
    start = time.perf_counter()
    model.compiled.build()
    seconds = time.perf_counter() - start
    graph = model.compiled.graph
    if args.output:
        with replacing(args.output) as temporary:
            temporary.write_text(print_graph(graph), encoding="utf-8")
    kernels = sum("leaf" not in opdef(n.op).traits and n.op not in ("reshape", "stop_gradient") for n in graph.nodes)
    sizes = sizes_of(args, model.net, args.batch or 1)
    working = model.compiled.planned_bytes(sizes)
    held = sum(a.nbytes for a in model.parameters.values())
    print(f"{model.name} for {model.target}: {count(kernels)} kernels in {seconds:.2f} s")
    print(f"parameters {bytes_text(held)}, working memory {bytes_text(working)} with {sizes_text(sizes)}")
