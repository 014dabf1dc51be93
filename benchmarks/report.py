"""What a question found: tables, budgets, notes and one plot. Printed, written as JSON, drawn as SVG.

    report = Report("ship", asks="What does ...?", method=["..."])
    table = report.table("To the directory store", Column("way"), Column("throughput", "MB/s", digits=0))
    table.add("hard link", Spread.of(rates))
    report.budget("CPU of ffmpeg", ratio, unit="x", at_most=0.45)
    report.plot("Linking costs no second write.", Panel(...))

The JSON file holds every sample and says on what machine, from which commit, when and how it was measured. The
tables of benchmarks/README.md are rendered from it, and by the same functions that print them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import machine, plot
from benchmarks.plot import Panel
from benchmarks.spread import Spread, number, significant

FORMAT = 1

Cell = str | int | float | Spread | None


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its numbers have one unit and so many decimals."""

    name: str
    unit: str = ""
    digits: int = 1

    @property
    def heading(self) -> str:
        """Name and unit."""
        return f"{self.name}, {self.unit}" if self.unit else self.name

    def text(self, cell: Cell) -> str:
        """A cell as it is shown; what was not measured is a dash."""
        if cell is None:
            return "-"
        if isinstance(cell, Spread):
            return cell.text(self.digits)
        if isinstance(cell, float):
            return number(cell, self.digits)
        return number(cell, 0) if isinstance(cell, int) else cell


@dataclass(slots=True)
class Table:
    """Rows of cells; a `Spread` is shown as min / median / max."""

    title: str
    columns: tuple[Column, ...]
    rows: list[tuple[Cell, ...]] = field(default_factory=list)

    def add(self, *cells: Cell) -> None:
        """One more row."""
        if len(cells) != len(self.columns):
            raise ValueError(f"{len(cells)} cells for {len(self.columns)} columns of {self.title!r}")
        self.rows.append(cells)

    def markdown(self) -> str:
        """The table as Markdown."""
        lines = [[column.heading for column in self.columns], ["---"] * len(self.columns)]
        lines += [[column.text(cell) for column, cell in zip(self.columns, row, strict=True)] for row in self.rows]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)

    def to_json(self) -> dict[str, Any]:
        """Columns and rows, with every sample."""
        columns = [{"name": each.name, "unit": each.unit, "digits": each.digits} for each in self.columns]
        rows = [[_cell_json(cell) for cell in row] for row in self.rows]
        return {"title": self.title, "columns": columns, "rows": rows}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Table:
        """What `to_json` wrote."""
        rows = [tuple(map(_cell, row)) for row in value["rows"]]
        return cls(value["title"], tuple(Column(**column) for column in value["columns"]), rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """A figure beside what it may be. It is judged by its median."""

    what: str
    measured: Spread
    unit: str
    at_most: float
    digits: int = 2

    @property
    def met(self) -> bool:
        """Whether the median is within the budget."""
        return self.measured.median <= self.at_most

    def to_json(self) -> dict[str, Any]:
        """The budget, the figure and the verdict."""
        shown = {"what": self.what, "unit": self.unit, "at_most": self.at_most, "digits": self.digits, "met": self.met}
        return {**shown, "measured": self.measured.to_json()}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Budget:
        """What `to_json` wrote."""
        plain = {key: value[key] for key in ("what", "unit", "at_most", "digits")}
        return cls(**plain, measured=Spread.from_json(value["measured"]))


def budget_table(budgets: list[Budget]) -> str:
    """Budgets beside figures, as Markdown."""
    lines = ["| | measured | budget |", "|---|---|---|"]
    for each in budgets:
        verdict = "" if each.met else ": **not met**"
        measured = each.measured.text(each.digits)
        lines.append(f"| {each.what} | {measured} {each.unit} | at most {each.at_most:g} {each.unit}{verdict} |")
    return "\n".join(lines)


class Report:
    """What one question found."""

    def __init__(self, question: str, *, asks: str, method: list[str]) -> None:
        self.question = question
        self.asks = asks
        self.method = method
        self.tables: list[Table] = []
        self.budgets: list[Budget] = []
        self.notes: list[str] = []
        self.sees = ""
        self._panels: tuple[Panel, ...] = ()

    def table(self, title: str, *columns: Column) -> Table:
        """A new table."""
        table = Table(title, columns)
        self.tables.append(table)
        return table

    def budget(self, what: str, measured: Spread, *, unit: str, at_most: float, digits: int = 2) -> None:
        """A figure with a budget."""
        self.budgets.append(Budget(what=what, measured=measured, unit=unit, at_most=at_most, digits=digits))

    def note(self, text: str) -> None:
        """What a reader must know to read the figures: a limit that was met, a way that could not be measured."""
        self.notes.append(text)

    def plot(self, sees: str, *panels: Panel) -> None:
        """The one plot. `sees` is a sentence that says what to see in it, made of this run's figures."""
        self.sees, self._panels = sees, panels

    def to_json(self, *, quick: bool, took_s: float, load_before: float) -> dict[str, Any]:
        """Everything, JSON-ready."""
        return {
            "format": FORMAT,
            "question": self.question,
            "asks": self.asks,
            "sees": self.sees,
            "method": self.method,
            "quick": quick,
            "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%MZ"),
            "commit": machine.commit(),
            "machine": machine.describe(),
            "took_s": round(took_s, 1),
            "load_before": round(load_before, 1),
            "budgets": [each.to_json() for each in self.budgets],
            "tables": [each.to_json() for each in self.tables],
            "notes": self.notes,
        }

    def publish(self, folder: Path, *, quick: bool = False, took_s: float = 0.0, load_before: float = 0.0) -> None:
        """Print everything, write `<question>.json` and draw `<question>.svg` in `folder`.

        `load_before` is the machine's load average before anything was measured: its other work.
        """
        if not self._panels:
            raise ValueError(f"{self.question} has no plot")
        folder.mkdir(parents=True, exist_ok=True)
        value = self.to_json(quick=quick, took_s=took_s, load_before=load_before)
        print(markdown(value), flush=True)
        (folder / f"{self.question}.json").write_text(compact(value) + "\n", encoding="utf-8")
        svg = plot.draw(self._panels, title=self.sees, salt=self.question)
        (folder / f"{self.question}.svg").write_text(svg, encoding="utf-8")


