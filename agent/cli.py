"""The command line `eid-agent`: words to actions; touches streams, signals and logs.

Each command lives in its own module, which is imported when it is called.

Standard output carries results and questions only. Exit code 0: done, 1: failed, with
one sentence on standard error that says what to do, 2: wrong usage, 130: ended by
Ctrl-C, at any question alike (`run`, `demo` and `virtual-card` end by it in order: 0).
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import locale
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from agent import __version__, host, preferences
from agent.commands import Failure, say
from agent.pdf.document import CORNERS, LEVELS
from agent.texts import LANGUAGES, text
from agent.words import one_line

if TYPE_CHECKING:
    from cardio.virtual.faults import Fault

PERSONAS = (
    "adult, adult-1.7, foreigner, kids, long-names, expired, one-try, blocked, "
    "rekeyed-1.7, and what virtual-card --list names"
)
#: How Windows calls our languages at the beginning of a locale (`Dutch_Belgium`).
_WINDOWS_NAMES = {"Dutch": "nl", "French": "fr", "German": "de", "English": "en"}
#: In lines, since argparse would break the names at their hyphens.
FAULTS = """\
faults:
  removed, mute, garbage, slow, wrong-sw, flipped-bit, wrong-rrn-signature,
  other-photo, eeprom-error, reset, swapped (--list says what each of them does)
