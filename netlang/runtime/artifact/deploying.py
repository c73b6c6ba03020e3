"""What the compiler puts into a file besides what its backend does: signatures, parameters, the source text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

from netlang.ir.call import Call
from netlang.ir.graph import Graph, Value
from netlang.ir.module import RNG, Module
from netlang.runtime.arrays import Array, port
from netlang.runtime.artifact.signature import Signature
from netlang.runtime.artifact.stored import Weights
from netlang.runtime.bounds import Bound, index_bounds
from netlang.runtime.family import Family
from netlang.runtime.trainer import Trainer


def net_content(net: Graph, graph: Graph, params: Mapping[str, Array], weights: Weights) -> dict[str, Any]:
    """What a manifest says of a net that is carried out as `graph`."""
    inputs = [v for v in net.inputs if v.node.name != RNG]
    signature = _signature(inputs, net.outputs, graph, index_bounds(net))
    found = {p.node.name: _place(weights, p, params[p.node.name]) for p in _used(graph) if prod(p.type.concrete({}))}
    return {**signature.content(), "params": found}


def learning_content(
    family: Family, trainers: Sequence[Trainer], graphs: Mapping[str, Graph], weights: Weights
) -> dict[str, Any]:
    """What a manifest says of training steps, by the names of their `train` sections, that are carried out as `graphs`
    and change weights of `family`."""
    return {
        "seed": trainers[0].seed,
        "weights": {p.node.name: _place(weights, p, family.arrays[p.node.name]) for p in family.learned},
        "steps": {t.name: _step_content(t, graphs[t.name], weights) for t in trainers},
    }


def _step_content(trainer: Trainer, graph: Graph, weights: Weights) -> dict[str, Any]:
    spec, private = trainer.spec, trainer.private()
    used = {p.node.name: p for p in _used(graph)}
    return {
        **_signature(trainer.inputs, graph.outputs, graph, trainer.bounds).content(),
        "net": spec.graph.name,
        "params": {n: _place(weights, p, trainer.store[n]) for n, p in used.items() if n not in private},
        "private": {
            n: _place(weights, p, private[n][1]) if private[n][1].any() else [*_type(p), None]
            for n, p in used.items()
            if n in private
        },
        "updates": [name for name, _ in graph.updates],
        "schedule": _call_content(spec.schedule),
        "rate": float(spec.optimizer["lr"]),
        "batch": spec.batch,
        "epochs": spec.epochs,
    }


def source_content(module: Module) -> dict[str, Any]:
    """What a manifest says of the file that it was made of."""
    return {"name": module.source.name, "text": module.source.text, "sha256": module.fingerprint}


def _signature(
    inputs: Sequence[Value], outputs: Sequence[tuple[str, Value]], graph: Graph, bounds: Sequence[Bound]
) -> Signature:
    return Signature(
        tuple(port(v.node.name, v.type) for v in inputs),
        tuple(port(name, v.type) for name, v in outputs),
        any(v.node.name == RNG for v in graph.inputs),
        tuple((bound.name, bound.size) for bound in bounds),
    )


def _used(graph: Graph) -> list[Value]:
    """The parameters that a graph reads or changes."""
    changed = {name for name, _ in graph.updates}
    given = {v for _, v in (*graph.outputs, *graph.updates)}
    return [p for p in graph.params if p in graph.uses or p in given or p.node.name in changed]


def _place(weights: Weights, param: Value, array: Array) -> list[Any]:
    """What a manifest says of a parameter: its element type, its shape, where and perhaps as what it is stored."""
    place, stored = weights.add(param.node.name, array, str(param.dtype))
    return [*_type(param), place, *([stored] if stored != str(param.dtype) else [])]


def _type(param: Value) -> list[Any]:
    return [str(param.dtype), list(param.type.concrete({}))]


def _call_content(call: Call) -> dict[str, Any]:
    return {
        "name": call.name,
        "args": {k: _call_content(v) if isinstance(v, Call) else v for k, v in call.args.items()},
    }
