"""`python -m tests.fuzz TARGET`: fuzz one target, or run it over files that are named.

Ends with 0 when nothing crashed. A crash ends with another code, prints its traceback
and leaves the input in a file, for `python -m tests.fuzz TARGET FILE`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.fuzz.targets import MAX_LENGTH, PLANTED, TARGETS, Target

_CRASHES = Path(__file__).resolve().parents[2] / "build" / "fuzz"
#: One input may take so long, and the process so much memory, until that is a crash.
_SECONDS_AN_INPUT = 10
_MEGABYTES = 1024


def main(arguments: Sequence[str]) -> int:
    """Parse the command line and do it."""
    parser = argparse.ArgumentParser("python -m tests.fuzz", description=__doc__)
    names = sorted(TARGETS)
    parser.add_argument("target", help=", ".join(names), metavar="TARGET")
    parser.add_argument("files", nargs="*", type=Path, help="run only these inputs")
    parser.add_argument("--seconds", type=int, default=60, help="default: 60")
    parser.add_argument("--seed", type=int, default=0, help="0, the default: a new one")
    parser.add_argument("--crashes", type=Path, default=_CRASHES, metavar="DIR")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="grow a corpus there")
    options = parser.parse_args(arguments)
    target = {**TARGETS, PLANTED.name: PLANTED}.get(options.target)
    if target is None:
        parser.error(f"no target {options.target!r}; there are: {', '.join(names)}")
    if options.files:
        return replay(target, options.files)
    return fuzz(target, options)


def replay(target: Target, files: Sequence[Path]) -> int:
    """Run a target over inputs; its exceptions are not caught."""
    function = target.function()
    for path in files:
        print(f"{target.name}: {path}", flush=True)  # noqa: T201
        function(path.read_bytes())
    return 0


def fuzz(target: Target, options: argparse.Namespace) -> int:
    """Fuzz until the time is over or something crashes; does not return then."""
    try:
        import atheris
    except ImportError:
        print(  # noqa: T201
            "atheris is not there: it exists for Linux on x86-64 and Python 3.11 to "
            "3.14; installer/bootstrap.py test installs it",
            file=sys.stderr,
        )
        return 1
    with atheris.instrument_imports(include=["agent", "cardio", PLANTED.module]):
        function = target.function()
    own, more = target.own_mutator(), {}
    if own is not None:
        more["custom_mutator"] = lambda data, size, seed: own(
            data, size, seed, atheris.Mutate
        )
    options.crashes.mkdir(parents=True, exist_ok=True)
    atheris.Setup([sys.argv[0], *_flags(target, options)], function, **more)
    atheris.Fuzz()
    return 0


def _flags(target: Target, options: argparse.Namespace) -> list[str]:
    """Return libFuzzer's flags; without a folder the corpus grows in memory."""
    flags = [
        f"-max_total_time={options.seconds}",
        f"-max_len={MAX_LENGTH}",
        f"-timeout={_SECONDS_AN_INPUT}",
        f"-rss_limit_mb={_MEGABYTES}",
        f"-seed={options.seed}",
        f"-artifact_prefix={options.crashes.resolve()}/{target.name}-",
        "-print_final_stats=1",
    ]
    seeds = target.seeds()
    if seeds:
        flags.append("-seed_inputs=" + ",".join(map(str, seeds)))
    if options.keep is not None:
        options.keep.mkdir(parents=True, exist_ok=True)
        flags.append(str(options.keep))
    return flags


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
