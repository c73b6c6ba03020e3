"""Whether the tensors of a file, renamed, are the parameters of a net; and which are, where not all need be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from netlang.diagnostics import Diagnostic, NetError, closest, did_you_mean
from netlang.runtime.mapping.guessing import by_order
from netlang.runtime.mapping.renaming import Made, Renamed
from netlang.runtime.mapping.report import Loaded
from netlang.runtime.mapping.stored import Entry, Stored
from netlang.runtime.tensor_file import CHECKPOINT_ENTRY, MOST_FAULTS, Wanted

FLOATS = ("f16", "bf16", "f32", "f64")
_WIDER = {
    "f16": ("f32", "f64"), "bf16": ("f32", "f64"), "f32": ("f64",),
    "i8": ("i16", "i32", "i64"), "i16": ("i32", "i64"), "i32": ("i64",),
    "u8": ("u16", "i16", "u32", "i32", "u64", "i64"), "u16": ("u32", "i32", "u64", "i64"), "u32": ("u64", "i64"),
}  # fmt: skip
"""Element types that have every number of another one."""
COUNTER = "num_batches_tracked"
"""The last part of the name of what PyTorch's batch normalisation keeps and no result depends on."""


@dataclass(frozen=True)
class Demands:
    """partial   parameters may be lacking, and tensors be left out
    by_order  those whose names fit nowhere are paired by order and shape
    rounded   floating-point numbers may be rounded to the net's type
    """

    partial: bool = False
    by_order: bool = False
    rounded: bool = False


EXACT = Demands()


@dataclass
class _Fit:
    stored: Stored
    renamed: Renamed
    wanted: Mapping[str, Wanted]
    demands: Demands
    taken: dict[str, Made] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)
    faults: list[Diagnostic] = field(default_factory=list)

    def refuse(self, made: Made, reason: str, fault: Diagnostic) -> None:
        """A tensor is not taken: a fault, unless some may be left out."""
        for name in made.sources:
            self.left[name] = reason
        if not self.demands.partial:
            self.faults.append(fault)


def fit(
    stored: Stored, renamed: Renamed, wanted: Mapping[str, Wanted], demands: Demands
) -> tuple[dict[str, Made], Loaded]:
    """(of what each parameter is made, the report).

    Raises NetError that lists what is missing, unknown, or of another shape or element type, and where nothing fits.
    """
    found = _Fit(stored, renamed, wanted, demands)
    found.left.update({name: f"line {line} of the table drops it" for name, line in renamed.dropped.items()})
    _take(found)
    strange = {name: made for name, made in renamed.made.items() if name not in wanted}
    for name in [n for n in strange if n.rpartition(".")[2] == COUNTER]:
        found.left.update(dict.fromkeys(strange.pop(name).sources, "it counts batches, on which no result depends"))
    guessed: dict[str, str] = {}
    if demands.by_order:
        lacking = {n: Entry(w.dtype, w.shape, 0) for n, w in wanted.items() if n not in renamed.made}
        guessed = by_order({n: made_of(stored, m) for n, m in strange.items() if _possible(stored, m)}, lacking)
        for name, other in guessed.items():
            _check(found, name, strange.pop(other))
    lacking_names = [name for name in wanted if name not in found.taken]
    _refuse_strange(found, strange, [n for n in lacking_names if n not in renamed.made])
    if not demands.partial:
        _miss(found, [n for n in lacking_names if n not in renamed.made and n not in guessed], strange)
    _raise(found)
    report = Loaded(
        stored.path,
        {name: made.sources for name, made in found.taken.items()},
        frozenset(guessed).intersection(found.taken),
        tuple(lacking_names),
        found.left,
        tuple(f"line {rule.line}: {rule.text}" for rule in renamed.idle),
    )
    return found.taken, report


