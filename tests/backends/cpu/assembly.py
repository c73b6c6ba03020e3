"""Reading assembly: innermost loops, their arithmetic on vectors, and their traffic with the stack.

A spill is an instruction that moves a vector register to or from memory addressed by the stack pointer, or by the frame
pointer where the function sets one up. What counts is the loops in which the sums of a tile are formed: those that
multiply and add vectors. A loop is what lies between a label and a jump back to it; an innermost one holds no other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from netlang.backends.cpu.target import X86, Target


@dataclass(frozen=True)
class Loop:
    """Counts of instructions: packed multiplications (fused with an addition or not), single ones, spills."""

    packed: int
    single: int
    spills: int


@dataclass(frozen=True)
class _Syntax:
    label: re.Pattern[str]
    jump: re.Pattern[str]
    packed: re.Pattern[str]
    single: re.Pattern[str]
    vector: re.Pattern[str]
    stack: re.Pattern[str]
    frame: re.Pattern[str]
    framed: re.Pattern[str]


_X86 = _Syntax(
    re.compile(r"(\.LBB\w+):"),
    re.compile(r"\s+j\w+\s+(\.LBB\w+)"),
    re.compile(r"\s+v?(fn?madd\w*|mul)ps\s"),
    re.compile(r"\s+v?(fn?madd\w*|mul)ss\s"),
    re.compile(r"%[xyz]mm\d"),
    re.compile(r"\(%rsp"),
    re.compile(r"\(%r[sb]p"),
    re.compile(r"\s+movq\s+%rsp, %rbp"),
)
_ARM = _Syntax(
    re.compile(r"(\.LBB\w+):"),
    re.compile(r"\s+(?:b\.\w+|b|cbn?z\s+\w+,|tbn?z\s+\w+, #\d+,)\s+(\.LBB\w+)"),
    re.compile(r"\s+fml[as]\s+v|\s+fmul\s+v"),
    re.compile(r"\s+f(n?madd|n?msub|mul)\s+s"),
    re.compile(r"\s(?:st|ld)[rpu]\w*\s+[qds]\d|\{\s*v\d"),
    re.compile(r"\[sp\b"),
    re.compile(r"\[(?:sp|x29)\b"),
    re.compile(r"\s+(?:mov|add)\s+x29, sp"),
)


def inner_loops(assembly: str, target: Target) -> list[Loop]:
    """The innermost loops with multiplications."""
    syntax = _X86 if target.arch in X86 else _ARM
    lines = assembly.splitlines()
    stack = syntax.frame if any(map(syntax.framed.match, lines)) else syntax.stack
    spans = list(_loops(lines, syntax))
    inner = [s for s in spans if not any(o != s and s[0] <= o[0] and o[1] <= s[1] for o in spans)]
    found = []
    for first, last in inner:
        body = lines[first : last + 1]
        packed, single = (sum(bool(p.match(line)) for line in body) for p in (syntax.packed, syntax.single))
        if packed or single:
            found.append(Loop(packed, single, sum(bool(syntax.vector.search(t) and stack.search(t)) for t in body)))
    return found


def _loops(lines: list[str], syntax: _Syntax) -> Iterator[tuple[int, int]]:
    """First and last line of every loop."""
    labels: dict[str, int] = {}
    for i, line in enumerate(lines):
        label, jump = syntax.label.match(line), syntax.jump.match(line)
        if label:
            labels[label[1]] = i
        if jump and jump[1] in labels:
            yield labels[jump[1]], i
