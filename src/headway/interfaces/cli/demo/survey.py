"""What one Python source file consists of: functions, docstrings, complexity, copied code.

Complexity is McCabe's: one more than the number of decisions (T. J. McCabe, "A Complexity Measure", 1976).
"""

from __future__ import annotations

import ast
import hashlib
import io
import tokenize
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
COPY_LINES = 8  # shorter functions look alike by chance
_DECISIONS = (
    ast.If,
    ast.IfExp,
    ast.For,
    ast.AsyncFor,
    ast.While,
    ast.ExceptHandler,
    ast.Assert,
    ast.comprehension,
    ast.match_case,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """One function or method."""

    name: str  # with the classes and functions it lies in
    line: int
    lines: int
    complexity: int
    documented: bool
    public: bool
    fingerprint: str | None  # equal for functions whose code is the same; None for short ones


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSurvey:
    """What one file consists of."""

    name: str
    size: int  # bytes
    lines: int
    comment_lines: int
    classes: int
    documented: bool  # the module has a docstring
    imports: tuple[str, ...]  # top-level names of the modules it imports
    functions: tuple[Function, ...] = field(default=())

    def as_json(self) -> dict[str, Any]:
        """The survey in values that JSON has."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> FileSurvey:
        """The survey that `as_json` was called on."""
        functions = tuple(Function(**function) for function in values["functions"])
        return cls(**{**values, "imports": tuple(values["imports"]), "functions": functions})


def survey_file(path: Path, name: str) -> FileSurvey:
    """Reads one source file.

    Raises:
        SyntaxError: It is not Python of this version; a UnicodeDecodeError or ValueError is turned into one.
    """
    content = path.read_bytes()
    try:
        tree = ast.parse(content, filename=name)
    except (UnicodeDecodeError, ValueError) as error:
        raise SyntaxError(f"{name}: {error}") from error
    functions: list[Function] = []
    _collect(tree, "", functions)
    return FileSurvey(
        name=name,
        size=len(content),
        lines=content.count(b"\n") + (not content.endswith(b"\n") and content != b""),
        comment_lines=_comment_lines(content),
        classes=sum(isinstance(node, ast.ClassDef) for node in ast.walk(tree)),
        documented=ast.get_docstring(tree, clean=False) is not None,
        imports=_imports(tree),
        functions=tuple(functions),
    )


def _collect(parent: ast.AST, prefix: str, found: list[Function]) -> None:
    for node in ast.iter_child_nodes(parent):
        if isinstance(node, FunctionNode):
            name = prefix + node.name
            found.append(_function(node, name))
            _collect(node, name + ".", found)
        elif isinstance(node, ast.ClassDef):
            _collect(node, f"{prefix}{node.name}.", found)
        elif isinstance(node, ast.stmt | ast.ExceptHandler | ast.match_case):
            _collect(node, prefix, found)


def _function(node: FunctionNode, name: str) -> Function:
    lines = (node.end_lineno or node.lineno) - node.lineno + 1
    documented = ast.get_docstring(node, clean=False) is not None
    return Function(
        name=name,
        line=node.lineno,
        lines=lines,
        complexity=1 + _decisions(node),
        documented=documented,
        public=not any(part.startswith("_") for part in name.split(".")),
        fingerprint=_fingerprint(node, documented) if lines >= COPY_LINES else None,
    )


def _decisions(function: FunctionNode) -> int:
    """Decisions in the function itself; those of functions inside it are theirs."""
    count = 0
    todo: list[ast.AST] = [*function.body, *function.args.defaults]
    while todo:
        node = todo.pop()
        if isinstance(node, FunctionNode):
            continue
        if isinstance(node, ast.BoolOp):
            count += len(node.values) - 1
        elif isinstance(node, ast.comprehension):
            count += 1 + len(node.ifs)
        elif isinstance(node, _DECISIONS):
            count += 1
        todo.extend(ast.iter_child_nodes(node))
    return count


def _fingerprint(function: FunctionNode, documented: bool) -> str:
    body = function.body[1:] if documented else function.body
    code = "\n".join(ast.dump(statement) for statement in body)
    return hashlib.sha256(code.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _comment_lines(content: bytes) -> int:
    tokens = tokenize.tokenize(io.BytesIO(content).readline)
    try:
        return sum(token.type == tokenize.COMMENT for token in tokens)
    except (tokenize.TokenError, IndentationError) as error:
        raise SyntaxError(str(error)) from error


def _imports(tree: ast.Module) -> tuple[str, ...]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.partition(".")[0])
    return tuple(sorted(found))
