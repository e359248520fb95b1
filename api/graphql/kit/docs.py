"""Descriptions come from the code's own docstrings, so that they are written once and where the thing is declared.

A class is described by its docstring; a field, an enum member or an input field by the string literal behind it.
"""

import ast
import inspect
import sys
from functools import cache
from itertools import pairwise


@cache
def attribute_docs(cls: type) -> dict[str, str]:
    """The docstrings behind the attributes of a class and its bases, by attribute name."""
    docs: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if base.__module__ not in ("builtins", "enum", "typing"):
            docs |= _own_docs(base)
    return docs


def first_paragraph(text: str | None) -> str | None:
    """The first paragraph of a docstring on one line: what a reader of the schema needs."""
    if not text:
        return None
    return " ".join(inspect.cleandoc(text).split("\n\n")[0].split())


def _own_docs(cls: type) -> dict[str, str]:
    declared = _classes_of(cls.__module__).get(cls.__qualname__)
    docs: dict[str, str] = {}
    for statement, following in pairwise(declared.body if declared else []):
        name = _assigned_name(statement)
        if name and isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
            docs[name] = inspect.cleandoc(str(following.value.value))
    return docs


@cache
def _classes_of(module: str) -> dict[str, ast.ClassDef]:
    """The classes that stand in a module, by their qualified names. It is read once, for all of them."""
    try:
        tree = ast.parse(inspect.getsource(sys.modules[module]))
    except (KeyError, OSError, TypeError):
        return {}
    found: dict[str, ast.ClassDef] = {}
    _gather(tree.body, "", found)
    return found


def _gather(body: list[ast.stmt], above: str, found: dict[str, ast.ClassDef]) -> None:
    for each in body:
        if isinstance(each, ast.ClassDef):
            found[above + each.name] = each
            _gather(each.body, f"{above}{each.name}.", found)
        elif isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef)):
            _gather(each.body, f"{above}{each.name}.<locals>.", found)
        elif isinstance(each, (ast.If, ast.With, ast.Try)):
            _gather(each.body, above, found)


def _assigned_name(statement: ast.stmt) -> str | None:
    target = None
    if isinstance(statement, ast.AnnAssign):
        target = statement.target
    elif isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target = statement.targets[0]
    return target.id if isinstance(target, ast.Name) else None
