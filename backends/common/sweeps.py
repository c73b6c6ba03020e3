"""How often a nest must go over its reduced axes, and what each sweep computes and stores."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from netlang.backends.common.element import register_name
from netlang.backends.common.nest import REDUCTIONS, NestCode, OperandCode

EXPENSIVE = frozenset({"exp", "log", "tanh", "erf", "sigmoid", "gelu", "softplus", "elu", "pow", "sqrt"})
"""What a processor had rather read back than compute again."""


@dataclass
class Plan:
    """What to do when.

    A value is `fixed` if it is the same all along the loops inside a unit: the axes that are reduced or gone along, and
    the last axis where the nest walks along it. Fixed values are computed once per unit, before the sweep that first
    needs them.

    reductions  per sweep: the reductions (positions of instructions) it completes
    stores      per sweep: the element results (numbers of stores) it writes
    final       stores of fixed results, after the last sweep
    spills      per sweep: (store, instruction): an expensive value put where a later sweep puts the result
    stored      values to be read back: instruction -> (sweep that stores it, number of the store)
    unroll      vectors that one loop body handles
    """

    walking: bool
    fixed: list[bool]
    reductions: list[list[int]]
    stores: list[list[int]]
    final: list[int]
    spills: list[list[tuple[int, int]]]
    stored: dict[int, tuple[int, int]] = field(default_factory=dict)
    unroll: int = 1

    @property
    def sweeps(self) -> int:
        return len(self.stores)


def plan_sweeps(code: NestCode, expensive: Collection[str] = EXPENSIVE) -> Plan:
    """Assign reductions and stores to as few sweeps as their dependences allow; values of `expensive` ops that several
    sweeps need are kept in memory."""
    loops = set(code.axes) & {"r", "l"}
    walking = code.axes[-1] == "r" or (not loops and code.axes[-1] == "k")
    inside = [i for i, kind in enumerate(code.axes) if kind in "rl" or (walking and i == len(code.axes) - 1)]
    fixed, level = _analysed(code, inside)
    element = [s for s, (operand, _) in enumerate(code.stores) if _moves(operand, inside)]
    reductions = [i for i, x in enumerate(code.instructions) if x.op in REDUCTIONS]
    last = max([level[i] - 1 for i in reductions] + [level[code.stores[s][1]] for s in element], default=0)
    plan = Plan(
        walking,
        fixed,
        reductions=[[i for i in reductions if level[i] - 1 == sweep] for sweep in range(last + 1)],
        stores=[[s for s in element if level[code.stores[s][1]] == sweep] for sweep in range(last + 1)],
        final=[s for s in range(len(code.stores)) if s not in element],
        spills=[[] for _ in range(last + 1)],
        unroll=_unroll(code, fixed),
    )
    _keep_expensive(code, plan, level, expensive)
    return plan


def _moves(operand: OperandCode, inside: Iterable[int]) -> bool:
    return any(operand.strides[i] != "0" for i in inside)


def _analysed(code: NestCode, inside: list[int]) -> tuple[list[bool], list[int]]:
    """Per instruction: whether it is fixed, and how many reductions, one after the other, it depends on."""
    fixed: list[bool] = []
    level: list[int] = []
    for x in code.instructions:
        level.append(max((level[i] for i in x.inputs), default=0) + (x.op in REDUCTIONS))
        if x.op in ("load", "index"):
            fixed.append(not _moves(code.loads[x.attr("operand")], inside))
        elif x.op == "iota":
            fixed.append(x.attr("axis") not in inside)
        else:
            fixed.append(x.op in REDUCTIONS or all(fixed[i] for i in x.inputs))
    return fixed, level


def _unroll(code: NestCode, fixed: list[bool]) -> int:
    """Enough vectors to hide the latency of the accumulators, few enough to stay in registers; what is fixed
    is computed outside the loops."""
    if "r" not in code.axes or code.axes[-1] == "v":
        return 1
    sums = sum(x.op in REDUCTIONS for x in code.instructions)
    moving = [x for x, still in zip(code.instructions, fixed, strict=True) if not still]
    weight = len(moving) + 8 * sum(x.op in EXPENSIVE for x in moving)
    if sums > 4 or weight > 24:
        return 1
    return 2 if sums > 2 or weight > 10 else 4


def cone(code: NestCode, roots: Iterable[int], stop: Iterable[int] = ()) -> set[int]:
    """The instructions that `roots` are computed from, themselves included; not beyond reductions and `stop`."""
    found: set[int] = set()
    ends = set(stop)
    stack = list(roots)
    while stack:
        i = stack.pop()
        if i not in found:
            found.add(i)
            if code.instructions[i].op not in REDUCTIONS and i not in ends:
                stack.extend(code.instructions[i].inputs)
    return found


def _keep_expensive(code: NestCode, plan: Plan, level: list[int], expensive: Collection[str]) -> None:
    """Find expensive element values needed in several sweeps, and memory for them: their own, or a later result's."""
    needed = [cone(code, _roots(code, plan, sweep)) for sweep in range(plan.sweeps)]
    own = {code.stores[s][1]: s for stores in reversed(plan.stores) for s in stores}
    taken: set[int] = set()
    for i, x in enumerate(code.instructions):
        uses = [sweep for sweep in range(plan.sweeps) if i in needed[sweep]]
        if x.op not in expensive or plan.fixed[i] or len(uses) < 2:
            continue
        if i in own and _exact(code, own[i], i):
            plan.stored[i] = (level[i], own[i])
            continue
        for sweep in range(uses[-1], plan.sweeps):
            room = [s for s in plan.stores[sweep] if s not in taken and _exact(code, s, i)]
            if room and sweep > uses[0]:
                taken.add(room[0])
                plan.spills[uses[0]].append((room[0], i))
                plan.stored[i] = (uses[0], room[0])
                break


def _roots(code: NestCode, plan: Plan, sweep: int) -> list[int]:
    """What a sweep computes directly."""
    inputs = [code.instructions[r].inputs[0] for r in plan.reductions[sweep]]
    return inputs + [code.stores[s][1] for s in plan.stores[sweep]]


def _exact(code: NestCode, store: int, instruction: int) -> bool:
    """Whether a store's memory holds the instruction's value without rounding it."""
    dtype = code.stores[store][0].dtype
    return dtype in ("f32", "f64") and dtype == register_name(code.instructions[instruction].dtype)


def frontier(code: NestCode, plan: Plan, sweep: int) -> list[int]:
    """The fixed values that a sweep's element values are made of directly, in order."""
    roots = _roots(code, plan, sweep)
    fixed = {i for i, is_fixed in enumerate(plan.fixed) if is_fixed}
    return sorted(cone(code, roots, stop=fixed) & fixed)
