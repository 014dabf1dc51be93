"""The documents say what the program does: every key, every command, every metric."""

from __future__ import annotations

import re
import typing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import typer.main
from pydantic import BaseModel

from server.cli import build
from server.settings import Settings, parse_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "packaging").glob("*.md"))]
CONFIGURATION = (ROOT / "docs" / "configuration.md").read_text()


def tables_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The tables that a key's type holds."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from tables_in(argument)


def keys_of(table: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Every key below a table, as it is documented."""
    for name, field in table.model_fields.items():
        path = f"{prefix}{field.alias or name}"
        below = next(tables_in(field.annotation), None)
        if below is None:
            yield path
        else:
            kind = {tuple: "[].", dict: ".NAME."}.get(typing.get_origin(field.annotation), ".")  # type: ignore[call-overload]
            yield from keys_of(below, path + kind)


def test_every_key_of_the_configuration_is_documented() -> None:
    """And nothing else is."""
    table = CONFIGURATION.partition("## All of it")[0]
    assert re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE) == list(keys_of(Settings))


def test_the_configuration_that_shows_all_of_it_is_one() -> None:
    """Whoever copies it has something that works."""
    (text,) = re.findall(r"```yaml\n(.*?)```", CONFIGURATION, re.DOTALL)
    variables = dict.fromkeys(re.findall(r"\$\{(\w+)\}", text), "x" * 20)
    settings = parse_settings(text, file="configuration.md", environment=variables)
    assert [camera.name for camera in settings.sites[0].cameras] == ["harbour-a", "harbour-b"]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_that_documents_name_exist(document: Path) -> None:
    """With the options that they are given there."""
    group = typer.main.get_command(build())
    for line in re.findall(r"(?<![\w/.`-])hulta ((?:[a-z]+ ?)[^`\n|#]*)", _code_of(document.read_text())):
        words, command = line.split(), group
        while words and hasattr(command, "commands") and words[0] in command.commands:
            command = command.commands[words.pop(0)]
        assert command is not group, f"hulta {line}"
        options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
        given = {word.partition("=")[0] for word in words if re.fullmatch(r"--[a-z-]+(=.*)?", word)}
        assert given <= options | {"--help"}, f"hulta {line}"


def _code_of(text: str) -> str:
    """What a document shows as code: blocks of a shell, and words in backticks."""
    blocks = re.findall(r"```(?:\w*)\n(.*?)```", text, re.DOTALL)
    commands = [line.removeprefix("$ ") for block in blocks for line in block.splitlines()]
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    return "\n".join([*(line for line in commands if line.startswith("hulta ")), *re.findall(r"`([^`]+)`", prose)])
