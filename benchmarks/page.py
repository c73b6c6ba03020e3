"""docs/benchmarks.md from the figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.networks import NETS, TRAINING_BATCH

TITLES = {"lenet5": "LeNet-5", "alexnet": "AlexNet", "vgg16": "VGG-16", "googlenet": "GoogLeNet"}
TITLES |= {"resnet50": "ResNet-50", "densenet121": "DenseNet-121"}
OWN = "netlang"
INFERENCE = (
    ("torch", "torch"),
    ("torch channels-last", "torch channels-last"),
    ("torch frozen", "torch frozen"),
    ("torch.compile", "torch.compile"),
    ("onnxruntime", "onnxruntime"),
    ("onnxruntime no spinning", "onnxruntime, no spinning"),
    ("OpenVINO", "OpenVINO"),
)

_NOTES = """\
Written by `python -m benchmarks.compare`; the raw figures are in [benchmarks.json](benchmarks.json).

- **How.** Each row is a process of its own in which netlang and the peers are called in turn, a fraction of a second
  each with a rest before it, after a warm-up: same weights, same input, same number of threads, float32. Times are
  medians of single calls in milliseconds. *Ratio* is the best peer's median divided by ours: above 1 netlang is faster.
  *Ratio of fastest* is the same with everybody's fastest call, which neighbours disturb less.
- **The peers at their best.** Each is built from netlang's own graph out of its native layers. torch: inference mode;
  plain, channels-last, and *frozen*: channels-last, batchnorm folded, weights pre-packed by TorchScript's
  `optimize_for_inference`. onnxruntime: all optimisations, bound input and output, with spinning threads and without.
  OpenVINO: latency mode, float32. torch trains with the fused SGD. `OMP_WAIT_POLICY=PASSIVE` is set because torch is
  several times slower without it on a machine that others use too. A dash: not measured.
- **Outputs are compared** before anything is timed: a probability may differ by 1e-3 of the largest, a training loss by
  1e-3, over two steps; a row that does not agree is not printed. Nets with dropout draw other random numbers in
  torch, so their losses are not compared.
- **Of peak**: multiply-adds of the convolutions and matrix products as they are written, times two, per second, as a
  share of the FMA rate measured on the same threads in the same process just before. A disturbed peak makes the share
  look better than it is, and Winograd's savings can take it above 100 %.
- **Memory** is what netlang plans for activations, scratch and packed weights, without the parameters themselves.
- **Calls** is how often the one called least was timed: with few calls on a busy machine a median says little. *Load*
  is the machine's load average before the row, *commit* the state of netlang that was measured.
- A training step is forward, backward and the update by SGD with momentum and weight decay.
"""


def page(found: Mapping[str, Any]) -> str:
    """The whole page as Markdown."""
    days = sorted({c["day"] for c in found["cells"].values()})
    loads = [c["load"] for c in found["cells"].values() if "load" in c]
    parts = ["# Benchmarks\n", _NOTES]
    parts.append("## Machine\n")
    parts.append(f"{found['processor']}; {found['cores']} cores. Measured {' to '.join(dict.fromkeys(_ends(days)))}.\n")
    if loads:
        parts.append(
            f"**The cores were shared with other people's work** while this was measured (load average before each row "
            f"{min(loads)} to {max(loads)}, with {found['cores']} cores): read ratios rather than milliseconds, and "
            "read them with caution where the two ratios disagree. Rows that want every core at once suffer "
            "most; some are slower than the same on one thread.\n"
        )
    parts.append(", ".join(f"{name} {version}" for name, version in found["versions"].items()) + ".\n")
    for title, mode, batch, threads in _sections(found["cells"]):
        rows = list(_rows(found["cells"], mode, batch, threads))
        if rows:
            parts.append(f"## {title}\n")
            parts.append("\n".join(rows) + "\n")
    parts += _compile(found["compile"])
    parts += _failures(found["cells"])
    return "\n".join(parts)


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
    """The head and one row for each net that has been measured; nothing if none was."""
    named = {net: f"{net} {mode} {batch or TRAINING_BATCH.get(net, 16)} {threads}" for net in NETS}
    there = {net: cells[name] for net, name in named.items() if "medians" in cells.get(name, {})}
    if not there:
        return
    peers = [(p, title) for p, title in INFERENCE if any(p in c["medians"] for c in there.values())]
    head = (
        "net",
        OWN,
        *(title for _, title in peers),
        "ratio",
        "ratio of fastest",
        "GFLOP/s",
        "of peak",
        "memory",
        "calls",
    )
    head = (*head, "load", "commit")
    yield f"| {' | '.join(head)} |"
    yield "|---" + "|--:" * (len(head) - 1) + "|"
    for net, cell in there.items():
        medians, own = cell["medians"], cell["medians"][OWN]
        rate = 2 * cell["madds"] / own
        texts = [TITLES[net], f"**{milliseconds(own)}**"]
        texts += [milliseconds(medians[p]) if p in medians else "–" for p, _ in peers]
        texts += [ratio(medians), ratio(cell["fastest"])]
        texts += [f"{rate / 1e9:.0f}", f"{rate / cell['peak']:.0%}", f"{cell['memory'] / 1e6:.1f} MB"]
        texts += [str(min(cell["calls"].values())), str(cell["load"]), cell["revision"] or "–"]
        yield f"| {' | '.join(texts)} |"


def ratio(times: Mapping[str, float]) -> str:
    """The best peer's time divided by ours."""
    peers = [seconds for name, seconds in times.items() if name != OWN]
    return f"{min(peers) / times[OWN]:.2f}" if peers else "–"


def milliseconds(seconds: float) -> str:
    """Three significant digits, all digits of large numbers."""
    value = seconds * 1e3
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _compile(times: Mapping[str, tuple[float, float]]) -> list[str]:
    if not times:
        return []
    rows = [f"| {TITLES[n]} | {times[n][0]:.2f} | {times[n][1]:.2f} |" for n in NETS if n in times]
    return [
        "## Compiling, seconds\n",
        "For inference, in a fresh process without the import of netlang. Warm: the code is in the cache on disk.\n",
        "\n".join(["| net | cold | warm |", "|---|--:|--:|", *rows]) + "\n",
    ]


def _failures(cells: Mapping[str, Any]) -> list[str]:
    lines = [f"- {name}: {cell['failed']}" for name, cell in sorted(cells.items()) if "failed" in cell]
    for title, mode, batch, threads in _sections(cells):
        named = {net: f"{net} {mode} {batch or TRAINING_BATCH.get(net, 16)} {threads}" for net in NETS}
        missing = ", ".join(TITLES[net] for net, name in named.items() if name not in cells)
        lines += [f"- {title}: not run yet for {missing}"] if missing else []
    return ["## Not measured\n", "\n".join(lines) + "\n"] if lines else []
