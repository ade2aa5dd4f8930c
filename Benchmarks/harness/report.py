"""Results as a table on the terminal, and as the page docs/benchmarks.md."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .figures import Figure, Result, Verdict, format_number
from .servers import SERVER_ARGUMENTS
from .survey import Settings


@dataclass(frozen=True)
class Report:
    """Everything one invocation found, with what is needed to judge it."""

    settings: Settings
    command_line: str
    facts: dict[str, str]
    results: list[Result]

    @property
    def names(self) -> list[str]:
        return [candidate.name for candidate in self.settings.candidates]

    @property
    def subject(self) -> str:
        return self.settings.subject.name

    def losses(self) -> list[Figure]:
        """Missed bars, and whatever a peer does better even where the bar is held."""
        figures = [figure for result in self.results for figure in result.figures]
        return [
            figure
            for figure in figures
            if figure.verdict(self.subject) is Verdict.MISS or figure.is_behind(self.subject)
        ]


# MARK: Cells


def cells(report: Report, figure: Figure) -> list[str]:
    """One line of a table: title, unit, a value per server, the ratio, the bar, the verdict."""
    values = [figure.value(name) for name in report.names]
    ratio = figure.ratio(report.subject)
    return [
        figure.title,
        figure.unit,
        *("–" if value is None else format_number(value) for value in values),
        "" if ratio is None or figure.informative else f"{format_number(ratio)}×",
        str(figure.bar or ""),
        "" if figure.informative else figure.verdict(report.subject).value,
    ]


def header(report: Report) -> list[str]:
    return ["", "unit", *report.names, "vs best peer", "bar", "verdict"]


# MARK: Terminal


def terminal(report: Report) -> str:
    """All figures under one header, columns aligned."""
    lines = [header(report)]
    lines += [cells(report, figure) for result in report.results for figure in result.figures]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    text = "\n".join(_aligned(line, widths) for line in lines)
    return "\n".join([text, *_failures(report)])


def _aligned(line: Sequence[str], widths: Sequence[int]) -> str:
    padded = [
        # Words to the left, numbers to the right.
        cell.ljust(width) if column in (0, 1, len(line) - 1) else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(line, widths, strict=True))
    ]
    return "  ".join(padded).rstrip()


def _failures(report: Report) -> list[str]:
    return [
        f"{result.row}: {name} could not be measured: {reason}"
        for result in report.results
        for name, reason in result.failures.items()
    ]


# MARK: Page

INTRODUCTION = """\
# Benchmarks

Martlet beside real servers, on one machine, in one run: the servers take turns in interleaved
rounds, and every value is the median of its rounds. *vs best peer* is the median of the ratios of
paired rounds against the peer that does best in that line; below 1 is less, which is better for
everything but throughput. A line with a bar passes or misses it; a line without one is ahead of or
behind the best peer; a line without a verdict is there for context.

Ratios travel to other machines, times do not.

![Martlet beside its peers: bars for each figure](benchmarks.svg)
"""


def page(report: Report) -> str:
    """The page docs/benchmarks.md."""
    sections = [
        INTRODUCTION,
        _setting(report),
        *(
            _section(report, title, list(group))
            for title, group in itertools.groupby(report.results, lambda result: result.title)
        ),
        _losses(report),
    ]
    return "\n".join(sections)


def _setting(report: Report) -> str:
    lines = ["## Setting", "", "| | |", "|---|---|"]
    lines += [f"| {name} | {fact} |" for name, fact in report.facts.items()]
    for candidate in report.settings.candidates:
        version = candidate.version()
        lines.append(f"| {candidate.name} | {version or 'says no version'} |")
    lines.append(f"| Started with | `{SERVER_ARGUMENTS}` |")
    if report.settings.subject.arguments != SERVER_ARGUMENTS:
        lines.append(f"| but {report.subject} with | `{report.settings.subject.arguments}` |")
    lines.append(f"| Rounds | {report.settings.rounds} |")
    lines.append(f"| Command line | `{report.command_line}` |")
    return "\n".join([*lines, ""])


def _section(report: Report, title: str, results: list[Result]) -> str:
    titles = header(report)
    lines = [f"## {title}", "", *_methods(results), ""]
    lines += [_markdown(titles), _markdown(["---", "---", *["---:"] * (len(titles) - 3), "---"])]
    lines += [_markdown(cells(report, figure)) for result in results for figure in result.figures]
    for result in results:
        for name, reason in result.failures.items():
            lines += ["", f"`{result.row}`: {name} could not be measured: {reason}."]
    return "\n".join([*lines, ""])


def _methods(results: Iterable[Result]) -> list[str]:
    """How the rows of a section were measured, each way told once."""
    ways = dict.fromkeys(result.how for result in results)
    return [way[0].upper() + way[1:] + "." for way in ways]


def _markdown(line: Sequence[str]) -> str:
    return "| " + " | ".join(line) + " |"


def _losses(report: Report) -> str:
    lines = [f"- {_loss(report, figure)}" for figure in report.losses()]
    lines += [
        f"- `{result.row}` could not be measured: {result.failures[report.subject]}."
        for result in report.results
        if report.subject in result.failures
    ]
    if not lines:
        lines = ["None in this run: every bar is held, and no line is behind its best peer."]
    return "\n".join(["## Losses", "", *lines, ""])


def _loss(report: Report, figure: Figure) -> str:
    value, ratio = figure.value(report.subject), figure.ratio(report.subject)
    peer = figure.best_peer(report.subject)
    assert value is not None
    text = f"{figure.title}: {format_number(value)} {figure.unit}"
    if ratio is not None and peer is not None:
        text += f", {format_number(ratio)} times {peer}"
    if figure.bar is not None:
        held = figure.verdict(report.subject) is Verdict.PASS
        text += f"; the bar, {figure.bar}, is {'held' if held else 'missed'}"
    return text + "."
