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
            docs |= _docs_in(base.__module__).get(base.__qualname__, {})
    return docs


def first_paragraph(text: str | None) -> str | None:
    """The first paragraph of a docstring on one line: what a reader of the schema needs."""
    if not text:
        return None
    return " ".join(inspect.cleandoc(text).split("\n\n")[0].split())


@cache
def _docs_in(module: str) -> dict[str, dict[str, str]]:
    """The docstrings behind the attributes of each class in a module, by its qualified name. The source is read once
    for all of them, and only its docstrings are kept.
    """
    try:
        tree = ast.parse(inspect.getsource(sys.modules[module]))
    except (KeyError, OSError, TypeError):
        return {}
    found: dict[str, dict[str, str]] = {}
    _gather(tree.body, "", found)
    return found


def _gather(body: list[ast.stmt], above: str, found: dict[str, dict[str, str]]) -> None:
    for each in body:
        if isinstance(each, ast.ClassDef):
            found[above + each.name] = _docs_behind(each)
            _gather(each.body, f"{above}{each.name}.", found)
        elif isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef)):
            _gather(each.body, f"{above}{each.name}.<locals>.", found)
        elif isinstance(each, (ast.If, ast.With, ast.Try)):
            _gather(each.body, above, found)


def _docs_behind(declared: ast.ClassDef) -> dict[str, str]:
    docs: dict[str, str] = {}
    for statement, following in pairwise(declared.body):
        name = _assigned_name(statement)
        if name and isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
            docs[name] = inspect.cleandoc(str(following.value.value))
    return docs


def _assigned_name(statement: ast.stmt) -> str | None:
    target = None
    if isinstance(statement, ast.AnnAssign):
        target = statement.target
    elif isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target = statement.targets[0]
    return target.id if isinstance(target, ast.Name) else None
