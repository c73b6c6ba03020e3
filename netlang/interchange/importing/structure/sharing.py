"""Items that are one layer, applied several times.

a = x -> conv(8, 3)                              layer = conv(8, 3)
b = y -> conv(8, 3)    (with the same arrays) -> a = x -> layer
                                                 b = y -> layer
"""

from __future__ import annotations

from netlang.interchange.importing.structure.items import Body, Item


class SharedLayers:
    """Items of a body whose layers keep the same arrays in every case: one layer, applied several times.

    members    such an item -> the first one of its layer
    followers  those that create no parameters of their own
    """

    def __init__(self, body: Body) -> None:
        groups: dict[object, list[Item]] = {}
        for item in body.items:
            if item.weighted and not item.role and len(item.results) == 1:
                groups.setdefault((item.key, tuple(item.weights)), []).append(item)
        alike: dict[object, list[Item]] = {}
        for number, group in enumerate(groups.values()):
            for item in group if len(group) > 1 else ():
                arguments = tuple(_arguments(item, case) for case in range(len(item.weights)))
                alike.setdefault((number, arguments), []).append(item)
        self.members = {item: group[0] for group in alike.values() if len(group) > 1 for item in group}
        self.followers = {item for item, first in self.members.items() if item is not first}
        self.names: dict[Item, str] = {}


def _arguments(item: Item, case: int) -> object:
    """The constants of an item in a case, and of all that it applies."""
    if item.callee is None:
        return tuple(vector[case] for vector in item.holes)
    return tuple(_arguments(inner, item.callee_cases[case]) for inner in item.callee.body.items)
