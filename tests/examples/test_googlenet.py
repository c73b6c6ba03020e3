"""GoogLeNet: short, and its side heads are in training alone."""

from __future__ import annotations

import numpy as np

from benchmarks.family.records import EXAMPLES
from netlang.backends.reference import evaluate
from netlang.frontend import load
from netlang.ir import dims
from netlang.runtime.samples import initial_params, random_inputs

FILE = EXAMPLES / "googlenet" / "googlenet.net"


def test_it_fits_into_sixty_lines() -> None:
    assert len(FILE.read_text().splitlines()) <= 60


def test_side_heads_are_trained_but_no_part_of_the_net() -> None:
    module = load(FILE)
    assert module.train is not None
    trained = {p.node.name: p for p in module.train.graph.params}
    extra = set(trained) - {p.node.name for p in module.net.params}
    assert {name.split(".")[0] for name in extra} == {"side_head1", "side_head2"}
    # Caffe's bvlc_googlenet with both heads has 13,378,280 parameters.
    assert sum(dims.evaluate(p.type.size, {}) for p in trained.values()) == 13_378_280


def test_the_loss_counts_each_side_head_three_tenths() -> None:
    spec = load(FILE, arguments={"classes": 4, "size": 80, "divide": 8}).train
    assert spec is not None
    # With weights of zero every head says 1/4 to every class.
    params = {name: np.zeros_like(value) for name, value in initial_params(spec.graph).items()}
    loss = evaluate(spec.graph, random_inputs(spec.graph, {"N": 2}), params)[0]["loss"]
    assert np.isclose(loss, 1.6 * np.log(4), rtol=1e-5)
