"""docs/benchmarks.md from the figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.machine import is_current
from benchmarks.networks import NETS, ROWS, TRAINING_BATCH
from benchmarks.plan import names, state
from benchmarks.shipped.table import section
from benchmarks.wanted import OWN, THREADS, missed, ratio, texts, wanted
from netlang.cli.output import bytes_text

TITLES = {"lenet5": "LeNet-5", "alexnet": "AlexNet", "alexnet+bfloat16": "AlexNet, weights as bfloat16"}
TITLES |= {"vgg16": "VGG-16", "googlenet": "GoogLeNet", "resnet50": "ResNet-50", "densenet121": "DenseNet-121"}
TITLES |= {"lstm": "LSTM, 64 steps, 128 to 256"}
INFERENCE = (
    ("torch", "torch"),
    ("torch channels-last", "torch channels-last"),
    ("torch frozen", "torch frozen"),
    ("torch.compile", "torch.compile"),
    ("onnxruntime", "onnxruntime"),
    ("onnxruntime no spinning", "onnxruntime, no spinning"),
    ("OpenVINO", "OpenVINO"),
    ("ncnn", "ncnn"),
)

_NOTES = """\
Written by `python -m benchmarks.compare`; the raw figures are in [benchmarks.json](benchmarks.json).

- **How.** Each row is a process of its own in which netlang and the peers are called in turn, a fraction of a second
  each with a rest before it, after a warm-up: same weights, same input, same number of threads, float32. Times are
  medians of single calls in milliseconds. *Ratio* is the best peer's median divided by ours: above 1 netlang is faster.
  *Ratio of fastest* is the same with everybody's fastest call, which neighbours disturb less. *Aim* is the ratio that
  netlang wants to reach there.
- **The peers at their best.** Each is built from netlang's own graph out of its native layers. torch: inference mode;
  plain, channels-last, and *frozen*: channels-last, batchnorm folded, weights pre-packed by TorchScript's
  `optimize_for_inference`. onnxruntime: all optimisations, bound input and output, with spinning threads and without.
  OpenVINO: latency mode, float32. ncnn: batchnorm folded, activations fused, Winograd and packed layouts on, nothing
  in halves; it takes one image at a time. torch trains with the fused SGD. `torch.compile` only where it is asked for,
  because it takes minutes to compile. `OMP_WAIT_POLICY=PASSIVE` is set because torch is several times slower without
  it on a machine that others use too. A dash: not measured.
- **AlexNet, weights as bfloat16** stores the weights of its dense layers in half the bytes (`weights_as="bfloat16"`);
  its peers compute in float32, and its output may differ from theirs by 2e-2 of the largest.
- **Outputs are compared** before anything is timed: a probability may differ by 1e-3 of the largest, a training loss by
  1e-3, over two steps; a row that does not agree is not printed. Nets with dropout draw other random numbers in
  torch, so their losses are not compared.
- **Of peak**: multiply-adds of the convolutions and matrix products as they are written, times two, per second, as a
  share of the FMA rate measured on the same threads in the same process just before. A disturbed peak makes the share
  look better than it is, and Winograd's savings can take it above 100 %.
- **Memory** is what netlang plans for activations, scratch and packed weights, without the parameters themselves.
  What processes really grow by is in a table of its own.
- **Calls** is how often the one called least was timed: with few calls on a busy machine a median says little. *Load*
  is the machine's load average before the row, *commit* the state of netlang that was measured.