def made_of(stored: Stored, made: Made) -> Entry:
    """The type of a tensor. Raises ValueError where its terms do not add up or its axes are others."""
    entries = [stored.entries[name] for name in made.sources]
    first = entries[0]
    if any((e.dtype, e.shape) != (first.dtype, first.shape) for e in entries):
        raise ValueError("the terms of the sum are " + " and ".join(e.type for e in entries))
    if len(entries) > 1 and first.dtype not in FLOATS:
        raise ValueError(f"tensors of {first.dtype} are not added up")
    if made.axes is None:
        return first
    rank = len(first.shape)
    if len(made.axes) not in (0, rank) or rank < 2:
        raise ValueError(f"the axes of {first.type} cannot be exchanged so")
    return Entry(first.dtype, tuple([first.shape[axis] for axis in order(made.axes, rank)]), first.bytes)


def order(axes: tuple[int, ...], rank: int) -> tuple[int, ...]:
    """The order of axes that a rule asks for: () is the last two exchanged."""
    return axes or (*range(rank - 2), rank - 1, rank - 2)


def _possible(stored: Stored, made: Made) -> bool:
    try:
        made_of(stored, made)
    except ValueError:
        return False
    return True


def _take(found: _Fit) -> None:
    for name, made in found.renamed.made.items():
        if name in found.wanted:
            _check(found, name, made)


def _check(found: _Fit, name: str, made: Made) -> None:
    """Take a tensor for a parameter, if it is one."""
    want = found.wanted[name]
    what = f"tensor '{name}' of {found.stored.path}{_origin(found, name, made)}"
    place = tuple(want.spans[:1])
    try:
        entry = made_of(found.stored, made)
    except ValueError as fault:
        found.refuse(made, str(fault), Diagnostic(f"{what}: {fault}", place))
        return
    if entry.shape == want.shape and _fits(entry.dtype, want.dtype, found.demands.rounded):
        found.taken[name] = made
        return
    hint = ""
    if entry.shape == want.shape and {entry.dtype, want.dtype} <= set(FLOATS):
        hint = f"netc weights convert {found.stored.path} -o FILE --as {want.dtype} rounds"
    told = Diagnostic(f"{what}: expected {want.type}, got {entry.type}", place, hint=hint)
    found.refuse(made, f"it is {entry.type}, and '{name}' of the net {want.type}", told)


def _fits(dtype: str, wanted: str, rounded: bool) -> bool:
    return dtype == wanted or wanted in _WIDER.get(dtype, ()) or (rounded and {dtype, wanted} <= set(FLOATS))


def _origin(found: _Fit, name: str, made: Made) -> str:
    """` ('fc.kernel', layers.map:3)` where a tensor has another name there."""
    if made.sources == (name,) and not made.line:
        return ""
    line = f", {found.renamed.table}:{made.line}" if made.line else ""
    return f" ({' + '.join(map(repr, made.sources))}{line})"


def _refuse_strange(found: _Fit, strange: Mapping[str, Made], lacking: list[str]) -> None:
    for name in sorted(strange):
        made = strange[name]
        message = f"{found.stored.path} has a tensor '{name}'{_origin(found, name, made)} that the net does not"
        hint = did_you_mean(name, lacking)
        found.refuse(made, f"the net has no '{name}'", Diagnostic(message, hint=hint))


def _miss(found: _Fit, lacking: list[str], strange: Mapping[str, Made]) -> None:
    """Parameters come before tensors that are too many, as the text declares them."""
    missing = []
    for name in lacking:
        want = found.wanted[name]
        near = closest(name, strange)
        hint = f"the file has '{near}'" if near else ""
        message = f"{found.stored.path} lacks the tensor '{name}' ({want.type})"
        missing.append(Diagnostic(message, tuple(want.spans[:1]), hint=hint))
    found.faults[:0] = missing


def _raise(found: _Fit) -> None:
    path, faults = found.stored.path, found.faults
    if faults and CHECKPOINT_ENTRY in found.stored.metadata and set(found.renamed.made) > set(found.wanted):
        raise NetError(f"{path} is a checkpoint", hint="the weights of a run are the other files in its folder")
    if len(faults) > MOST_FAULTS:
        more = Diagnostic(f"{path}: {len(faults) - MOST_FAULTS} more tensors do not fit")
        faults = [*faults[:MOST_FAULTS], more]
    if faults:
        raise NetError(faults)
    if not found.taken and found.wanted:
        raise NetError(f"nothing in {path} fits the net", hint="a table of names (--map) says what is what")
