"""The command line: parses, then hands over to the module that does the work. Exit 0, 1 regression, 2 usage,
3 nothing comparable, 130 interrupted."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

TOPICS = ("forms", "implementations", "suites", "metrics", "libraries", "contract")

#: Command -> the module with its `main(arguments) -> exit code`. Imported only when it is asked for.
_COMMANDS = {
    "list": "lossbench.listing",
    "run": "lossbench.running",
    "explain": "lossbench.explaining",
    "conventions": "lossbench.conventions",
    "reproduce": "lossbench.reproducing",
    "report": "lossbench.reporting",
    "gate": "lossbench.gating",
    "accept": "lossbench.gating",
    "audit": "lossbench.auditing",
}

#: Flags of `explain` whose values may begin with "-".
_NUMBERS = ("--z", "--p", "--q", "--y")


def attached(arguments: Sequence[str]) -> list[str]:
    """Arguments with the values of number flags attached by "=".

    argparse takes what begins with "-" for a flag, unless it is a plain decimal number: `--z -inf`, `--z -5,3` and
    `--z -0x1.8p3` would be refused. After these flags nothing but a value can stand.
    """
    joined: list[str] = []
    for argument in arguments:
        if joined and joined[-1] in _NUMBERS and not argument.startswith("--"):
            joined[-1] += f"={argument}"
        else:
            joined.append(argument)
    return joined


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lossbench",
        description="How far from exact, and how fast, are implementations of the cross-entropy family of losses?",
    )
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")

    show = commands.add_parser("list", help="what exists and what can run here, with reasons for what cannot")
    show.add_argument("topic", nargs="?", choices=TOPICS, help="all of it when left out")

    run = commands.add_parser("run", help="measure accuracy and throughput, then write every report")
    tier = run.add_mutually_exclusive_group()
    tier.add_argument("--quick", dest="tier", action="store_const", const="quick", help="everything touched once")
    tier.add_argument("--full", dest="tier", action="store_const", const="full", help="everything; takes hours")
    run.set_defaults(tier="default")
    run.add_argument("--form", action="append", metavar="F", help="only this form (may be repeated)")
    run.add_argument("--impl", action="append", metavar="GLOB", help="only library:call:mode:device like this")
    run.add_argument("--suite", action="append", metavar="S", help="only this suite (may be repeated)")
    run.add_argument("--dtype", action="append", metavar="D", help="only this dtype (may be repeated)")
    run.add_argument("--only", action="append", metavar="PART",
                     help="only accuracy, throughput, or goals: the timings that the goals of native need")  # fmt: skip
    run.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    run.add_argument("--seed", type=int, default=0, help="seed of the random cases (default 0)")
    run.add_argument("--dry-run", action="store_true", help="print the plan and stop")
    where = run.add_mutually_exclusive_group()
    where.add_argument("--out", type=Path, metavar="DIR", help="folder of the run (default results/<time>-<tier>)")
    where.add_argument("--resume", type=Path, metavar="DIR", help="go on with an interrupted run")

    explain = commands.add_parser(
        "explain", allow_abbrev=False, help="one point: the exact value, and what every library makes of it"
    )
    explain.add_argument("form", metavar="FORM", help="its name in `lossbench list forms`")
    for flag, what in zip(_NUMBERS, ("logits", "probability", "class probabilities", "labels"), strict=True):
        explain.add_argument(flag, metavar=flag[2:].upper(), help=f"{what}: a number, or a list such as -5,3")
    explain.add_argument("--dtype", default="float32", metavar="D", help="format of the inputs (default float32)")
    explain.add_argument("--impl", action="append", metavar="GLOB",
                         help="only library:call:mode:device like this; none asks no library")  # fmt: skip
    explain.add_argument("--options", default="", metavar="S", help="options of the form, such as over=mean")

    meaning = commands.add_parser(
        "conventions", help="what every call makes of labels, special values and laws; some minutes"
    )
    meaning.add_argument("--impl", action="append", metavar="GLOB", help="only library:call:mode:device like this")
    meaning.add_argument("--full", action="store_true", help="torch.compile too, and every mode of classes and aliases")
    meaning.add_argument("--out", type=Path, metavar="DIR",
                         help="folder to write into, that of a run too; goes on where it was interrupted")  # fmt: skip

    again = commands.add_parser("reproduce", help="run the reproducers of a run's findings: do they show it here?")
    again.add_argument("--only", metavar="GLOB", help="only reproducers with names like this")
    report = commands.add_parser("report", help="render the reports of a run again, without measuring")
    gate = commands.add_parser("gate", help="compare a run with the baseline of this platform")
    accept = commands.add_parser("accept", help="make a run the baseline of its platform and print the diff")
    for command in (again, report, gate, accept):
        command.add_argument("dir", nargs="?", type=Path, default=Path("results/latest"), metavar="DIR",
                             help="folder of the run (default results/latest)")  # fmt: skip
    for command in (gate, accept):
        command.add_argument("--baseline", type=Path, metavar="B",
                             help="baseline file (default baselines/accuracy/<platform>.csv)")  # fmt: skip
    audit = commands.add_parser("audit", help="the reference examines itself: both oracles at a million points")
    audit.add_argument("--rates", action="store_true", help="measure how fast the reference is, and nothing else")
    audit.add_argument("--points", type=int, default=1_000_000, metavar="N", help="random points (default 1000000)")
    audit.add_argument("--no-hard", dest="hard", action="store_false", help="leave out the cases of the suites")
    audit.add_argument("--no-exhaustive", dest="exhaustive", action="store_false", help="leave out all 16-bit inputs")
    for command in commands.choices.values():
        command.add_argument("--json", action="store_true", help="answer in JSON on standard output")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = _parser()
    arguments = parser.parse_args(attached(sys.argv[1:] if argv is None else argv))
    if arguments.version:
        from lossbench import __version__

        print(f"lossbench {__version__}")
        return 0
    if arguments.command is None:
        parser.print_help()
        return 2
    try:
        code = import_module(_COMMANDS[arguments.command]).main(arguments)
        return int(code)
    except (ValueError, FileNotFoundError, FileExistsError) as error:
        print(f"lossbench {arguments.command}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 0