def markdown(value: dict[str, Any]) -> str:
    """A report's JSON as Markdown: budgets, tables, notes."""
    parts = []
    if value["budgets"]:
        parts.append(budget_table([Budget.from_json(each) for each in value["budgets"]]))
    parts += [f"{each['title']}:\n\n{Table.from_json(each).markdown()}" for each in value["tables"]]
    if value["notes"]:
        parts.append("\n".join(f"- {note}" for note in value["notes"]))
    return "\n\n".join(parts)


def compact(value: Any, indent: str = "") -> str:
    """JSON with one line for each innermost list or table, so that files stay small and their differences readable."""
    flat = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict | list) or len(indent) + len(flat) <= 110 or not value:
        return flat
    deeper = indent + " "
    if isinstance(value, list):
        if all(isinstance(each, int | float) for each in value):
            return flat
        return "[\n" + ",\n".join(deeper + compact(each, deeper) for each in value) + f"\n{indent}]"
    items = (f"{deeper}{json.dumps(key, ensure_ascii=False)}: {compact(each, deeper)}" for key, each in value.items())
    return "{\n" + ",\n".join(items) + f"\n{indent}}}"


def _cell_json(cell: Cell) -> Any:
    if isinstance(cell, Spread):
        return cell.to_json()
    return significant(cell) if isinstance(cell, float) else cell


def _cell(value: Any) -> Cell:
    """What `_cell_json` made of it."""
    return Spread.from_json(value) if isinstance(value, dict) else value