- A training step is forward, backward and the update by SGD with momentum and weight decay.
"""


def page(found: Mapping[str, Any]) -> str:
    """The whole page as Markdown."""
    parts = ["# Benchmarks\n", _NOTES, *_machine(found)]
    for title, mode, batch, threads in _sections(found["cells"]):
        rows = list(_rows(found["cells"], mode, batch, threads))
        if rows:
            parts.append(f"## {title}\n")
            parts.append("\n".join(rows) + "\n")
    parts += [*_missed(found["cells"]), *section(found.get("files", {})), *_memory(found["memory"])]
    parts += [*_compile(found), *_unmeasured(found)]
    return "\n".join(parts)


def _machine(found: Mapping[str, Any]) -> list[str]:
    """What was measured with, and how quiet it was."""
    days = sorted({c["day"] for c in found["cells"].values()})
    loads = [c["load"] for c in found["cells"].values() if "load" in c]
    measured = f"Measured {' to '.join(dict.fromkeys(_ends(days)))}."
    parts = ["## Machine\n", f"{found['processor']}; {found['cores']} cores. {measured}\n"]
    if loads and max(loads) > found["cores"]:
        parts.append(
            f"**The cores were shared with other people's work** while this was measured (load average before each row "
            f"{min(loads)} to {max(loads)}, with {found['cores']} cores): read ratios rather than milliseconds, and "
            "read them with caution where the two ratios disagree. Rows that want every core at once suffer "
            "most; some are slower than the same on one thread.\n"
        )
    return [*parts, ", ".join(f"{name} {version}" for name, version in found["versions"].items()) + ".\n"]


def _ends(days: list[str]) -> list[str]:
    return [days[0], days[-1]] if days else []


def _sections(cells: Mapping[str, Any]) -> Iterator[tuple[str, str, int | None, int]]:
    keys = [name.split() for name in cells]
    for threads in sorted({int(k[3]) for k in keys}, reverse=True):
        many = f"{threads} thread{'s' if threads > 1 else ''}"
        for batch in sorted({int(k[2]) for k in keys if k[1] == "inference"}):
            yield f"Inference, batch {batch}, {many}", "inference", batch, threads
        yield f"Training step, batch 16 (LeNet-5: 32), {many}", "training", None, threads


def _rows(cells: Mapping[str, Any], mode: str, batch: int | None, threads: int) -> Iterator[str]:
    """The head and one line for each row that has been measured; nothing if none was."""
    named = {row: f"{row} {mode} {batch or TRAINING_BATCH.get(row, 16)} {threads}" for row in ROWS}
    there = {row: cells[name] for row, name in named.items() if "medians" in cells.get(name, {})}
    if not there:
        return
    peers = [(p, title) for p, title in INFERENCE if any(p in c["medians"] for c in there.values())]
    head = ["net", OWN, *(title for _, title in peers), "ratio", *(["aim"] if threads == THREADS else [])]
    head += ["ratio of fastest", "GFLOP/s", "of peak", "memory", "calls", "load", "commit"]
    yield f"| {' | '.join(head)} |"
    yield "|---" + "|--:" * (len(head) - 1) + "|"
    for row, cell in there.items():
        medians, own = cell["medians"], cell["medians"][OWN]
        rate = 2 * cell["madds"] / own
        aim = wanted(row, mode, cell["batch"])
        texts = [TITLES[row], f"**{milliseconds(own)}**"]
        texts += [milliseconds(medians[p]) if p in medians else "–" for p, _ in peers]
        texts += [_ratio_text(medians), *([f"{aim:g}" if aim else "–"] if threads == THREADS else [])]
        texts += [_ratio_text(cell["fastest"]), f"{rate / 1e9:.0f}", f"{rate / cell['peak']:.0%}"]
        texts += [f"{cell['memory'] / 1e6:.1f} MB", str(min(cell["calls"].values())), str(cell["load"])]
        yield f"| {' | '.join([*texts, _commit(cell)])} |"


def _commit(figures: Mapping[str, Any]) -> str:
    commit: str = figures.get("revision", "")
    return commit if is_current(commit) else f"{commit}, older" if commit else "–"


def _ratio_text(times: Mapping[str, float]) -> str:
    found = ratio(times)
    return "–" if found is None else f"{found:.2f}"


def milliseconds(seconds: float) -> str:
    """Three significant digits, all digits of large numbers."""
    value = seconds * 1e3
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _missed(cells: Mapping[str, Any]) -> list[str]:
    """Where the aim is missed, and what is written about it."""
    written = texts()
    lines = [
        f"- **{TITLES[(words := heading.split())[0]]}, {_mode_text(words[1:])}**: {shown:.2f} of {aim:g}. "
        + written.get(heading, "").replace("\n", "\n  ")
        for heading, shown, aim in missed(cells)
    ]
    return ["## Where the aim is missed, and why\n", "\n".join(map(str.rstrip, lines)) + "\n"] if lines else []


def _mode_text(words: list[str]) -> str:
    return "training step" if words[0] == "training" else f"inference, batch {words[1]}"


def _memory(found: Mapping[str, Any]) -> list[str]:
    """Resident memory of fresh processes."""
    lines = []
    for net in NETS:
        for who, figures in found.get(net, {}).get("by", {}).items():
            sizes = [bytes_text(figures[key]) if figures[key] else "–" for key in ("grown", "at most", "planned")]
            lines.append(f"| {' | '.join([TITLES[net], who, *sizes, _commit(found[net])])} |")
    if not lines:
        return []
    return [
        "## Memory, inference, batch 1\n",
        "By how much a fresh process grows when it makes a model, loads its weights and calls it five times, and by\n"
        "how much at most on the way; for netlang also what it plans, parameters and working memory. *Frozen*:\n"
        "weights only as compiled code reads them. Measured by `python -m benchmarks.memory`.\n",
        "\n".join(["| net | who | grown | at most | planned | commit |", "|---|---|--:|--:|--:|--:|", *lines]) + "\n",
    ]


def _compile(found: Mapping[str, Any]) -> list[str]:
    """Compile times, ours and (where it was asked for) torch.compile's."""
    times = found["compile"]
    there = [n for n in NETS if "cold" in times.get(n, {})]
    peers = _torch_compile(found["cells"])
    parts = []
    if there:
        rows = [
            f"| {TITLES[n]} | {times[n]['cold']:.2f} | {times[n]['warm']:.2f} | {_commit(times[n])} |" for n in there
        ]
        parts = [
            "## Compiling, seconds\n",
            "For inference, in a fresh process, imports of the compiler included. Warm: the code is in the cache on\n"
            "disk.\n",
            "\n".join(["| net | cold | warm | commit |", "|---|--:|--:|--:|", *rows]) + "\n",
        ]
    return [*parts, f"`torch.compile` took {', '.join(peers)}.\n"] if peers else parts


def _torch_compile(cells: Mapping[str, Any]) -> list[str]:
    found = []
    for name, cell in sorted(cells.items()):
        seconds = cell.get("prepared", {}).get("torch.compile")
        if seconds is not None:
            row, *words = name.split()
            found.append(f"{seconds:.0f} s for {TITLES[row]} ({_mode_text(words)}, threads: {words[2]})")
    return found


def _unmeasured(found: Mapping[str, Any]) -> list[str]:
    """Failures, and what nobody has measured."""
    states = {name: state(found, name) for name in names()}
    lines = [f"- {name}: {text}" for name, text in states.items() if text.startswith("failed")]
    missing = [name for name, text in states.items() if text == "missing"]
    for what in dict.fromkeys(name.split(" ", 1)[1] for name in missing):
        mode, *numbers = what.split()
        title = f"{_mode_text([mode, *numbers])}, threads: {numbers[1]}" if numbers else mode
        nets = [TITLES[name.split()[0]] for name in missing if name.split(" ", 1)[1] == what]
        lines.append(f"- {title}: {', '.join(nets)}")
    return ["## Not measured\n", "\n".join(lines) + "\n"] if lines else []
