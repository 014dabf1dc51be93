"""YAML with places."""

from __future__ import annotations

import pytest

from media.errors import ConfigError
from server.yaml_loader import MAX_FILE_CHARACTERS, field_name, load

ENVIRONMENT = {"SECRET": "p: 'x' #1", "EMPTY": ""}


def refused(text: str) -> str:
    """The message with which a text is refused."""
    with pytest.raises(ConfigError) as caught:
        load(text, file="h.yaml", environment=ENVIRONMENT)
    return str(caught.value)


def test_values_come_back_plain_with_the_line_of_each() -> None:
    """Mappings, lists and scalars are what YAML says, and each knows where it stood."""
    document = load("a: 1\nb:\n  - x\n  - {c: true}\n", file="h.yaml", environment={})
    assert document.value == {"a": 1, "b": ["x", {"c": True}]}
    assert document.lines["b", 1, "c"] == 4
    assert document.line(("b", 1, "nowhere")) == 4


def test_an_empty_file_is_an_empty_table() -> None:
    """Nothing is a valid configuration."""
    assert load("# only words\n", file="h.yaml", environment={}).value == {}


def test_a_variable_is_replaced_after_parsing() -> None:
    """A value with YAML's own characters in it stays one text and changes nothing around it."""
    document = load("a: x${SECRET}y\nb: '${EMPTY}'\nc: $${SECRET} $SECRET\n", file="h.yaml", environment=ENVIRONMENT)
    assert document.value == {"a": "xp: 'x' #1y", "b": "", "c": "${SECRET} $SECRET"}


def test_what_a_variable_brings_is_not_searched_again() -> None:
    """A password that looks like a reference is a password."""
    assert load("a: ${A}", file="h.yaml", environment={"A": "${B}"}).value == {"a": "${B}"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", "h.yaml:3: a: given twice, first on line 1"),
        ("sites:\n  - name: x\n    name: y\n", "h.yaml:3: sites[0].name: given twice, first on line 2"),
        ("on: 1\n", "h.yaml:1: a key must be text; put it in quotes"),
        ("17: 1\n", "h.yaml:1: a key must be text; put it in quotes"),
        ("[a, b]: 1\n", "h.yaml:1: a key must be text; put it in quotes"),
        ("a:\n  b: ${NOT_SET}\n", "h.yaml:2: a.b: the environment variable NOT_SET is not set"),
        ("a: ${not closed\n", "h.yaml:1: a: `${` needs a variable name and `}`; write `$${` for a literal one"),
        ("a: ${}\n", "h.yaml:1: a: `${` needs a variable name and `}`; write `$${` for a literal one"),
        ("a: !!int abc\n", "h.yaml:1: a: not a value of a kind that is known here"),
        ("a: !secret abc\n", "h.yaml:1: a: not a value of a kind that is known here"),
        ("a: [1\nb: 2\n", "h.yaml:2: not valid YAML: expected ',' or ']', but got ':'"),
        ("a: \x00\n", "h.yaml:1: not valid YAML: a character or a nesting that YAML does not allow"),
        ("a: *secret\n", "h.yaml:1: not valid YAML: found undefined alias"),
    ],
)
def test_a_fault_names_file_line_and_field(text: str, message: str) -> None:
    """Each fault says where and what, and repeats no value."""
    assert refused(text) == message


def test_an_alias_that_contains_itself_is_refused() -> None:
    """A loop of aliases ends in an error and not in the stack."""
    assert "nested too deeply" in refused("a: &a [*a]\n")


def test_aliases_that_multiply_are_refused() -> None:
    """A few lines cannot unfold into a billion values."""
    lines = ["a0: &a0 [" + ", ".join(["x"] * 10) + "]"]
    lines += [f"a{n}: &a{n} [" + ", ".join([f"*a{n - 1}"] * 10) + "]" for n in range(1, 9)]
    assert "too large" in refused("\n".join(lines))


def test_deep_nesting_is_refused() -> None:
    """Brackets without an end are an error of the file."""
    assert "nesting" in refused("[" * 5000)


def test_a_huge_file_is_refused() -> None:
    """A configuration has a bound."""
    assert "larger than" in refused("#" * (MAX_FILE_CHARACTERS + 1))


def test_fields_are_named_as_people_write_them() -> None:
    """Indices in brackets, keys with dots."""
    assert field_name(("sites", 0, "cameras", 12, "url")) == "sites[0].cameras[12].url"
