"""The house style, as far as a program can check it. Limits only ever get stricter, exception lists only shorter."""

from __future__ import annotations

import ast
import re
import statistics
import subprocess
import tomllib
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = ("media", "ingest", "storage", "retention", "playback", "server", "simulator", "storm")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70
FUNCTION_LINES_MEDIAN_MAX = 9

LONGER_FILES: dict[str, str] = {}
"""File: the reason it may be longer than the limit."""

BANNED_MODULE_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "base", "misc"}
BANNED_CALLS = {"time.time", "datetime.now", "datetime.utcnow", "datetime.datetime.now", "asyncio.sleep", "time.sleep"}
CLOCK = "storage/clock.py"

SLEEPERS: dict[str, str] = {}
"""File: the reason it may use the system's clock itself."""


def _functions(tree: ast.AST) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def _lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """The lines of a function without its docstring: prose is welcome."""
    assert node.end_lineno is not None
    total = node.end_lineno - node.lineno + 1
    first = node.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        assert first.end_lineno is not None
        total -= first.end_lineno - first.lineno + 1
    return total


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_files_stay_readable_in_one_sitting() -> None:
    """No file is over 400 lines, unless a reason is given here."""
    long = {_name(path): len(path.read_text().splitlines()) for path in SOURCES}
    assert {name: n for name, n in long.items() if n > FILE_LINES_MAX and name not in LONGER_FILES} == {}


def test_functions_stay_short() -> None:
    """No function is over 70 lines, and half of them are below ten."""
    lengths = {
        f"{_name(path)}:{node.lineno} {node.name}": _lines(node)
        for path in SOURCES
        for node in _functions(ast.parse(path.read_text()))
    }
    assert {name: n for name, n in lengths.items() if n > FUNCTION_LINES_MAX} == {}
    assert statistics.median(lengths.values()) <= FUNCTION_LINES_MEDIAN_MAX


def test_every_package_and_module_says_what_it_is() -> None:
    """Each file begins with a docstring; a package's is its map."""
    assert [_name(path) for path in SOURCES if not ast.get_docstring(ast.parse(path.read_text()))] == []
    for package in PACKAGES:
        text = ast.get_docstring(ast.parse((ROOT / package / "__init__.py").read_text())) or ""
        modules = {path.stem for path in (ROOT / package).glob("*.py")} - {"__init__"}
        assert [name for name in sorted(modules) if name not in text] == [], f"missing on the map of {package}/"


def test_module_names_are_nouns_of_the_field() -> None:
    """No module is a drawer for things without a name."""
    assert [_name(path) for path in SOURCES if path.stem in BANNED_MODULE_NAMES] == []


def test_only_the_clock_asks_for_the_time() -> None:
    """Time and waiting are passed in, or nothing could be tested without waiting."""
    offences = [
        f"{_name(path)}:{node.lineno} {ast.unparse(node.func)}"
        for path in SOURCES
        if _name(path) != CLOCK and _name(path) not in SLEEPERS
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in BANNED_CALLS
    ]
    assert offences == []


def test_no_error_is_swallowed() -> None:
    """No `except` has an empty body, none catches everything without a name."""
    offences = [
        f"{_name(path)}:{node.lineno}"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or all(isinstance(statement, ast.Pass) for statement in node.body))
    ]
    assert offences == []


def test_no_task_is_started_and_forgotten() -> None:
    """A task belongs to a group, or its failure is never seen."""
    offences = [
        f"{_name(path)}:{node.lineno}"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Call)
        and ast.unparse(node.value.func) in {"asyncio.create_task", "asyncio.ensure_future", "loop.create_task"}
    ]
    assert offences == []


def test_sql_lives_in_sql_files() -> None:
    """Statements are not built in Python."""
    pattern = re.compile(r'"\s*(SELECT\s|INSERT\s+INTO|UPDATE\s+\w+\s+SET|DELETE\s+FROM)')
    assert [_name(path) for path in SOURCES if pattern.search(path.read_text())] == []


def test_every_test_states_its_behaviour() -> None:
    """Each test has a sentence."""
    offences = [
        f"{_name(path)}:{node.lineno} {node.name}"
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        for node in _functions(ast.parse(path.read_text()))
        if node.name.startswith("test_") and not ast.get_docstring(node)
    ]
    assert offences == []


def test_no_installed_distribution_shares_our_top_level_names() -> None:
    """`storage` and `server` are common words: a dependency that installs one of them would shadow ours."""
    owners = metadata.packages_distributions()
    assert {name: owners[name] for name in PACKAGES if set(owners.get(name, [])) - {"hulta"}} == {}


def test_the_wheel_lists_every_package() -> None:
    """A package that the wheel forgets is missed only by those who install it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert tuple(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) == PACKAGES


def test_nothing_personal_is_committed() -> None:
    """No home directory, no temporary path and no package index address of a developer's machine is in the tree."""
    pattern = r"/root/|/home/[a-z]+/|/opt/wheels|--index-url|--find-links"
    found = subprocess.run(
        ["git", "grep", "-nE", pattern, "--", ":!tests/test_tidy.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.stdout == ""
