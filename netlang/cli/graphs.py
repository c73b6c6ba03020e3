"""netc ir, netc grad: the graph as text."""

from __future__ import annotations

import argparse

from netlang.cli.arguments import Verbs, add_net, add_phase, add_target, module_of, verb
from netlang.diagnostics import NetError
from netlang.driver import backend_for, choose, stages
from netlang.ir.graph import Graph
from netlang.ir.module import Module, TrainSpec
from netlang.ir.text import print_graph
from netlang.passes import inference_pipeline
from netlang.passes.autodiff import differentiate
from netlang.passes.manager import PassManager
from netlang.passes.optimizer import training_step
from netlang.runtime.turns import chosen_phase, phases_of

CLEANED = "cse"
"""The pass after which a graph is tidy and still has the layers that were written."""


def add_verbs(verbs: Verbs) -> None:
    new = verb(verbs, "ir", ir, "print the graph, as it is written or after a pass")
    new.add_argument("--after", metavar="PASS", help="the pass to stop after; 'all' runs every one")
    new.add_argument("--train", action="store_true", help="the training step instead of inference")
    new.add_argument("--spans", action="store_true", help="with the line that every node comes from")
    add_phase(new, "the last")
    add_net(new)
    add_target(new)
    new = verb(verbs, "grad", grad, "print the derived backward graph")
    add_phase(new, "the last")
    new.add_argument("--spans", action="store_true", help="with the line that every node comes from")


def ir(args: argparse.Namespace) -> None:
    module = module_of(args)
    if args.phase is not None and not args.train:
        raise NetError("--phase is for training steps", hint="add --train")
    if args.train:
        spec = train_section(module, args.phase)
        if args.net and choose(module, args.net).name != spec.graph.name:
            raise NetError(f"the train section trains net '{spec.graph.name}'", hint="leave out --net")
        graph = training_step(spec)
    else:
        graph = choose(module, args.net)
    if args.after:
        passes = stages(backend_for(args.target), args.train)
        graph = PassManager().run(graph, passes, after=None if args.after == "all" else args.after)
    write(graph, args)


def grad(args: argparse.Namespace) -> None:
    graph = differentiate(train_section(module_of(args), args.phase).graph)
    write(PassManager().run(graph, inference_pipeline(), after=CLEANED), args)


def write(graph: Graph, args: argparse.Namespace) -> None:
    print(print_graph(graph, spans=args.spans).rstrip("\n"))


def train_section(module: Module, phase: str | None = None) -> TrainSpec:
    """The `train` section of that name, or the file's last one; of those that take turns, the last.

    Raises NetError where there is none.
    """
    if phase is not None:
        return phases_of(module, chosen_phase(module, phase))[-1]
    if module.train is None:
        hint = "it says what to minimise: train { ... } after the net, with a loss and an optimizer"
        raise NetError(f"{module.source.name} has no train section, so there is no loss", hint=hint)
    return module.train
