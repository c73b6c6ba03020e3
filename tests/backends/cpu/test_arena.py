"""A program's arena, which its claims alone give, is the one that the graph's memory plan has."""

from __future__ import annotations

from typing import Any

import pytest

from netlang.backends.common.homes import find_homes
from netlang.backends.common.planning import plan_memory
from netlang.backends.cpu.arena import kept_bytes, plan_arena
from netlang.backends.cpu.backend import Cpu, lowered
from netlang.backends.cpu.executable import called
from netlang.backends.cpu.program import ARENA
from netlang.backends.cpu.target import host
from netlang.backends.cpu.translation import Translation
from netlang.driver import assemble, stages
from netlang.frontend import load
from netlang.passes.manager import PassManager

NETS = {
    "convolutions, a branch": """net n {
  input x: f32[N, 16, 12, 12]
  a = x -> conv(16, 3, pad = 1) -> relu
  b = x -> conv(16, 1) -> tanh
  output y = concat(a, b, axis = 1) -> conv(32, 3, pad = 1) -> relu -> maxpool(2) -> flatten -> dense(7)
}""",
    "a loop": """net n {
  input x: f32[N, T, 12]
  hs = x -> lstm(20) -> layernorm
  output y = hs -> gru(8) -> mean(axis = 1)
}""",
    "in place": """net n {
  input x: f32[N, 300]
  output y = softmax(exp(x -> dense(64)) -> dense(64) -> relu) -> dense(9)
}""",
}


@pytest.mark.parametrize("text", NETS.values(), ids=NETS)
def test_the_same_arena(text: str) -> None:
    backend = Cpu()
    graph = PassManager().run(load(text).net, stages(backend, train=False))
    context, steps = lowered(graph, host())
    homes = find_homes(context, steps)
    program = Translation(context, homes, called(graph, homes, steps)).program
    for n, t in ((1, 1), (2, 5), (33, 3), (0, 4), (100, 0)):
        sizes: dict[str, Any] = {name: n if name == "N" else t for name in graph.symbols}
        plan, arena = plan_memory(context, homes, sizes), plan_arena(program, sizes)
        assert (arena.bytes, kept_bytes(program)) == (plan.peak, plan.kept)
    used = {use.room for line in program.lines for use in line.uses if use.room.home == ARENA}
    assert used <= set(plan_arena(program, dict.fromkeys(graph.symbols, 2)).offsets)


def test_planned_bytes_are_the_arenas() -> None:
    model = assemble(load(NETS["a loop"]), Cpu(), None, 1)
    sizes = {"N": 3, "T": 4}
    compiled: Any = model.compiled
    program = compiled.executable._program
    assert model.compiled.planned_bytes(sizes) == plan_arena(program, sizes).bytes + kept_bytes(program)
