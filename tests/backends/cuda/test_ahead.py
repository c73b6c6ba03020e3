"""`netc compile --target cuda`: code for GPUs that need not be here, as an artifact."""

from __future__ import annotations

from pathlib import Path

import pytest

from netlang import NetError
from netlang.backends.base import Options, Portable
from netlang.backends.cuda import Cuda
from netlang.backends.cuda.ahead import kernels_of
from netlang.backends.cuda.target import CudaTarget
from netlang.backends.cuda.toolchain import identity
from netlang.backends.reference import Reference
from netlang.cli import main
from netlang.driver import backend_for
from netlang.ir.parse import parse_graph
from netlang.runtime.artifact import Artifact, open_artifact
from tests.backends.cuda import needs

NET = """
net bend {
  input x: f32[N, 16]
  output y = relu(x) * 2.0
}
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artifact for two architectures, made by the command."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "bend.net").write_text(NET)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NETLANG_CACHE", str(folder / "cache"))
        patch.delenv("NETLANG_BACKEND", raising=False)
        out = str(folder / "bend.netc")
        command = ["compile", str(folder / "bend.net"), "--target", "cuda", "--arch", "sm_80,9.0a", "-o", out]
        assert main(command) == 0
    return folder / "bend.netc"


def opened(made: Path) -> Artifact:
    artifact = open_artifact(made)
    artifact.check()
    return artifact


@needs.compiler
def test_an_artifact_has_machine_code_by_architecture_and_ptx_for_all(made: Path) -> None:
    artifact = opened(made)
    assert artifact.content["target"] == "cuda" and artifact.content["net"] == "bend"
    by_arch = artifact.content["nets"]["bend"]["cuda"]
    assert set(by_arch) == {"75", "80", "90a"}
    forms = {
        arch: {form for form in ("machine_code", "ptx") if form in kernel}
        for arch in by_arch
        for kernel in by_arch[arch]["kernels"]
    }
    assert forms == {"75": {"ptx"}, "80": {"machine_code", "ptx"}, "90a": {"machine_code", "ptx"}}
    # Without a word that only Hopper has, its machine code is made from the PTX of Ampere.
    assert by_arch["80"]["kernels"][0]["ptx"] == by_arch["90a"]["kernels"][0]["ptx"]
    for name in (name for name in artifact.members if name != "weights"):
        body = bytes(artifact.member(name))
        kind, arch, entry = name.split("/")[1].partition("_")[0], name.split("_")[1].split("/")[0], name.split("/")[2]
        if kind == "sm":
            assert body.startswith(b"\x7fELF") and entry.encode() in body
        else:
            assert f".target sm_{arch}".encode() in body and f".entry {entry}(".encode() in body


@needs.compiler
def test_who_loads_it_finds_the_kernels_of_the_graph_in_it(made: Path) -> None:
    content = opened(made).content["nets"]["bend"]
    graph = parse_graph(content["graph"])
    for arch, found in content["cuda"].items():
        target = CudaTarget(**found["target"])
        assert target.arch == arch
        kernels = kernels_of(graph, target, Options())
        assert [(k["key"], k["source"], k["arguments"], k["threads"], k["shared"]) for k in found["kernels"]] == [
            (k.key, identity(k).source, k.arguments, k.threads, k.shared) for k in kernels
        ]


@needs.compiler
def test_the_same_net_gives_the_same_bytes(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETLANG_CACHE", str(tmp_path / "another"))
    monkeypatch.delenv("NETLANG_BACKEND", raising=False)
    out = tmp_path / "again.netc"
    net = str(made.with_name("bend.net"))
    assert main(["compile", net, "--target", "cuda", "--arch", "sm_80,sm_90a", "-o", str(out)]) == 0
    assert out.read_bytes() == made.read_bytes()


@needs.compiler
def test_the_command_tells_what_the_code_takes(
    made: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NETLANG_CACHE", str(made.with_name("cache")))
    monkeypatch.delenv("NETLANG_BACKEND", raising=False)
    assert main(["compile", str(made.with_name("bend.net")), "--target", "cuda", "--arch", "80", "--batch", "3"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith("bend for cuda in ")
    assert out[1].split()[:2] == ["architecture", "kernels"]
    assert out[2].split()[:2] == ["sm_80", "1"] and out[2].split()[3:5] == ["0", "0"]
    assert out[3].endswith("with N = 3")


def test_an_unknown_architecture_and_a_target_without_any_are_faults_of_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("NETLANG_BACKEND", raising=False)
    (tmp_path / "bend.net").write_text(NET)
    net = str(tmp_path / "bend.net")
    assert main(["compile", net, "--target", "cuda", "--arch", "sm_9"]) == 2
    assert "there is no code for an architecture 'sm_9'" in capsys.readouterr().err
    assert main(["compile", net, "--target", "reference", "--arch", "sm_80"]) == 2
    assert "target 'reference' generates code for this machine alone" in capsys.readouterr().err


def test_only_cuda_generates_code_for_other_machines() -> None:
    assert isinstance(Cuda(), Portable)
    assert not isinstance(Reference(), Portable)


def test_without_a_gpu_no_architecture_is_here(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> None:
        raise NetError("no GPU")

    monkeypatch.setattr("netlang.backends.cuda.backend.default_device", none)
    monkeypatch.delenv("NETLANG_BACKEND", raising=False)
    backend = backend_for("cuda")
    assert isinstance(backend, Cuda) and backend.here() == ()
