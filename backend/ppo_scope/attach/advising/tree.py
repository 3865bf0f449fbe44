"""Expressions of a source file: what kind they are, and what is inside them."""

from __future__ import annotations

import ast

Function = ast.FunctionDef | ast.AsyncFunctionDef
Scope = ast.Module | Function | ast.ClassDef
Loop = ast.For | ast.AsyncFor | ast.While

SAME = {
    *("detach", "to", "cpu", "cuda", "numpy", "float", "double", "long", "clone", "copy", "contiguous"),
    *("squeeze", "unsqueeze", "flatten", "reshape", "view", "ravel", "astype", "type"),
}
"""Methods whose result holds the same numbers."""
SAME_OF = {
    *("squeeze", "unsqueeze", "flatten", "reshape", "ravel", "tensor", "as_tensor", "from_numpy", "FloatTensor"),
    *("LongTensor", "Tensor", "array", "asarray", "ascontiguousarray"),
}
"""So with functions, of their first argument."""
LAID = {"stack", "cat", "concatenate", "array", "asarray", "tensor", "as_tensor", "vstack", "logical_or"}
"""Those by which arrays are put together."""
OF_EACH = {"log", "exp"}
"""Those of each number, and of nothing else."""
HARMLESS = SAME | SAME_OF | LAID | OF_EACH
"""Those that run nothing of a script's."""
MODULES = ("torch", "np", "numpy", "F", "nn", "math", "th", "jnp", "jax")
"""Whose functions are known, by the name that everybody gives them."""


def name_called(call: ast.Call) -> str | None:
    """The last part of what is called."""
    return call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", None)


def called(node: ast.AST, *names: str) -> list[ast.expr] | None:
    """What a function or method of one of these names is given, the object of a method first; None: it is no such
    call. `torch.exp(x)`, `exp(x)` and `x.exp()` are one.
    """
    if not isinstance(node, ast.Call) or name_called(node) not in names:
        return None
    if isinstance(node.func, ast.Attribute) and not is_module(node.func.value):
        return [node.func.value, *node.args]
    return list(node.args)


def is_name(node: ast.AST, name: str) -> bool:
    """Whether it is that name."""
    return isinstance(node, ast.Name) and node.id == name


def is_module(node: ast.AST) -> bool:
    """Whether it is one of those, or within one."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name) and node.id in MODULES


def is_pure(node: ast.AST) -> bool:
    """Whether to evaluate it is only to look: names, attributes, subscripts, numbers."""
    allowed = (
        *(ast.Name, ast.Attribute, ast.Subscript, ast.Constant, ast.Slice, ast.expr_context, ast.BinOp, ast.operator),
        *(ast.UnaryOp, ast.unaryop),
    )
    return all(isinstance(one, allowed) for one in ast.walk(node))


def is_harmless(node: ast.AST) -> bool:
    """Whether nothing of the script's is run where it is written once more."""
    calls = (one for one in ast.walk(node) if isinstance(one, ast.Call))
    return all(name_called(one) in HARMLESS and isinstance(one.func, ast.Attribute) for one in calls)


def mentions(node: ast.AST, *names: str) -> bool:
    """Whether something by one of these names is called in it."""
    return any(isinstance(one, ast.Call) and name_called(one) in names for one in ast.walk(node))


def parameters(scope: Scope) -> set[str]:
    """Names that a function is called with."""
    if not isinstance(scope, Function):
        return set()
    of = scope.args
    named = [*of.posonlyargs, *of.args, *of.kwonlyargs, *(one for one in (of.vararg, of.kwarg) if one is not None)]
    return {one.arg for one in named}


def peeled(node: ast.expr) -> ast.expr | None:
    """What holds the same samples, one layer below: less a shape, a scale and a shift; None: it is bare."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return node.operand
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Attribute) and node.func.attr in SAME and not is_module(node.func.value):
            return node.func.value
        return node.args[0] if name_called(node) in SAME_OF and node.args else None
    return normalised(node)


def normalised(node: ast.AST) -> ast.expr | None:
    """What is normalised here, (x − mean) / std, or one half of that; None: nothing."""
    if not isinstance(node, ast.BinOp):
        return None
    if isinstance(node.op, ast.Div) and isinstance(node.left, ast.Name) and mentions(node.right, "std"):
        return node.left
    less = node.left if isinstance(node.op, ast.Div) else node
    if not isinstance(less, ast.BinOp) or not isinstance(less.op, ast.Sub):
        return None
    return less.left if (less is not node and is_pure(less.left)) or mentions(less.right, "mean") else None


def number_in(node: ast.AST | None) -> float | None:
    """That is written there; None: something else is."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = number_in(node.operand)
        return None if inner is None else -inner
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return float(node.value)
    return None


def takes(function: Function, call: ast.Call, is_method: bool) -> bool:
    """Whether it can be called so."""
    of = function.args
    if of.vararg or of.kwarg or any(isinstance(one, ast.Starred) for one in call.args):
        return True
    if any(one.arg is None for one in call.keywords):
        return True
    bound = is_method and not any(is_name(one, "staticmethod") for one in function.decorator_list)
    places = len(of.posonlyargs) + len(of.args) - bound
    needed = places - len(of.defaults) + sum(one is None for one in of.kw_defaults)
    return needed <= len(call.args) + len(call.keywords) <= places + len(of.kwonlyargs)


def last_name(node: ast.expr) -> str | None:
    """The last part of what something is called, be it one of all of its parts: `paid` of `self.memory.paid[t]`."""
    while isinstance(node, ast.Subscript):
        if isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str):
            return node.slice.value
        node = node.value
    return node.id if isinstance(node, ast.Name) else getattr(node, "attr", None)
