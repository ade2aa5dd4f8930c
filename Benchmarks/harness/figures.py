"""A figure: one quantity, measured on every server, with the bar that Martlet is held to."""

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class Verdict(Enum):
    """What a figure says about the server under test."""

    PASS = "pass"
    MISS = "miss"
    # No bar: only the comparison with the fastest peer remains.
    AHEAD = "ahead"
    BEHIND = "behind"
    NONE = "–"


@dataclass(frozen=True)
class Bar:
    """The most, or least, that a figure may be: in its own unit, or a share of the best peer's."""

    limit: float
    of_best_peer: bool = False
    at_least: bool = False

    def __str__(self) -> str:
        sign = "≥" if self.at_least else "≤"
        return f"{sign} {self.limit:g}" + (" × best peer" if self.of_best_peer else "")

    def holds(self, value: float) -> bool:
        return value >= self.limit if self.at_least else value <= self.limit


@dataclass
class Figure:
    """One quantity: a sample per round for each server, in the order of the rounds."""

    title: str
    unit: str
    bar: Bar | None = None
    higher_is_better: bool = False
    # Shown beside a figure for context; never counted as a win or a loss.
    informative: bool = False
    samples: dict[str, list[float]] = field(default_factory=dict)

    def add(self, server: str, sample: float) -> None:
        self.samples.setdefault(server, []).append(sample)

    def value(self, server: str) -> float | None:
        """The median over the rounds, or nothing where it could not be measured."""
        samples = self.samples.get(server)
        return statistics.median(samples) if samples else None

    def spread(self, server: str) -> tuple[float, float] | None:
        samples = self.samples.get(server)
        return (min(samples), max(samples)) if samples else None

    def best_peer(self, subject: str) -> str | None:
        """The peer that is hardest to beat in this figure."""
        peers = {name: self.value(name) for name in self.samples if name != subject}
        values = {name: value for name, value in peers.items() if value is not None}
        if not values:
            return None
        best = max if self.higher_is_better else min
        return best(values, key=lambda name: values[name])

    def ratio(self, subject: str) -> float | None:
        """The subject relative to its best peer: the median of the ratios of paired rounds.

        Rounds are interleaved, so both halves of a pair saw the same weather.
        """
        peer = self.best_peer(subject)
        if peer is None or not self.samples.get(subject):
            return None
        # A server that failed halfway has fewer samples than the other.
        pairs = zip(self.samples[subject], self.samples[peer], strict=False)
        ratios = [ours / theirs for ours, theirs in pairs if theirs > 0]
        return statistics.median(ratios) if ratios else None

    def limit(self, subject: str) -> float | None:
        """The bar in the figure's own unit."""
        if self.bar is None or not self.bar.of_best_peer:
            return self.bar.limit if self.bar else None
        peer = self.best_peer(subject)
        best = self.value(peer) if peer else None
        return None if best is None else self.bar.limit * best

    def is_behind(self, subject: str) -> bool:
        """Whether some peer does better, bar or no bar."""
        ratio = self.ratio(subject)
        if ratio is None or self.informative:
            return False
        return ratio < 1 if self.higher_is_better else ratio > 1

    def verdict(self, subject: str) -> Verdict:
        value, ratio = self.value(subject), self.ratio(subject)
        if self.informative or value is None:
            return Verdict.NONE
        if self.bar is not None:
            held = ratio if self.bar.of_best_peer else value
            if held is None:
                return Verdict.NONE
            return Verdict.PASS if self.bar.holds(held) else Verdict.MISS
        if ratio is None:
            return Verdict.NONE
        return Verdict.BEHIND if self.is_behind(subject) else Verdict.AHEAD


@dataclass
class Result:
    """What one row of the benchmark found."""

    row: str
    title: str
    how: str
    figures: list[Figure]
    # Why a server has no samples, by its name.
    failures: Mapping[str, str] = field(default_factory=dict)


def format_number(value: float) -> str:
    """Three significant digits, with separators where the number is long."""
    if value == 0:
        return "0"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 0.1 else 4
    return f"{value:.{digits}f}"
