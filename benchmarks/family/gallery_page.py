"""The gallery as Markdown: every family with its source, its nets, what they reached, and pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from benchmarks.family.figures import Demand, Shown, value_text
from benchmarks.family.records import EXAMPLES, Family, Net, Training
from netlang.frontend import load
from netlang.ir import dims
from netlang.ir.graph import Graph
from netlang.ir.work import multiply_adds
from netlang.passes import inference_pipeline
from netlang.passes.manager import PassManager

HEAD = """# Gallery

Every network of the family: where it is from, how large it is, what it reached here. Written by
`python -m benchmarks.gallery`; the figures are those of `docs/results.json`, which `python -m benchmarks.results`
measures: one run each, from a fixed seed, on two shared cores of an x86-64 machine. Multiply-adds are those of one
sample.
"""

Known = Mapping[tuple[str, str], Shown]


def page(families: tuple[Family, ...], known: Known) -> str:
    """The whole page."""
    return (
        "\n".join([HEAD, _contents(families, known), *(line for f in families for line in _section(f, known))]) + "\n"
    )


def _contents(families: tuple[Family, ...], known: Known) -> str:
    rows = ["| family | nets | asked and reached |", "|---|---|---|"]
    for family in families:
        reached = [text for t in family.trainings for text in _asked(t, known.get((family.name, t.name)))]
        rows.append(f"| [{family.title}](#{_anchor(family)}) | {len(family.nets)} | {'; '.join(reached)} |")
    return "\n".join(rows) + "\n"


def _anchor(family: Family) -> str:
    words = "".join(c if c.isalnum() or c in " -_" else "" for c in family.title.lower())
    return words.replace(" ", "-")


def _asked(training: Training, shown: Shown | None) -> Iterator[str]:
    for name, text in training.asked.items():
        if shown is None or name not in shown.figures:
            yield f"{training.name}: {name} {text}, not measured yet"
            continue
        value, demand = shown.figures[name], Demand.of(text)
        met = "" if demand.met(value) else ", **not reached**"
        yield f"{training.name}: {name} {value_text(name, value, training)} (asked {text}{met})"


def _section(family: Family, known: Known) -> Iterator[str]:
    yield f"\n## {family.title}\n"
    yield f"{family.source}. [More about it](../examples/{family.name}/README.md)\n"
    yield "| net | parameters | multiply-adds | outputs |"
    yield "|---|---|---|---|"
    for net in family.nets:
        yield _net(family, net)
    trained = [(t, known.get((family.name, t.name))) for t in family.trainings]
    if trained:
        yield "\n| training | figures | asked | time |"
        yield "|---|---|---|---|"
    for training, shown in trained:
        yield _training(training, shown)
    for _, shown in trained:
        for picture in shown.pictures if shown else ():
            yield f"\n![{picture.rsplit('.', 1)[0].replace('_', ' ')}](gallery/{family.name}/{picture})"


def _net(family: Family, net: Net) -> str:
    module = load(family.path(net.file), arguments=net.arguments)
    graph = module.nets[net.net] if net.net else module.net
    file = family.path(net.file).relative_to(EXAMPLES)
    outputs = ", ".join(f"{name} {list(shape)}" for name, shape in net.outputs.items())
    work = _madds(graph, {**dict.fromkeys(graph.symbols, 64), **net.sizes})
    published = f" ({net.published})" if net.published else ""
    given = "".join(f", {name} = {value}" for name, value in net.arguments.items())
    return f"| [{graph.name}{given}](../examples/{file}) | {net.parameters:,}{published} | {work:,} | {outputs} |"


def _madds(graph: Graph, sizes: Mapping[str, int]) -> int:
    """Multiply-adds of a call with these sizes, as `netc summary` counts them."""
    simplified = PassManager().run(graph, inference_pipeline(), after="dce")
    total: dims.Dim = 0
    for node in simplified.nodes:
        total = total + multiply_adds(node)
    return dims.evaluate(total, sizes)


def _training(training: Training, shown: Shown | None) -> str:
    asked = ", ".join(f"{name} {text}" for name, text in training.asked.items()) or "–"
    what = training.name + (f", {training.data}" if training.data and training.data not in training.name else "")
    if shown is None:
        return f"| {what} | not measured yet | {asked} | |"
    figures = ", ".join(f"{name} {value_text(name, value, training)}" for name, value in shown.figures.items())
    return f"| {what} | {figures} | {asked} | {shown.seconds:,.0f} s |"