"""
#: As the HTTP API has it.
MAX_REASON = 200
_LOG_LEVELS = ("debug", "info", "warning", "error")


def parser() -> argparse.ArgumentParser:
    """Build the parser of all commands."""
    top = argparse.ArgumentParser(
        prog="eid-agent", description="Lets web pages use the Belgian identity card."
    )
    top.add_argument("--version", action="version", version=f"eid-agent {__version__}")
    commands = top.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _run(_add(commands, "run", "agent.commands.run", "run the agent"))
    _add(commands, "quit", "agent.commands.quit", "end the running agent")
    _demo(_add(commands, "demo", "agent.commands.demo", "try it with a virtual card"))
    _card(commands)
    _sign(_add(commands, "sign", "agent.commands.sign", "sign a PDF with the card"))
    _validate(
        _add(commands, "validate", "agent.commands.validate", "who signed a PDF?")
    )
    _trust(commands)
    _origins(commands)
    _journal(commands)
    _doctor(_add(commands, "doctor", "agent.commands.doctor", "why does it not work?"))
    _virtual_card(
        _add(
            commands,
            "virtual-card",
            "agent.commands.virtual_card",
            "put a virtual Belgian eID into a PC/SC reader",
        )
    )
    return top


def _add(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    module: str,
    summary: str,
) -> argparse.ArgumentParser:
    """Add a command with the options that every command has."""
    command = commands.add_parser(name, help=summary, description=summary)
    command.set_defaults(module=module, action=name, refuse=command.error)
    command.add_argument(
        "--data-dir",
        type=_path,
        metavar="DIR",
        help="settings and certificate; not used here: the demo has its own for a run"
        if name == "demo"
        else "settings and certificate",
    )
    command.add_argument(
        "--lang",
        choices=LANGUAGES,
        help="of questions and results; default: as chosen in the tray, else the "
        "locale's. This help is in English",
    )
    command.add_argument(
        "--log-level",
        choices=_LOG_LEVELS,
        default="warning",
        help="how much to log on standard error (default: warning)",
    )
    return command


def _run(command: argparse.ArgumentParser) -> None:
    command.add_argument("--port", type=_port, help="default: 27410 to 27419")
    _card_option(command)
    _ui_option(command)
    command.add_argument(
        "--allow-origin",
        action="append",
        default=[],
        metavar="URL",
        help="a site that need not be asked about, this run only",
    )
    command.add_argument(
        "--timestamp-url",
        metavar="URL",
        help="the time stamp service for documents that sites have signed, as"
        " http://host/path (RFC 3161)",
    )
    command.add_argument(
        "--developer", action="store_true", help="accept http pages of this machine"
    )
    command.add_argument(
        "--mode",
        choices=("counter",),
        help="counter: a desk for many people's cards; nothing is allowed for always",
    )
    command.add_argument(
        "--install-trust",
        action="store_true",
        help="at this user's first start, do what trust install does; the package's "
        "menu and start with the session say so",
    )
    for whose in ("citizen", "clerk"):
        command.add_argument(
            f"--{whose}-reader",
            type=_part,
            metavar="NAME",
            help=f"with --mode counter: the reader of the {whose}, exactly as card "
            "list names it; default: asked once",
        )


def _demo(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--no-browser",
        action="store_true",
        help="open none: visit the portal in your own; Ctrl-C ends the demo",
    )
    command.add_argument(
        "--card",
        default="virtual",
        metavar="WHERE",
        help="virtual (default): in this program. pcsc: the card in a reader; "
        "without one, a virtual card is put into the virtual reader",
    )
    command.add_argument(
        "--persona",
        type=_part,
        metavar="NAME",
        help=f"whose virtual card: {PERSONAS}",
    )
    _ui_option(command)
    command.add_argument(
        "--vpcd",
        type=_address,
        metavar="HOST:PORT",
        help="where the virtual reader listens (default: localhost:35963)",
    )


def _card(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    card = commands.add_parser("card", help="look at readers and cards")
    actions = card.add_subparsers(title="actions", required=True, metavar="ACTION")
    for name, summary in (
        ("list", "readers and what is in them"),
        ("read", "identity, address and photo"),
        ("pin-status", "how many PIN tries are left; never spends one"),
        ("change-pin", "replace the PIN; asks the old one, and the new one twice"),
    ):
        action = _add(actions, name, "agent.commands.card", summary)
        action.add_argument("--json", action="store_true", help="for programs")
        _card_option(action)
        if name != "list":
            action.add_argument(
                "--reader", type=_part, metavar="NAME", help="or a part of it"
            )
        if name == "change-pin":
            action.set_defaults(module="agent.commands.change_pin")
        if name == "read":
            action.add_argument("--photo", type=_path, metavar="FILE", help="as JPEG")
    _verify(actions)


def _verify(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    action = _add(
        actions,
        "verify",
        "agent.commands.verify",
        "are card and data genuine? Asks a 1.8 chip once; it answers 5000 times",
    )
    action.add_argument("--json", action="store_true", help="for programs")
    _card_option(action)
    action.add_argument("--reader", type=_part, metavar="NAME", help="or a part of it")
    _ca_option(action)


def _sign(command: argparse.ArgumentParser) -> None:
    command.add_argument("file", type=_path, metavar="FILE.pdf")
    command.add_argument(
        "-o",
        "--output",
        type=_path,
        required=True,
        metavar="OUT.pdf",
        help="the signed document; a file that is not there yet",
    )
    _card_option(command)
    command.add_argument("--reader", type=_part, metavar="NAME", help="or a part of it")
    command.add_argument(
        "--level",
        choices=LEVELS,
        default="B-B",
        help="B-B (default): offline. B-T: with a time stamp. B-LT: also with what "
        "shows that no certificate was revoked",
    )
    command.add_argument(
        "--timestamp-url",
        metavar="URL",
        help="the time stamp service for B-T and B-LT, as http://host/path (RFC 3161)",
    )
    _ca_option(command)
    command.add_argument(
        "--revocation-host",
        type=str.lower,
        action="append",
        default=[],
        metavar="HOST[:PORT]",
        help="whom else than Belgium's services B-LT may ask about revocation; a "
        "public address; may be given again",
    )
    command.add_argument(
        "--reason", type=_reason, metavar="TEXT", help="why; stands in the signature"
    )
    command.add_argument(
        "--visible",
        action="store_true",
        help="let name, time and reason be seen on a page",
    )
    command.add_argument(
        "--page",
        type=_page,
        metavar="NUMBER",
        help="the page for --visible, counted from 1; default: the last",
    )
    command.add_argument(
        "--corner",
        choices=CORNERS,
        help="where on the page; default: bottom-right",
    )


def _validate(command: argparse.ArgumentParser) -> None:
    command.add_argument("file", type=_path, metavar="FILE.pdf")
    command.add_argument("--json", action="store_true", help="for programs")
    _ca_option(command)
    command.add_argument(
        "--offline",
        action="store_true",
        help="ask nobody whether a certificate was revoked",
    )


def _trust(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    trust = commands.add_parser("trust", help="the certificate for localhost")
    actions = trust.add_subparsers(title="actions", required=True, metavar="ACTION")
    for name, summary in (
        ("install", "let this user's browsers trust the agent"),
        ("remove", "undo what install did, and no more"),
        ("status", "which of the browsers trust the agent"),
        ("show", "print the CA certificate as PEM"),
    ):
        action = _add(actions, name, "agent.commands.trust", summary)
        action.add_argument("--json", action="store_true", help="for programs")
        if name == "remove":
            action.add_argument(
                "--noted",
                action="store_true",
                help="of each data folder that this user used with the package; what "
                "its removal does",
            )
        if name != "show":
            action.add_argument(
                "--system",
                action="store_true",
                help="the stores of the whole machine instead; for the administrator "
                "of a machine that one person alone uses",
            )


def _origins(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    origins = commands.add_parser("origins", help="the sites that may use the agent")
    actions = origins.add_subparsers(title="actions", required=True, metavar="ACTION")
    module = "agent.commands.origins"
    listing = _add(actions, "list", module, "what is allowed, and until when")
    listing.add_argument("--json", action="store_true", help="for programs")
    allow = _add(actions, "allow", module, "let a site ask, for 13 months")
    allow.add_argument("url", metavar="URL", help="such as https://portal.example")
    allow.add_argument(
        "--capability",
        choices=("identity", "login", "sign"),
        help="what for; default: all of them. Consent to a real card's data and the "
        "PIN are asked all the same",
    )
    revoke = _add(actions, "revoke", module, "end all that was allowed to a site")
    revoke.add_argument("url", metavar="URL", help="as origins list shows it")


def _journal(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    summary = "what was shared and signed, with whom, when"
    journal = _add(commands, "journal", "agent.commands.journal", summary)
    journal.add_argument(
        "what", nargs="?", choices=("erase",), help="erase: forget all of it"
    )
    journal.add_argument("--json", action="store_true", help="for programs")


def _doctor(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="for programs")
    _card_option(command)
    command.add_argument(
        "--online",
        action="store_true",
        help="also ask whether there is a newer release",
    )
    command.add_argument(
        "--bundle",
        type=_path,
        metavar="FILE.zip",
        help="write the page into a file for support, without personal data; shown "
        "and asked before",
    )


def _virtual_card(command: argparse.ArgumentParser) -> None:
    command.formatter_class = argparse.RawDescriptionHelpFormatter
    command.epilog = FAULTS
    content = command.add_mutually_exclusive_group()
    content.add_argument(
        "--persona", type=_part, metavar="NAME", help=f"whose card: {PERSONAS}"
    )
    content.add_argument("--files", type=_path, metavar="DIR", help="a folder of files")
    command.add_argument(
        "--applet", choices=("1.7", "1.8"), help="default: the persona's own"
    )
    command.add_argument("--pin", metavar="DIGITS", help="default: 1234")
    command.add_argument(
        "--vpcd",
        type=_address,
        default=("localhost", 35963),
        metavar="HOST:PORT",
        help="where the virtual reader listens (default: localhost:35963)",
    )
    command.add_argument(
        "--state", type=_path, metavar="DIR", help="keeps tries and PIN"
    )
    command.add_argument(
        "--strict", action="store_true", help="the hardest reading of the manuals"
    )
    command.add_argument(
        "--fault", type=_fault, metavar="NAME[:N]", help="at the Nth command; see below"
    )
    command.add_argument(
        "--speed", choices=("real",), help="as slow as a real card; default: at once"
    )
    command.add_argument(
        "--panel", action="store_true", help="a page on loopback to work the card with"
    )
    command.add_argument("--list", action="store_true", help="the personas, the faults")
    command.add_argument("--json", action="store_true", help="with --list")


def _card_option(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--card",
        default="pcsc",
        metavar="WHERE",
        help="pcsc (default), pkcs11:[MODULE] or virtual[:PERSONA or folder]",
    )


def _ca_option(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--ca",
        type=_path,
        action="append",
        default=[],
        metavar="FILE",
        help="roots to trust besides Belgium's, PEM or DER; may be given again",
    )


def _path(text: str) -> Path:
    """Refuse what a shell makes of a variable that is not set: it would be `.`."""
    if not text:
        raise argparse.ArgumentTypeError("a path is needed, and this one is empty")
    return Path(text)


def _ui_option(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--ui",
        choices=("desktop", "terminal"),
        default="desktop",
        help="where the person is asked: in windows (desktop, the default; the "
        "terminal where none can open), or in the terminal",
    )


def _port(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() else 0
    if not 1 <= number <= 65535:
        raise argparse.ArgumentTypeError("a port is 1 to 65535")
    return number


def _part(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("a name is needed, and this one is empty")
    return text


def _reason(text: str) -> str:
    """Refuse what no reader would show as it is."""
    if len(text) > MAX_REASON or one_line(text) != text:
        limit = f"one line of at most {MAX_REASON} characters is needed"
        raise argparse.ArgumentTypeError(limit)
    return _part(text)


def _page(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text[:6]) < 1:
        raise argparse.ArgumentTypeError("a number from 1 is needed")
    return int(text[:6])


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not host:
        raise argparse.ArgumentTypeError("HOST:PORT is needed")
    return host.strip("[]"), _port(port)


def _fault(text: str) -> Fault:
    from cardio.virtual.faults import Fault, UnknownFault

    try:
        return Fault.parse(text)
    except UnknownFault as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def language(chosen: str | None) -> str:
    """Return the language to speak: the one chosen, else the locale's, else English.

    Chosen is that of the command line, else the one that was chosen in the tray.
    """
    candidate = chosen or _of_locale()[:2].lower()
    return candidate if candidate in LANGUAGES else "en"


def folder(options: argparse.Namespace) -> Path | None:
    """Return the data folder that a command uses; the demo has one of its own."""
    if options.module == "agent.commands.demo":
        return None
    chosen: Path | None = options.data_dir
    return chosen or host.data_dir()


def _of_locale() -> str:
    """Return the locale's name, or one of our languages, or nothing."""
    names = ("LC_ALL", "LC_MESSAGES", "LANG")
    for name in names:
        if said := os.environ.get(name):
            return said
    # Windows and macOS set none of these; Windows' names begin with English words.
    with contextlib.suppress(ValueError):
        name = locale.getlocale()[0] or ""
        return _WINDOWS_NAMES.get(name.partition("_")[0], name)
    return ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    host.keep_memory_private()  # a PIN may pass through any command
    _prepare_output()
    options, unknown = parser().parse_known_args(arguments)
    if unknown:  # with the usage of the command, not of the whole program
        options.refuse(f"unrecognized arguments: {' '.join(unknown)}")
    options.lang = language(options.lang or preferences.load(folder(options)).lang)
    logging.basicConfig(
        level=options.log_level.upper(),
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    signal.signal(signal.SIGTERM, _terminated)
    try:
        command: Callable[[argparse.Namespace], int]
        command = importlib.import_module(options.module).main
        return command(options)
    except Failure as problem:
        if problem.key == "cli-output":
            _give_up_output()
        say(problem.sentence(options.lang))
        return problem.exit_code
    except KeyboardInterrupt:
        say(text("cli-interrupted", options.lang))
        return 128 + signal.SIGINT
    except BrokenPipeError:
        _give_up_output()
        return 1


def _terminated(_number: int, _frame: object) -> NoReturn:
    """End by SIGTERM as any other way out does, so that nothing is left behind."""
    raise SystemExit(128 + signal.SIGTERM)


def _prepare_output() -> None:
    """See to it that every result can be written, whatever the streams are.

    Programs read UTF-8; a terminal that lacks a letter shows it as `?`.
    """
    if sys.stdout is None:
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    elif isinstance(sys.stdout, io.TextIOWrapper):
        encoding = None if sys.stdout.isatty() else "utf-8"
        sys.stdout.reconfigure(encoding=encoding, errors="replace")


def _give_up_output() -> None:
    """Throw away what nobody takes, so that the interpreter's end does not complain."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
