"""Which expressions of an exported program are arithmetic on sizes: PyTorch evaluates them as Python."""

import ast
import re

_ALLOWED = (
    ast.Expression, ast.BoolOp, ast.boolop, ast.BinOp, ast.operator, ast.UnaryOp, ast.unaryop,
    ast.Compare, ast.cmpop, ast.Call, ast.keyword, ast.Constant, ast.Name, ast.Subscript, ast.Attribute,
    ast.Load,
)  # fmt: skip
# Symbols (s31), sympy's classes (Max, Symbol, Integer), and arguments in guards: L['x'].size()[0].
_NAME = re.compile(r"[suz]\d+|[A-Z][A-Za-z]*|int_oo|max|min|abs|args")
_METHODS = frozenset({"size", "stride", "storage_offset"})
_TEXT = re.compile(r"\w*")


def is_harmless(expression: str) -> bool:
    """Whether an expression holds numbers, symbols and sizes of arguments, and calls nothing else."""
    try:
        tree = ast.parse(expression, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return all(_is_allowed(node) for node in ast.walk(tree))


def _is_allowed(node: ast.AST) -> bool:
    match node:
        case ast.Name(id=name):
            return bool(_NAME.fullmatch(name))
        case ast.Attribute(attr=name):
            return name in _METHODS
        case ast.Constant(value=str() as text):
            return bool(_TEXT.fullmatch(text)) and "__" not in text
    return isinstance(node, _ALLOWED)
