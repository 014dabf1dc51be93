"""YAML with places: every value remembers its line, so that an error can say where.

`load` parses one file with PyYAML's composer and builds plain dictionaries, lists and scalars from the node tree. On
the way it refuses what the safe loader would silently accept: a key given twice (the last one would win), a key that is
no text (`on:` is a boolean in YAML 1.1), and an alias that unfolds into more than a configuration can be.

`${VAR}` is replaced in parsed scalars, after YAML: a password with a colon or a quote in it cannot change the structure
of the file. `$${` stands for a literal `${`. No message repeats a value: any value may be a secret.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from media.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Mapping

Path = tuple[str | int, ...]

MAX_FILE_CHARACTERS = 4 << 20
MAX_NODES = 200_000  # a city of 2000 cameras with 20 keys each is 80 000 nodes
MAX_DEPTH = 16

_TEXT_TAG = "tag:yaml.org,2002:str"
_REFERENCE = re.compile(r"(\$?)\$\{([A-Za-z_][A-Za-z0-9_]*)?(\})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A parsed file: its plain value, and the line (from 1) of every value and of every key."""

    file: str
    value: Any
    lines: Mapping[Path, int]

    def line(self, path: Path) -> int:
        """The line of the value at `path`, or of the nearest enclosing value that is in the file."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def field_name(path: Path) -> str:
    """`sites[0].cameras[1].url`, as people write it."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in path]
    return "".join(parts).removeprefix(".")


def load(text: str, *, file: str, environment: Mapping[str, str], only: Collection[str] | None = None) -> Document:
    """Parse one YAML document, or `only` some of its tables. Raises ConfigError naming file, line and field."""
    if len(text) > MAX_FILE_CHARACTERS:
        raise ConfigError(f"{file}:1: the file is larger than {MAX_FILE_CHARACTERS} characters")
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{file}:{line}: not valid YAML: {_without_values(error.problem)}") from None
    except (yaml.YAMLError, RecursionError):
        raise ConfigError(f"{file}:1: not valid YAML: a character or a nesting that YAML does not allow") from None
    builder = _Builder(file, environment)
    if only is not None and isinstance(root, yaml.MappingNode):
        root.value = [entry for entry in root.value if entry[0].value in only]
    value = {} if root is None else builder.build(root, ())
    return Document(file=file, value=value, lines=builder.lines)


def _without_values(problem: str | None) -> str:
    """PyYAML's message without the anchors and tags of the file that it quotes."""
    return re.sub(r"(alias|anchor|handle|tag) ['\"].*", r"\1", problem or "unreadable")


class _Builder:
    """Turns nodes into plain values and notes the line of each."""

    def __init__(self, file: str, environment: Mapping[str, str]) -> None:
        self.lines: dict[Path, int] = {}
        self._file = file
        self._environment = environment
        self._scalars = yaml.constructor.SafeConstructor()

    def build(self, node: yaml.Node, path: Path) -> Any:
        self.lines.setdefault(path, node.start_mark.line + 1)
        if len(self.lines) > MAX_NODES or len(path) > MAX_DEPTH:
            raise self._error(node, path, "nested too deeply or too large for a configuration")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*path, index)) for index, item in enumerate(node.value)]
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag != _TEXT_TAG:
                raise self._error(key_node, path, "a key must be text; put it in quotes")
            key = str(key_node.value)
            where = (*path, key)
            if key in result:
                raise self._error(key_node, where, f"given twice, first on line {self.lines[where]}")
            self.lines[where] = key_node.start_mark.line + 1
            result[key] = self.build(value_node, where)
        return result

    def _scalar(self, node: yaml.Node, path: Path) -> Hashable:
        if node.tag == _TEXT_TAG:
            return self._replace_variables(node, path)
        try:
            value: Hashable = self._scalars.construct_object(node)
        except (yaml.YAMLError, ValueError, OverflowError):
            raise self._error(node, path, "not a value of a kind that is known here") from None
        return value

    def _replace_variables(self, node: yaml.Node, path: Path) -> str:
        def replacement(match: re.Match[str]) -> str:
            literal, name, closing = match.groups()
            if literal:
                return match[0][1:]
            if not name or not closing:
                raise self._error(node, path, "`${` needs a variable name and `}`; write `$${` for a literal one")
            if name not in self._environment:
                raise self._error(node, path, f"the environment variable {name} is not set")
            return self._environment[name]

        return _REFERENCE.sub(replacement, str(node.value))

    def _error(self, node: yaml.Node, path: Path, what: str) -> ConfigError:
        field = f" {field_name(path)}:" if path else ""
        return ConfigError(f"{self._file}:{node.start_mark.line + 1}:{field} {what}")
