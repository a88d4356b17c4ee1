"""`python -m tests.fuzz TARGET`: fuzz one target, or run it over files that are named.

`all` divides the time among all targets, one after the other.

Ends with 0 when nothing crashed. A crash ends with another code, prints its traceback
and leaves the input in a file, for `python -m tests.fuzz TARGET FILE`.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.fuzz.targets import MAX_LENGTH, PLANTED, SHORT, TARGETS, Target, divided

_CRASHES = Path(__file__).resolve().parents[2] / "build" / "fuzz"
#: One input may take so long, and the process so much memory, until that is a crash.
_SECONDS_AN_INPUT = 10
_MEGABYTES = 1024


def main(arguments: Sequence[str]) -> int:
    """Parse the command line and do it."""
    parser = argparse.ArgumentParser("python -m tests.fuzz", description=__doc__)
    names = ["all", *sorted(TARGETS)]
    parser.add_argument("target", help=", ".join(names), metavar="TARGET")
    parser.add_argument("files", nargs="*", type=Path, help="run only these inputs")
    parser.add_argument("--seconds", type=int, default=SHORT, help=f"default: {SHORT}")
    parser.add_argument("--seed", type=int, default=0, help="0, the default: a new one")
    parser.add_argument("--crashes", type=Path, default=_CRASHES, metavar="DIR")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="grow a corpus there")
    options = parser.parse_args(arguments)
    if options.target == "all" and not options.files:
        return fuzz_all(options)
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


def fuzz_all(options: argparse.Namespace) -> int:
    """Fuzz each target in a process of its own; 1 when any of them crashed.

    The processes are forked, since what is imported costs each of them seconds.
    """
    if not _instrumented(TARGETS.values()):
        return 1
    crashed = False
    for name, seconds in divided(options.seconds).items():
        options.seconds = seconds
        print(f"target: {name}", file=sys.stderr, flush=True)  # noqa: T201
        child = os.fork()
        if not child:
            os._exit(fuzz(TARGETS[name], options))
        crashed |= os.waitpid(child, 0)[1] != 0
    return int(crashed)


def _instrumented(targets: Iterable[Target]) -> bool:
    """Import targets so that the fuzzer sees their coverage; False without one."""
    try:
        import atheris
    except ImportError:
        print(  # noqa: T201
            "atheris is not there: it exists for Linux on x86-64 and Python 3.11 to "
            "3.14; installer/bootstrap.py test installs it",
            file=sys.stderr,
        )
        return False
    with atheris.instrument_imports(include=["agent", "cardio", PLANTED.module]):
        for target in targets:
            target.function()
    return True


def fuzz(target: Target, options: argparse.Namespace) -> int:
    """Fuzz until the time is over or something crashes; does not return then."""
    if not _instrumented([target]):
        return 1
    import atheris

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
        # It ends in the second after this one; 0 would be without end.
        f"-max_total_time={max(1, options.seconds - 1)}",
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
