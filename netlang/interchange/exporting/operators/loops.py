"""Loops: a scan that is no layer of ONNX's is its Scan, whose body is written like the net. What it reads from
outside it reads by name."""

from __future__ import annotations

from netlang.interchange.exporting.operators.leaves import counted
from netlang.interchange.exporting.record import Place, exports
from netlang.ir.build import Builder
from netlang.ir.graph import Value
from netlang.ir.scan import Loop
from netlang.ir.types import DType, TensorType


@exports("scan")
def _scan(place: Place) -> list[str]:
    """The states come first, then the sequences. A loop without any is given the numbers of its steps as one."""
    loop, node = Loop.of(place.node), place.node
    first = len(loop.initial)
    second = first + len(loop.sequences)
    slices, sequences = list(loop.slices), list(place.inputs[first:second])
    if not sequences:
        slices.append(_step())
        sequences.append(counted(place, loop.length))
    around = dict(zip(loop.shared, place.inputs[second:], strict=True))
    assert node.body is not None
    return place.ops(
        "Scan",
        *place.inputs[:first],
        *sequences,
        outputs=len(node.results),
        body=place.translation.body(place, node.body, (*loop.states, *slices), around),
        num_scan_inputs=len(sequences),
        scan_input_directions=[int(loop.reverse)] * len(sequences) if loop.reverse else None,
        scan_output_directions=[int(loop.reverse)] * len(loop.emitted) if loop.reverse and loop.emitted else None,
    )


def _step() -> Value:
    return Builder().input("step", TensorType(DType.I64, ()))
