"""Graphs from a file on a GPU: their kernels are in the file, and numba-cuda is not needed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netlang.backends.common.loaded import LoadedNet
from netlang.backends.common.loaded_file import LoadedFile
from netlang.backends.common.machine import Machine, Run
from netlang.backends.cuda import toolchain
from netlang.backends.cuda.architecture import capability, machine_code_runs, named, ptx_runs
from netlang.backends.cuda.arrays import adopted
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
from netlang.runtime.parameters import Store, settle, touch
from netlang.runtime.ports import Array

_UNKNOWN = Resources(0, 0, 0, 0)


class CudaMachine(Machine):
    """A GPU; `level` is the architecture whose code the net that was compiled for is carried out by.

    Graphs are lowered again, for the target that they were compiled for; that gives the kernels which the file has.
    """

    def __init__(self, artifact: Artifact, level: str | None, device: Device) -> None:
        """Raises NetError where the file has no code for the GPU."""
        self._artifact, self._device, self._wanted = artifact, device, level
        self._options = options_of(artifact.content["options"])
        self.level = self._chosen(artifact.content["nets"][artifact.content["net"]])

    def graph(self, key: str, said: Mapping[str, Any], params: Mapping[str, Array]) -> Run:
        """A graph of the file over these parameters."""
        found = said["cuda"][self._chosen(said)]
        for kernel in found["kernels"]:
            _offer(self._artifact, kernel, self._device.target.arch)
        graph = parse_graph(said["graph"])
        context, steps = lowered(graph, CudaTarget(**found["target"]), self._options, Settled(found["ways"]))
        executable, store = Executable(graph, context, steps, self._device), Store(params)
        return lambda inputs: executable.run(inputs, store)

    def _chosen(self, said: Mapping[str, Any]) -> str:
        return chosen(self._artifact.path, said["cuda"], self._device.target.arch, self._wanted)

    def settle(self) -> None:
        """What a step has changed is on the GPU until somebody asks for it."""
        settle()

    def changed(self) -> None:
        """The GPU gets them anew."""
        touch()

    def adopt(self, value: Any) -> Any:
        """An array of any library in the memory of the GPU."""
        return adopted(self._device, value)


def loaded(
    artifact: Artifact, net: str | None, threads: int | None, level: str | None, device: Device | None = None
) -> LoadedNet:
    """A net of a file, on the first GPU if not on another `device`; `threads` has no meaning here.

    Raises NetError where there is no GPU, the file has no code for it, or no net of that name.
    """
    return LoadedNet(LoadedFile(artifact, CudaMachine(artifact, level, device or default_device())), net)


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
