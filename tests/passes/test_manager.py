"""The pass manager: order, `after`, verification, dumps, times."""

from __future__ import annotations

from pathlib import Path

import pytest

from netlang.diagnostics import NetError
from netlang.ir.build import Builder
from netlang.ir.graph import Graph
from netlang.ir.parse import parse_graph
from netlang.ir.text import print_graph
from netlang.ir.types import DType, TensorType
from netlang.ir.verify import VerifyError
from netlang.passes import cse, simplify
from netlang.passes.manager import Pass, PassManager


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NETLANG_DUMP", "NETLANG_TIMING", "NETLANG_VERIFY"):
        monkeypatch.delenv(name, raising=False)


def graph() -> Graph:
    x = Builder().input("x", TensorType(DType.F32, (3,)))
    return Graph("net", (x,), (), (("y", Builder().neg(Builder().neg(x))),))


def break_it(g: Graph) -> Graph:
    return g.replace(inputs=())


BREAK = Pass("break", break_it)
SAME = Pass("same", lambda g: g, ensures=frozenset({"sameness"}))
NEEDY = Pass("needy", lambda g: g, requires=frozenset({"sameness"}))


def test_passes_run_in_order_and_are_observed() -> None:
    seen: list[tuple[str, int]] = []
    passes = [SAME, simplify.PASS, cse.PASS]
    after = PassManager().run(graph(), passes, observe=lambda name, g: seen.append((name, len(g.nodes))))
    assert seen == [("input", 3), ("same", 3), ("simplify", 1), ("cse", 1)]
    assert len(after.nodes) == 1


def test_after_stops_behind_the_first_pass_of_that_name() -> None:
    assert len(PassManager().run(graph(), [SAME, simplify.PASS, BREAK], after="simplify").nodes) == 1
    assert len(PassManager().run(graph(), [SAME, simplify.PASS, SAME], after="same").nodes) == 3


def test_an_unknown_after_lists_the_passes() -> None:
    with pytest.raises(NetError, match="no pass 'simplfy'") as caught:
        PassManager().run(graph(), [SAME, simplify.PASS, SAME], after="simplfy")
    assert "the passes are same, simplify" in str(caught.value)


def test_a_pass_that_breaks_the_graph_is_named() -> None:
    with pytest.raises(VerifyError, match="after break: graph net"):
        PassManager().run(graph(), [SAME, BREAK])


def test_the_input_is_verified_too() -> None:
    with pytest.raises(VerifyError, match="after input"):
        PassManager().run(break_it(graph()), [])


def test_verification_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    assert PassManager(verifying=False).run(graph(), [BREAK]).inputs == ()
    monkeypatch.setenv("NETLANG_VERIFY", "0")
    assert PassManager().run(graph(), [BREAK]).inputs == ()


def test_requirements_are_checked() -> None:
    assert PassManager().run(graph(), [SAME, NEEDY]).ensures == {"sameness"}
    with pytest.raises(VerifyError, match="needy requires 'sameness'"):
        PassManager().run(graph(), [NEEDY, SAME])


def test_dumps_go_to_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETLANG_DUMP", str(tmp_path / "new"))
    start = graph()
    PassManager().run(start.replace(name="a/b"), [simplify.PASS])
    files = sorted(p.name for p in (tmp_path / "new").iterdir())
    assert files == ["a_b.00-input.ir", "a_b.01-simplify.ir"]
    assert parse_graph((tmp_path / "new" / files[0]).read_text()).outputs[0][0] == "y"


def test_the_graph_a_pass_broke_is_dumped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETLANG_DUMP", str(tmp_path))
    with pytest.raises(VerifyError):
        PassManager().run(graph(), [BREAK])
    assert "neg(" in (tmp_path / "net.01-break.ir").read_text()


def test_dumps_go_to_standard_error(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("NETLANG_DUMP", "-")
    PassManager().run(graph(), [simplify.PASS])
    assert f"# net after input\n{print_graph(graph())}" in capsys.readouterr().err


def test_a_dump_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NETLANG_DUMP", str(tmp_path / "file"))
    with pytest.raises(NetError, match="NETLANG_DUMP: cannot write"):
        PassManager().run(graph(), [])


def test_times_are_printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("NETLANG_TIMING", "1")
    PassManager().run(graph(), [simplify.PASS])
    assert "simplify" in (text := capsys.readouterr().err)
    assert "3 -> 1 nodes" in text
