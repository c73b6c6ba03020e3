"""The part of docs/benchmarks.md about nets as files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.machine import is_current
from benchmarks.shipped.formats import OWN
from netlang.cli.output import bytes_text, count

TITLES = {"lenet5": "LeNet-5", "resnet50": "ResNet-50", "lstm": "LSTM, 64 steps, 128 to 256"}
"""The nets, in the order of the table."""

_NOTES = """\
Written by `python -m benchmarks.files`. Each net is one file: netlang's has code for four kinds of processors and is
run by the wheel that `make runtime` builds; onnxruntime reads ONNX; torch reads TorchScript, traced and frozen; *torch
AOTInductor* is `torch.export` compiled by `aoti_compile_and_package`. *To the first answer* is the time of a whole
process that imports what it needs, opens the file and answers once for one picture or sequence; beside it the median of
its ratio to a process that does nothing but import NumPy, taken in turns. *Calls a second* are made one after the other
in processes that live side by side and are asked in turn; the ratio is ours to the best of the others, the median of
the rounds. Answers are compared: netlang's file has the bits of the model it was made from, the others may differ by
1e-3 of the largest number.
"""


def section(found: Mapping[str, Any]) -> list[str]:
    """The heading, the notes and the tables; nothing where nothing was measured."""
    nets = [net for net in TITLES if "by" in found.get(net, {})]
    if not nets:
        return []
    heads = "net | run by | file | to the first answer, ms | by NumPy's import | calls/s | ratio | threads | commit"
    lines = [f"| {heads} |", "|---|---|--:|--:|--:|--:|--:|--:|--:|"]
    lines += [line for net in nets for line in _lines(net, found[net])]
    return ["## Files that need no compiler\n", _NOTES, "\n".join(lines) + "\n", *(_below(n, found[n]) for n in nets)]


def _lines(net: str, figures: Mapping[str, Any]) -> list[str]:
    lines = []
    for who, f in figures["by"].items():
        own = who == OWN
        start, rate = f"{f['start'] * 1e3:.0f}", f"{1 / f['call']:,.0f}"
        parts = [TITLES[net], f"**{who}**" if own else who, bytes_text(f["bytes"]), start, f"{f['start ratio']:.2f}"]
        ratio = f"{figures['ratio']:.2f}" if own and figures["ratio"] else ""
        parts += [rate, ratio, str(figures["threads"]), _commit(figures) if own else ""]
        lines.append(f"| {' | '.join(parts)} |")
    return lines


def _below(net: str, figures: Mapping[str, Any]) -> str:
    """What there is to say of a net besides."""
    code = {name: size for name, size in figures["code"].items() if name != "stored"}
    sizes = ", ".join(f"{count(size)} bytes for {name}" for name, size in code.items())
    text = (
        f"{TITLES[net]}: machine code of {sizes}, {bytes_text(sum(code.values()))} in all; with its programs it takes "
    )
    text += f"{bytes_text(figures['code']['stored'])} of the file, compressed. NumPy's import took "
    text += f"{figures['numpy'] * 1e3:.0f} ms. Load before: {figures['load']}."
    if figures["skipped"]:
        text += " Not measured: " + "; ".join(f"{who} ({why})" for who, why in figures["skipped"].items()) + "."
    return text + "\n"


def _commit(figures: Mapping[str, Any]) -> str:
    commit: str = figures.get("revision", "")
    return commit if is_current(commit) else f"{commit}, older" if commit else "–"
