"""Every net of the examples, in a small copy: exported, carried out by onnxruntime, compared with the reference."""

from __future__ import annotations

import pytest

from netlang.backends.reference import evaluate
from netlang.interchange.exporting.api import OPSET
from netlang.interchange.exporting.translation import Translation
from netlang.runtime.samples import initial_params
from tests.examples.shrunken import Case, chosen, distinct, sizes, small
from tests.interchange.exporting.running import carried_out, checked, close, drawn, seen, whole

CASES = distinct()


@pytest.mark.parametrize("case", CASES, ids=[c.name for c in CASES])
def test_onnxruntime_computes_the_same(case: Case) -> None:
    module = small(case)
    net = seen(module, chosen(module, case))
    inputs, params = drawn(net, sizes(net, case.net.small)), dict(initial_params(net))
    model = checked(whole(Translation(net, module.bound[net.name], params, OPSET)))
    got = carried_out(model, inputs)
    for name, wanted in evaluate(net, inputs, params)[0].items():
        close(got[name], wanted, name, 1e-5)
