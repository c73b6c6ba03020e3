"""netlang: a compiler for neural networks.

    import netlang

    model = netlang.compile("lenet5.net", target="cpu")
    model.load_weights("lenet5.safetensors")
    probs = model(image)

Everything is imported when it is first named, so that `import netlang` itself costs next to nothing.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from netlang.diagnostics import NetError as NetError
    from netlang.driver import compile as compile
    from netlang.interchange.exporting.api import export_onnx as export_onnx
    from netlang.interchange.importing import import_onnx as import_onnx
    from netlang.runtime.artifact.loading import load as load
    from netlang.runtime.course import train as train
    from netlang.runtime.data.dataset import Dataset as Dataset
    from netlang.runtime.data.sources import load as data
    from netlang.runtime.fit import Options as Options
    from netlang.runtime.fit import Progress as Progress
    from netlang.runtime.model import Model as Model
    from netlang.runtime.trainer import Trainer as Trainer

__version__ = "0.1.0"

__all__ = [
    "Dataset",
    "Model",
    "NetError",
    "Options",
    "Progress",
    "Trainer",
    "__version__",
    "compile",
    "data",
    "export_onnx",
    "import_onnx",
    "load",
    "train",
]

# In a checkout that is not what is installed (Python started in its root), `backends` and `grammar` lie beside this
# folder; installing puts them inside.
_here = os.path.dirname(os.path.abspath(__file__))
if not os.path.isdir(os.path.join(_here, "backends")):
    __path__.append(os.path.dirname(_here))

_PLACES = {
    "compile": ("netlang.driver", "compile"),
    "data": ("netlang.runtime.data.sources", "load"),
    "export_onnx": ("netlang.interchange.exporting.api", "export_onnx"),
    "import_onnx": ("netlang.interchange.importing", "import_onnx"),
    "Dataset": ("netlang.runtime.data.dataset", "Dataset"),
    "load": ("netlang.runtime.artifact.loading", "load"),
    "Model": ("netlang.runtime.model", "Model"),
    "NetError": ("netlang.diagnostics", "NetError"),
    "Options": ("netlang.runtime.fit", "Options"),
    "Progress": ("netlang.runtime.fit", "Progress"),
    "Trainer": ("netlang.runtime.trainer", "Trainer"),
    "train": ("netlang.runtime.course", "train"),
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'netlang' has no attribute '{name}'")
    module, attribute = _PLACES[name]
    value = getattr(import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
