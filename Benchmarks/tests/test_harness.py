"""What of the harness can be wrong without anybody noticing: its arithmetic and its parsing."""

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness import callgrind, rows
from harness.figures import Bar, Figure, Verdict, format_number


def figure(bar: Bar | None = None, higher_is_better: bool = False) -> Figure:
    return Figure("title", "unit", bar, higher_is_better)


class FigureTests(unittest.TestCase):
    def test_ratio_is_the_median_of_paired_rounds_against_the_best_peer(self) -> None:
        cpu = figure()
        for ours, slow, fast in [(1.0, 9.0, 2.0), (3.0, 9.0, 4.0), (2.0, 9.0, 8.0)]:
            cpu.add("us", ours)
            cpu.add("slow", slow)
            cpu.add("fast", fast)
        self.assertEqual(cpu.best_peer("us"), "fast")
        self.assertEqual(cpu.ratio("us"), 0.5)

    def test_best_peer_of_a_rate_is_the_highest(self) -> None:
        rate = figure(higher_is_better=True)
        for name, sample in {"us": 30.0, "slow": 10.0, "fast": 20.0}.items():
            rate.add(name, sample)
        self.assertEqual(rate.best_peer("us"), "fast")
        self.assertIs(rate.verdict("us"), Verdict.AHEAD)

    def test_bar_is_held_against_the_ratio_or_the_value(self) -> None:
        for bar, verdict in [
            (Bar(0.5, of_best_peer=True), Verdict.PASS),
            (Bar(0.4, of_best_peer=True), Verdict.MISS),
            (Bar(10), Verdict.PASS),
            (Bar(9), Verdict.MISS),
            (Bar(10, at_least=True), Verdict.PASS),
            (Bar(11, at_least=True), Verdict.MISS),
        ]:
            with self.subTest(str(bar)):
                held = figure(bar)
                held.add("us", 10)
                held.add("peer", 20)
                self.assertIs(held.verdict("us"), verdict)

    def test_nothing_measured_is_no_verdict(self) -> None:
        empty = figure(Bar(1))
        empty.add("peer", 1)
        self.assertIs(empty.verdict("us"), Verdict.NONE)
        self.assertIsNone(empty.ratio("us"))

    def test_numbers_keep_three_digits(self) -> None:
        shown = [format_number(value) for value in (0, 0.0123, 0.456, 12.34, 123.4, 12345.6)]
        self.assertEqual(shown, ["0", "0.0123", "0.46", "12.3", "123", "12,346"])


class GrowthTests(unittest.TestCase):
    def test_only_what_recurs_at_the_same_place_counts(self) -> None:
        runs = [[1.0, 900.0, 5.0, 1.0, 1.0], [1.0, 1.0, 7.0, 1.0, 800.0]]
        self.assertEqual(rows.repeated_worst(runs), 7.0)

    def test_the_edge_of_two_windows_is_one_place(self) -> None:
        self.assertEqual(rows.repeated_worst([[0.0, 50.0, 0.0], [0.0, 0.0, 60.0]]), 50.0)


class CallgrindTests(unittest.TestCase):
    def test_names_are_spelled_out_once(self) -> None:
        text = "\n".join(
            [
                "fn=(1) main",
                "5 100",
                "cfn=(2) swift_retain",
                "calls=3 0",
                "6 30",
                "fn=(2)",
                "7 30",
                "fn=(3) other",
                "cfn=(2)",
                "calls=4 0",
                "8 40",
                "totals: 1234",
            ]
        )
        profile = callgrind.parse(text)
        self.assertEqual(profile.instructions, 1234)
        self.assertEqual(profile.calls, {"swift_retain": 7})


if __name__ == "__main__":
    unittest.main()
