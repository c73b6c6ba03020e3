"""Values of a graph written onto a sheet, each after what it reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from netlang.diagnostics import Diagnostic
from netlang.interchange.exporting.element_types import carried_out
from netlang.interchange.exporting.patterns import Match, Patterns
from netlang.interchange.exporting.record import Place, Unsupported
from netlang.interchange.exporting.sheet import Sheet
from netlang.ir.graph import Node, Value

if TYPE_CHECKING:
    from netlang.interchange.exporting.translation import Translation


class Writer:
    """Writes values of one graph onto a sheet.

    called   what values are called that are there
    wanted   what values are to be called
    made     the names of what operators on this sheet have made
    """

    def __init__(
        self,
        translation: Translation,
        sheet: Sheet,
        called: dict[Value, str],
        wanted: Mapping[Value, str],
        patterns: Patterns,
    ) -> None:
        self.translation, self.sheet, self.called = translation, sheet, called
        self.wanted, self.patterns = wanted, patterns
        self.made: set[str] = set()

    def write(self, roots: Sequence[Value]) -> None:
        """Write what `roots` depend on, each after what it reads. Iterative: a net may be thousands of layers deep."""
        for root in roots:
            stack = [root]
            while stack:
                value = stack[-1]
                if value in self.called:
                    stack.pop()
                    continue
                match = self.patterns.match(value.node) or self._alone(value.node)
                waiting = [v for v in match.inputs if v not in self.called]
                if waiting:
                    stack += reversed(waiting)
                else:
                    self._write(value.node, match)
                    assert value in self.called, f"the pattern at {value.node!r} leaves out what is asked for"

    def _alone(self, node: Node) -> Match:
        return Match(node.inputs, node.results, self._by_record, node.op)

    def _by_record(self, place: Place) -> Sequence[str] | str:
        return carried_out(place, self.translation.record_of(place.node))

    def _write(self, node: Node, match: Match) -> None:
        if node.op == "param":
            self.called[node.out] = self._parameter(node)
            return
        if node.op == "const" and node.out in self.wanted:
            self.called[node.out] = self.sheet.named_constant(node.attrs["value"], self.wanted[node.out])
            self.made.add(self.called[node.out])
            return
        since = len(self.sheet.nodes)
        place = Place(self.translation, self.sheet, node, tuple(self.called[v] for v in match.inputs))
        try:
            found = match.export(place)
        except Unsupported as fault:
            text = f"'{node.op}' cannot be exported to ONNX: {fault}"
            self.translation.faults.append(Diagnostic(text, node.spans[:1]))
            found = ["" for _ in match.makes]
        names = [found] if isinstance(found, str) else list(found)
        here = {name for n in self.sheet.nodes[since:] if n.op_type != "Constant" for name in n.output}
        for value, name in zip(match.makes, names, strict=True):
            wanted = self.wanted.get(value)
            self.called[value] = self._settled(name, wanted, f"{value.node.name}/{match.word}", since, here)

    def _settled(self, name: str, wanted: str | None, base: str, since: int, here: set[str]) -> str:
        """Give a value the name that is wanted, or one from `base`; what came from elsewhere stays or is copied.

        `here` are the names of what the operators from number `since` on have made.
        """
        if name not in here:
            if wanted is None:
                return name
            name = self.sheet.op("Identity", name)[0]
        elif wanted is None:
            wanted = self.translation.names.fresh(base)
        here.discard(name)
        self.sheet.rename(name, wanted, since)
        self.made.add(wanted)
        return wanted

    def _parameter(self, node: Node) -> str:
        """A weight as an initialiser, a fixed tensor as a constant, on the outermost sheet."""
        translation, array = self.translation, self.translation.arrays[node.name]
        if node.attrs["role"] == "frozen":
            return translation.sheet.named_constant(array, node.name)
        translation.weights[node.name] = array
        return node.name
