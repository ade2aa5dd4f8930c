"""The command line of `Benchmarks/bench`."""

import argparse
import os
import shlex
import sys
from pathlib import Path

from . import load, machine, places, plot, report, rows, servers
from .figures import Result
from .survey import Settings

SUBJECT = "martlet"
BUSY_LOAD = 0.5


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="Benchmarks/bench",
        description="Measures Martlet beside the real servers in .peers (scripts/peers).",
        epilog="Rows: " + ", ".join(row.name for row in rows.ROWS) + ".",
    )
    parser.add_argument(
        "--only", metavar="ROW[,ROW]", default="", help="only these rows; patterns as get-* work"
    )
    parser.add_argument("--rounds", type=int, help="interleaved rounds (7, or 3 with --quick)")
    parser.add_argument("--quick", action="store_true", help="short rounds and small sizes")
    parser.add_argument(
        "--instructions", action="store_true", help="also count instructions (valgrind, slow)"
    )
    parser.add_argument(
        "--server", type=Path, default=places.RELEASE_BINARY, help="another server to measure"
    )
    parser.add_argument(
        "--server-arguments",
        metavar="TEXT",
        default=servers.SERVER_ARGUMENTS,
        help="its arguments, {port} standing for the port",
    )
    parser.add_argument(
        "--write", action="store_true", help="write docs/benchmarks.md and docs/benchmarks.svg"
    )
    return parser.parse_args(arguments)


def make_settings(options: argparse.Namespace) -> Settings:
    binary = options.server.resolve()
    if not binary.exists():
        sys.exit("bench: no server to measure; build it first: swift build -c release")
    peers = servers.peers()
    if not peers:
        print("bench: no peers in .peers, see scripts/peers", file=sys.stderr)
    return Settings(
        subject=servers.Candidate(SUBJECT, binary, options.server_arguments),
        peers=peers,
        rounds=options.rounds or (3 if options.quick else 7),
        quick=options.quick,
    )


def warn_if_busy() -> None:
    """Says that times taken now are worth little; counts of instructions and bytes still hold."""
    if os.getloadavg()[0] > BUSY_LOAD:
        print("bench: this machine is busy with something else", file=sys.stderr)


def measure(chosen: list[rows.Row], settings: Settings) -> list[Result]:
    results = []
    for index, row in enumerate(chosen):
        print(f"[{index + 1}/{len(chosen)}] {row.name}", file=sys.stderr, flush=True)
        results.append(row.measure(settings))
    return results


def command_line(arguments: list[str], options: argparse.Namespace) -> str:
    """The invocation, without the path of this machine that --server may hold."""
    text = shlex.join(["Benchmarks/bench", *arguments])
    return text.replace(str(options.server), options.server.name)


def write(finished: report.Report) -> None:
    places.REPORT.parent.mkdir(exist_ok=True)
    places.REPORT.write_text(report.page(finished))
    places.PLOT.write_text(plot.svg(finished))
    for path in (places.REPORT, places.PLOT):
        print(f"wrote {path.relative_to(places.ROOT)}", file=sys.stderr)


def main() -> int:
    arguments = sys.argv[1:]
    options = parse_arguments(arguments)
    try:
        chosen = rows.choose([p for p in options.only.split(",") if p], options.instructions)
    except ValueError as error:
        sys.exit(f"bench: {error}")
    settings = make_settings(options)
    load.build()
    servers.raise_file_limit()
    warn_if_busy()
    finished = report.Report(
        settings=settings,
        command_line=command_line(arguments, options),
        facts=machine.describe(),
        results=measure(chosen, settings),
    )
    print(report.terminal(finished))
    if options.write:
        write(finished)
    return 0
