"""Values from outside for what a file leaves open: `arguments={"width": 4}` in Python, `--set width=4` for netc.

They take the place of the defaults of its nets' parameters and of the values of its constants.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from typing import Any

from netlang.diagnostics import NetError, Source, did_you_mean, error
from netlang.frontend import ast
from netlang.frontend.faults import Fault, Reporter
from netlang.frontend.limits import check_items, check_number
from netlang.frontend.parser import parse
from netlang.frontend.values import describe

_PLACE = "--set"
_KINDS = "numbers, true and false, words, and lists of these"
_DEEPEST = 20


def settings(arguments: Mapping[str, Any], known: Iterable[str], file: str) -> dict[str, Any]:
    """Arguments as values of the language, checked against the names that the file `file` leaves open.

    Raises NetError for a name that is not among them and for a value that no file could write.
    """
    names = list(dict.fromkeys(known))
    found: dict[str, Any] = {}
    for name, value in arguments.items():
        if name not in names:
            hint = did_you_mean(str(name), names) or (f"there are {', '.join(names)}" if names else "")
            raise NetError(f"{file} has no parameter '{name}'", hint=hint)
        try:
            found[name] = _plain(value)
        except Fault as fault:
            raise NetError(f"the parameter '{name}' cannot be set: {fault}", hint=fault.hint) from None
    return found


def _plain(value: Any, depth: int = 0) -> Any:
    """A value of the language; Fault for anything that is none."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, Integral):
        return check_number(int(value))
    if isinstance(value, Real):
        return check_number(float(value))
    if isinstance(value, list | tuple) and depth < _DEEPEST:
        check_items(len(value))
        return [_plain(entry, depth + 1) for entry in value]
    raise Fault(f"{type(value).__name__} is nothing that a file could hold", hint=f"there are {_KINDS}")


def written(text: str) -> tuple[str, Any]:
    """The name and value of a setting as it is written on the command line: a binding of the language.

    Raises NetError where it is not one name and a value without anything to work out.
    """
    reporter = Reporter()
    file = parse(Source(_PLACE, text), reporter)
    if file is None:
        raise NetError(reporter.errors)
    item = file.items[0] if len(file.items) == 1 else None
    if not isinstance(item, ast.Binding) or len(item.names) != 1 or item.type is not None:
        raise NetError(f"'{text}' is not a name and its value", hint="for example --set width=4")
    return item.names[0].text, _literal(item.value)


def _literal(expression: ast.Expression) -> Any:
    match expression:
        case ast.Number():
            return _number(expression, 1)
        case ast.Unary(operator=ast.Word(text="-"), operand=ast.Number() as number):
            return _number(number, -1)
        case ast.Truth():
            return expression.literal.text == "true"
        case ast.String():
            return expression.literal.text[1:-1]
        case ast.Name():
            return None if expression.id.text == "none" else expression.id.text
        case ast.List() | ast.Tuple():
            return [_literal(item) for item in expression.items]
    raise error("nothing is worked out here", expression.span, hint=f"there are {_KINDS}")


def _number(expression: ast.Number, sign: int) -> int | float:
    text = expression.literal.text
    try:
        value: int | float = check_number(sign * (int(text) if text.isdigit() else float(text)))
    except Fault as fault:
        raise error(str(fault), expression.span) from None
    return value


def check_settable(name: str, value: Any) -> None:
    """Raise Fault where a constant of the file is nothing that could be set: a layer, an initialiser."""
    entries = value if isinstance(value, list | tuple) else [value]
    for entry in entries:
        if isinstance(entry, list | tuple):
            check_settable(name, entry)
        elif not (entry is None or isinstance(entry, bool | int | float | str)):
            what = describe(value)
            raise Fault(f"'{name}' cannot be set from outside: it is {what}", hint=f"what can be set are {_KINDS}")
