"""The plot docs/benchmarks.svg: one group of bars per figure, drawn without any library."""

from html import escape

from .figures import Figure, format_number
from .report import Report

COLUMNS = 2
COLUMN_WIDTH = 460
MARGIN = 32
TOP = 116
BAR_HEIGHT = 15
BAR_GAP = 3
GROUP_GAP = 30
LABEL_WIDTH = 84
VALUE_WIDTH = 84

INK = "#1f2933"
FAINT_INK = "#66727f"
TRACK = "#f1f4f7"
SUBJECT_COLOUR = "#e8590c"
PEER_COLOURS = ["#5c7c99", "#9fb3c8", "#c3d0dc"]

KEY = "Shorter is better; each group has its own scale; the line is the bar to stay under."


def plotted(report: Report) -> list[Figure]:
    """What the plot shows: figures of which less is better, measured on more than one server."""
    return [
        figure
        for result in report.results
        for figure in result.figures
        if not figure.higher_is_better and not figure.informative and len(figure.samples) > 1
    ]


def svg(report: Report) -> str:
    """The whole plot. Each group has its own scale, so that every quantity is readable."""
    figures = plotted(report)
    group_height = _group_height(report)
    rows = -(-len(figures) // COLUMNS)
    width = 2 * MARGIN + COLUMNS * COLUMN_WIDTH + (COLUMNS - 1) * MARGIN
    height = TOP + rows * group_height + MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img" '
        "font-family=\"-apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif\">",
        f'<rect width="{width}" height="{height}" rx="8" fill="#ffffff"/>',
        _text(MARGIN, 42, f"{report.subject.capitalize()} beside its peers", size=20, weight=600),
        _text(MARGIN, 64, KEY, size=12, colour=FAINT_INK),
        _text(MARGIN, 81, _caption(report), size=12, colour=FAINT_INK),
    ]
    for index, figure in enumerate(figures):
        # Down the first column, then down the next, as one reads a list.
        column, row = divmod(index, rows)
        x = MARGIN + column * (COLUMN_WIDTH + MARGIN)
        parts += _group(report, figure, x, TOP + row * group_height)
    return "\n".join([*parts, "</svg>", ""])


def _caption(report: Report) -> str:
    facts = report.facts
    return f"{facts['CPU']}, {facts['Kernel']}, {facts['Date']}, commit {facts['Commit']}"


def _group_height(report: Report) -> int:
    return 22 + len(report.names) * (BAR_HEIGHT + BAR_GAP) + GROUP_GAP


def _group(report: Report, figure: Figure, x: int, y: int) -> list[str]:
    parts = [_text(x, y + 10, f"{figure.title}, {figure.unit}", size=13, weight=600)]
    largest = max(figure.value(name) or 0 for name in report.names) or 1
    full = COLUMN_WIDTH - LABEL_WIDTH - VALUE_WIDTH
    for index, name in enumerate(report.names):
        top = y + 22 + index * (BAR_HEIGHT + BAR_GAP)
        value = figure.value(name)
        length = max(round((value or 0) / largest * full, 1), 1.5)
        label = "not measured" if value is None else format_number(value)
        is_subject = name == report.subject
        weight = 600 if is_subject else 400
        parts.append(_text(x, top + 12, name, size=12, weight=weight))
        parts.append(_bar(x + LABEL_WIDTH, top, full, TRACK))
        if value is not None:
            colour = SUBJECT_COLOUR if is_subject else PEER_COLOURS[(index - 1) % 3]
            parts.append(_bar(x + LABEL_WIDTH, top, length, colour))
        end = x + LABEL_WIDTH + full + 8
        parts.append(_text(end, top + 12, label, size=12, weight=weight))
    limit = figure.limit(report.subject)
    if limit is not None and limit <= largest:
        parts.append(_limit(x + LABEL_WIDTH + limit / largest * full, y + 19))
    return parts


def _limit(x: float, y: float) -> str:
    """A mark across the subject's bar, which is the first of its group."""
    return (
        f'<line x1="{x:.1f}" y1="{y}" x2="{x:.1f}" y2="{y + BAR_HEIGHT + 6}" '
        f'stroke="{INK}" stroke-width="1.5"/>'
    )


def _bar(x: float, y: float, width: float, colour: str) -> str:
    return f'<rect x="{x}" y="{y}" width="{width}" height="{BAR_HEIGHT}" rx="2" fill="{colour}"/>'


def _text(x: float, y: float, text: str, size: int, weight: int = 400, colour: str = INK) -> str:
    return (
        f'<text x="{x}" y="{y}" font-size="{size}" font-weight="{weight}" '
        f'fill="{colour}">{escape(text)}</text>'
    )
