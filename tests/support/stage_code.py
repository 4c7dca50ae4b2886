"""Which modules of the package a stage can reach, read from the syntax tree of stages.py and what it imports."""

import ast
from collections.abc import Iterator
from pathlib import Path

import tailfirst

PACKAGE = Path(tailfirst.__file__).parent
# Modules without behaviour of their own: errors, paths, Protocols and the plugin loader. No stage lists them.
FREE = ("__init__.py", "contracts.py", "errors.py", "paths.py", "plugins.py", "port.py")
PLUGIN_FOLDERS = ("acquisition", "adaptation", "encoders", "indexes")


def reached(stage: str) -> set[str]:
    """Files, relative to the package, that the stage's function uses, directly or through other modules."""
    tree = ast.parse((PACKAGE / "stages.py").read_text(encoding="utf-8"))
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    imported = dict(pair for node in tree.body for pair in names_of(node))
    waiting, seen, files = [stage], set(), set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        if name in functions:
            body = functions[name].body  # annotations reach nothing
            used = {n.id for part in body for n in ast.walk(part) if isinstance(n, ast.Name)}
            waiting += sorted(used)
            files |= {file for part in body for n in ast.walk(part) for _, file in names_of(n)}
            files |= {file for part in body for file in plugin_files(part)}
        elif name in imported:
            files.add(imported[name])
    return closure(files)


def closure(files: set[str]) -> set[str]:
    """The files and everything that they import."""
    waiting, found = sorted(files), set()
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        tree = ast.parse((PACKAGE / name).read_text(encoding="utf-8"))
        waiting += [file for node in ast.walk(tree) for _, file in names_of(node)]
        waiting += plugin_files(tree) if name != "config.py" else []  # it only validates what it loads
    return found


def plugin_files(tree: ast.AST) -> list[str]:
    """The plugin folders that `plugins.load("...", ...)` names."""
    kinds = {
        node.args[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in {"load", "params"}
        if node.args and isinstance(node.args[0], ast.Constant) and node.args[0].value in PLUGIN_FOLDERS
    }
    return [path.relative_to(PACKAGE).as_posix() for kind in kinds for path in (PACKAGE / kind).glob("*.py")]


def names_of(node: ast.AST) -> Iterator[tuple[str, str]]:
    """(local name, file) of what an import statement brings from the package."""
    if not (isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "tailfirst"):
        return
    parts = (node.module or "").split(".")[1:]
    for alias in node.names:
        file = module_file([*parts, alias.name]) or module_file(parts)
        if file is not None:
            yield alias.asname or alias.name, passed_on(file, alias.name)


def passed_on(file: str, name: str) -> str:
    """The file that a package's `__init__` takes the name from; the file itself where it defines the name."""
    if not file.endswith("__init__.py"):
        return file
    tree = ast.parse((PACKAGE / file).read_text(encoding="utf-8"))
    return next((source for node in tree.body for given, source in names_of(node) if given == name), file)


def module_file(parts: list[str]) -> str | None:
    """The file of a module of the package."""
    if not parts:
        return None
    for name in ("/".join(parts) + ".py", "/".join([*parts, "__init__.py"])):
        if (PACKAGE / name).exists():
            return name
    return None
