"""OpenVINO on the ONNX form of a net, told to compute in float32 and to answer one request at a time."""

from __future__ import annotations

from collections.abc import Callable

import openvino

from netlang.runtime.arrays import Array


def version() -> str:
    return str(openvino.__version__).split("-")[0]


def inference(model: bytes, image: Array, threads: int) -> Callable[[], Array]:
    """One inference on a tensor that shares the picture's memory."""
    settings = {
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
    }
    core = openvino.Core()
    request = core.compile_model(core.read_model(model, b""), "CPU", settings).create_infer_request()
    request.set_input_tensor(openvino.Tensor(image, shared_memory=True))

    def run() -> Array:
        request.infer()
        found: Array = request.get_output_tensor().data
        return found

    return run
