"""A net from a file on a GPU: its kernels are in the file, and numba-cuda is not needed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netlang.backends.common.loaded import LoadedNet
from netlang.backends.cuda import toolchain
from netlang.backends.cuda.architecture import capability, machine_code_runs, named, ptx_runs
from netlang.backends.cuda.backend import lowered
from netlang.backends.cuda.device import Device
from netlang.backends.cuda.devices import default_device
from netlang.backends.cuda.executable import Executable
from netlang.backends.cuda.packaging import options_of
from netlang.backends.cuda.settled import Settled
from netlang.backends.cuda.target import CudaTarget
from netlang.backends.cuda.toolchain import Cubin, Identity, Ptx, Resources
from netlang.diagnostics import NetError
from netlang.ir.parse import parse_graph
from netlang.runtime.artifact.container import Artifact
from netlang.runtime.parameters import Store
from netlang.runtime.ports import Array

_UNKNOWN = Resources(0, 0, 0, 0)


class Loaded(LoadedNet):
    """One net of a file, on the first GPU; `level` is the architecture whose code it is carried out by.

    The graph is lowered again, for the target that it was compiled for; that gives the kernels which the file has.
    """

    def __init__(
        self,
        artifact: Artifact,
        net: str | None,
        threads: int | None,
        level: str | None,
        device: Device | None = None,
    ) -> None:
        """`threads` has no meaning here. Raises NetError where there is no GPU, or the file has no code for it."""
        super().__init__(artifact, net)
        device = device or default_device()
        by_arch: Mapping[str, Any] = self._content["cuda"]
        self.level = chosen(artifact.path, by_arch, device.target.arch, level)
        for kernel in by_arch[self.level]["kernels"]:
            _offer(artifact, kernel, device.target.arch)
        graph = parse_graph(self._content["graph"])
        target, options = CudaTarget(**by_arch[self.level]["target"]), options_of(artifact.content["options"])
        context, steps = lowered(graph, target, options, Settled(by_arch[self.level]["ways"]))
        self._executable = Executable(graph, context, steps, device)
        self._adopt = self._executable.adopt
        self._store = Store(self._params)

    def carry_out(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """One call with arrays that fit."""
        return self._executable.run(inputs, self._store)


def chosen(path: str, by_arch: Mapping[str, Any], own: str, level: str | None) -> str:
    """Which architecture's code a GPU of the architecture `own` takes: machine code rather than PTX, and the latest.

    Raises NetError where there is none, or none of the one that is asked for.
    """
    wanted = list(by_arch) if level is None else [name for name in by_arch if name == named(level)]
    found = []
    for name in wanted:
        kernels = by_arch[name]["kernels"]
        if machine_code_runs(name, capability(own)) and all("machine_code" in kernel for kernel in kernels):
            found.append((True, capability(name), name))
        elif all("ptx" in kernel and ptx_runs(_written_for(kernel), capability(own)) for kernel in kernels):
            found.append((False, capability(name), name))
    if not found:
        has = ", ".join(f"sm_{name}" for name in by_arch)
        asked = "" if level is None else f" by the name of {level}"
        raise NetError(
            f"{path} has no code{asked} that a GPU of architecture sm_{own} runs: it was compiled for {has}",
            hint=f"netc compile --target cuda --arch sm_{own} makes some",
        )
    return max(found)[-1]


def _written_for(kernel: Mapping[str, Any]) -> str:
    """The architecture of a kernel's PTX, which the name of the member says: cuda/compute_80/..."""
    return str(kernel["ptx"]).split("/")[1].removeprefix("compute_")


def _offer(artifact: Artifact, kernel: Mapping[str, Any], own: str) -> None:
    """Let the toolchain give out what the file has of a kernel, for the architecture of this GPU."""
    identity = Identity(kernel["source"], kernel["arguments"], kernel["threads"], kernel["blocks_per_sm"])
    if "ptx" in kernel:
        entry = kernel["ptx"].rpartition("/")[2]
        text = bytes(artifact.member(kernel["ptx"])).decode("ascii")
        toolchain.offer(identity, Ptx(entry, _written_for(kernel), text))
        # The driver takes either for a module.
        toolchain.offer(identity, Cubin(entry, own, text.encode("ascii") + b"\0", _UNKNOWN))
    if "machine_code" in kernel and machine_code_runs(_named_in(kernel), capability(own)):
        entry = kernel["machine_code"].rpartition("/")[2]
        toolchain.offer(identity, Cubin(entry, own, bytes(artifact.member(kernel["machine_code"])), _UNKNOWN))


def _named_in(kernel: Mapping[str, Any]) -> str:
    return str(kernel["machine_code"]).split("/")[1].removeprefix("sm_")
