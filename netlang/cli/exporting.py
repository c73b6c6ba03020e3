"""netc export: a net with its weights as an ONNX file."""

from __future__ import annotations

import argparse
import time

from netlang.cli.arguments import Verbs, add_net, module_of, verb
from netlang.cli.loading import add_weights, load_weights
from netlang.cli.output import bytes_text
from netlang.diagnostics import NetError
from netlang.driver import choose
from netlang.interchange.exporting.api import OPSET, OPSETS, export_net
from netlang.runtime.family import Family


def add_verbs(verbs: Verbs) -> None:
    new = verb(verbs, "export", export, "write a net with its weights as an ONNX file, for other tools")
    add_weights(new, "a safetensors file; not needed by a net without weights")
    new.add_argument("-o", "--output", required=True, metavar="MODEL.onnx", help="where the file goes")
    new.add_argument(
        "--opset",
        type=int,
        choices=OPSETS,
        default=OPSET,
        metavar="N",
        help=f"the version of ONNX's operators, {OPSETS[0]} to {OPSETS[-1]} (default: %(default)s)",
    )
    add_net(new)


def export(args: argparse.Namespace) -> None:
    start, module = time.perf_counter(), module_of(args)
    net = choose(module, args.net)
    family = Family(module.kept_with(net.name))
    if not load_weights(args, family) and not family.ready:
        raise NetError(f"net '{net.name}' has weights to load", hint="give them with --weights FILE")
    arrays = family.store(net.params, module.names.get(net.name, {}))
    size = export_net(args.output, module, net.name, arrays, args.opset)
    took = time.perf_counter() - start
    print(f"{net.name} as ONNX, opset {args.opset}, in {took:.2f} s")
    print(f"{args.output}: {bytes_text(size)}")
