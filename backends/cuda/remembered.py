"""What choices that were measured on a GPU are good for."""

from __future__ import annotations

from netlang import __version__
from netlang.backends.base import Options
from netlang.backends.common.remembered import ChoiceFile
from netlang.backends.common.sources import fingerprint
from netlang.backends.cuda import versions
from netlang.backends.cuda.device import Device

_KERNELS = "netlang.backends.cuda.kernels"


def choices(device: Device, options: Options) -> ChoiceFile:
    """Those for GPUs like this one, for the sources and compilers that make kernels now, and for one precision: names
    of ways say nothing of it."""
    sources = fingerprint(frozenset(versions.modules(_KERNELS)), ())
    made_by = {"netlang": __version__, "kernels": sources, "compilers": versions.compilers()}
    return ChoiceFile({**device.facts, "precision": options.precision, **made_by})
