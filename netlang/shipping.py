"""What is compiled, as files: nets with their weights and training steps, for whoever has no compiler."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from netlang import __version__
from netlang.backends.base import Backend, Deployed, Library, Linking, Packaging, Request, Said, Style
from netlang.diagnostics import NetError
from netlang.ir.reserved import STEP
from netlang.ir.types import DType
from netlang.passes import inference_pipeline, training_pipeline
from netlang.passes.manager import PassManager
from netlang.passes.optimizer import training_step
from netlang.runtime.artifact import write_artifact
from netlang.runtime.artifact.deploying import learning_content, net_content, source_content
from netlang.runtime.artifact.stored import Weights
from netlang.runtime.files import replacing
from netlang.runtime.model import Model
from netlang.runtime.parameters import settle
from netlang.runtime.trainer import Trainer
from netlang.runtime.turns import chosen_phase


def write_nets(
    path: str | os.PathLike[str],
    models: Sequence[Model],
    backend: Backend,
    request: Request,
    trainers: Sequence[Trainer] = (),
) -> int:
    """Write compiled nets of one file, with their weights, into a file that `netlang.load` opens; returns its bytes.

    The first is the one that is loaded without being named. With `trainers` of their weights (see `trainers_of`), the
    training steps are in the file, and whoever loads it can go on learning.

    Raises NetError for nets without weights, for a backend whose code cannot be kept in files, and where the file
    cannot be written.
    """
    if not isinstance(backend, Packaging):
        raise NetError(f"what is compiled for target '{backend.name}' cannot be kept in a file")
    graphs, said = _deployed(models, trainers, request.store_as)
    package = backend.package(graphs, request)
    content = {
        **package.content,
        "target": backend.name,
        "netlang": __version__,
        "source": source_content(models[0].module),
        "net": models[0].name,
        "nets": {name: {**net, **package.graphs[name]} for name, net in said.nets.items()},
    }
    if said.learning is not None:
        steps = {name: {**step, **package.graphs[STEP + name]} for name, step in said.learning["steps"].items()}
        content |= {**said.learning, "steps": steps}
    return write_artifact(path, content, {**package.members, "weights": said.weights})


def trainers_of(model: Model, seed: int) -> list[Trainer]:
    """Trainers for all `train` sections that change weights of this model, which begins to learn at its weights, or at
    those that the seed gives if it has none. Raises NetError where there is none.
    """
    module = model.module
    together = module.kept_with(model.name)
    phases = [name for name, spec in module.phases.items() if module.kept_with(spec.graph.name) is together]
    if not phases:
        chosen_phase(module, None)
        raise NetError(f"no train section of {module.source.name} trains net '{model.name}'")
    return [model.trainer(seed, phase=name) for name in phases]


def write_library(
    path: str | os.PathLike[str],
    models: Sequence[Model],
    backend: Backend,
    request: Request,
    trainers: Sequence[Trainer] = (),
    *,
    header: str | os.PathLike[str] | None = None,
    prefix: str = "netlang",
    beside: bool = False,
) -> Library:
    """Write compiled nets of one file as a shared library with a C interface, and its header where one is asked for.

    trainers  with these its training steps are in it too, as in `write_nets`
    prefix    what the names of its functions begin with
    beside    weights go into a file of their own in the same folder, whose name ends in `.weights`

    Raises NetError as `write_nets` and `Linking.library` do.
    """
    if not isinstance(backend, Linking):
        raise NetError(f"what is compiled for target '{backend.name}' cannot be made a shared library")
    place = Path(path)
    weights_place = place.with_suffix(".weights")
    graphs, said = _deployed(models, trainers, request.store_as)
    style = Style(place.name, prefix, weights_place.name if beside else None)
    library = backend.library(graphs, said, request, style)
    written: list[tuple[str | os.PathLike[str], bytes]] = [(place, library.body)]
    written += [(header, library.header.encode())] if header is not None else []
    written += [(weights_place, library.weights)] if library.weights is not None else []
    for target, body in written:
        with replacing(target) as temporary:
            temporary.write_bytes(body)
    return library


def _deployed(
    models: Sequence[Model], trainers: Sequence[Trainer], store_as: DType | None = None
) -> tuple[list[Deployed], Said]:
    """Nets and training steps, and what there is to say of them. Raises NetError for nets without weights."""
    for model in models:
        if not model.family.ready:
            raise NetError(f"net '{model.name}' has no weights yet", hint="netc compile --weights FILE reads them")
    settle()
    weights = Weights(store_as and str(store_as))
    graphs = {m.name: PassManager().run(m.net, inference_pipeline()) for m in models}
    # Not the trainers' own graphs: those may be cut up for the devices of this machine.
    steps = {t.name: PassManager().run(training_step(t.spec), training_pipeline()) for t in trainers}
    nets = {m.name: net_content(m.net, graphs[m.name], m.store, weights) for m in models}
    learning = learning_content(models[0].family, trainers, steps, weights) if trainers else None
    keys = {**graphs, **{STEP + name: graph for name, graph in steps.items()}}
    return [Deployed(key, graph) for key, graph in keys.items()], Said(
        nets, learning, weights.body(), models[0].module.fingerprint
    )
