"""Archives of cases: a few that are given pass on both backends, and what is no archive is told."""

from __future__ import annotations

import io
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from netlang import config
from netlang.diagnostics import NetError
from tests.conformance import cases as module
from tests.conformance.__main__ import main
from tests.conformance.cases import Case, cases
from tests.conformance.running import carried_out

pytest.importorskip("onnx")

FEW = (
    "test_add", "test_averagepool_2d_ceil", "test_basic_conv_with_padding", "test_convtranspose_pad", "test_div_bcast",
    "test_gemm_default_vector_bias", "test_reshape_zero_and_negative_dim", "test_resize_upsample_sizes_cubic",
    "test_slice_neg", "test_softmax_axis_1", "test_split_zero_size_splits_opset18", "test_operator_maxpool",
)  # fmt: skip


@pytest.fixture(scope="module")
def given() -> dict[str, Case]:
    path = Path(config.get("NETLANG_DATA") or "../shared/data") / "onnx_cases_dev.tar.gz"
    if not path.is_file():
        pytest.skip(f"there are no conformance cases: {path} is missing")
    return {case.name: case for case in cases(str(path))}


@pytest.mark.parametrize("target", ["reference", "cpu"])
def test_a_few_of_the_given_cases(given: dict[str, Case], target: str) -> None:
    chosen = FEW if target == "reference" else FEW[::3]  # compiling takes its time
    outcomes = [carried_out(given[name], target) for name in chosen]
    assert not {o.name: o.reason for o in outcomes if not o.passed}


def test_nothing_passes_without_an_answer(given: dict[str, Case]) -> None:
    case = given["test_add"]
    ((inputs, _),) = case.sets
    assert carried_out(replace(case, sets=()), "reference").reason == "there is no data to run it on"
    assert carried_out(replace(case, sets=((inputs, ()),)), "reference").reason == "there is no answer to compare with"


def archive(path: Path, names: list[str], body: bytes = b"abc") -> Path:
    with tarfile.open(path, "w:gz") as made:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = len(body)
            made.addfile(member, io.BytesIO(body))
        link = tarfile.TarInfo("node/linked/model.onnx")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        made.addfile(link)
    return path


def test_only_files_of_cases_are_read(tmp_path: Path) -> None:
    names = ["o/node/a/model.onnx", "o/node/a/test_data_set_0/input_0.pb", "../../evil", "node/b/other.txt"]
    (case,) = cases(str(archive(tmp_path / "a.tar.gz", names)))
    assert (case.group, case.name, case.model, case.sets) == ("node", "a", b"abc", (((b"abc",), ()),))
    assert [p.name for p in tmp_path.iterdir()] == ["a.tar.gz"]


def test_what_is_no_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = archive(tmp_path / "a.tar.gz", [f"node/{i}/model.onnx" for i in range(50)])
    (tmp_path / "cut").write_bytes(whole.read_bytes()[:100])
    (tmp_path / "text").write_text("text")
    for name in ("cut", "text", "missing"):
        with pytest.raises(NetError, match="cannot read"):
            cases(str(tmp_path / name))
    assert main([str(tmp_path / "text")]) == 2
    monkeypatch.setattr(module, "_MOST", 2)
    with pytest.raises(NetError, match="more than is read"):
        cases(str(whole))
