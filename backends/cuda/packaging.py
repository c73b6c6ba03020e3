"""Compiled nets as files: what the cuda backend has to say in a manifest, and its members.

content["options"]                        what was asked of the code
content["nets"][name]["graph"]            the net as it is carried out, in the text form of graphs
content["nets"][name]["cuda"][arch]       the kernels of that architecture: see `ahead`

and the same of the training steps in content["steps"].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from netlang.backends.base import Deployed, Options, Package, Request
from netlang.backends.cuda.ahead import ahead
from netlang.ir.text import print_graph
from netlang.ir.types import DType
from netlang.passes.manager import Pass, PassManager


def package(graphs: Sequence[Deployed], request: Request, options: Options, passes: Sequence[Pass]) -> Package:
    """Everything that running these graphs on GPUs takes, but for the weights; `request.machines` are architectures.

    Raises NetError for an architecture that there is no code for.
    """
    said: dict[str, Any] = {}
    members: dict[str, bytes] = {}
    for deployed in graphs:
        graph = PassManager().run(deployed.graph, passes)
        code = ahead(graph, options, request.machines)
        members |= code.members
        said[deployed.key] = {"graph": print_graph(graph), "least": {}, "largest": {}, **code.content}
    return Package({"options": written(options)}, said, members)


def written(options: Options) -> dict[str, Any]:
    """Options as a manifest has them."""
    return {**asdict(options), "weights_as": options.weights_as and options.weights_as.value}


def options_of(found: dict[str, Any]) -> Options:
    """Options from a manifest. Raises TypeError or ValueError for what are none."""
    return Options(**{**found, "weights_as": DType(found["weights_as"]) if found["weights_as"] else None})
