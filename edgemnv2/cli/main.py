"""The command line: finds the verb, reads its arguments, turns our errors into exit codes.

Verbs are imported when they are called, so that `edgemnv2 --help` answers at once.
"""

from __future__ import annotations

import argparse
import difflib
import errno
import importlib
import os
import re
import signal
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from edgemnv2.cli.words import as_flags
from edgemnv2.errors import EdgeError, UsageError, reason
from edgemnv2.version import __version__

__all__ = ["VERBS", "main", "make_parser"]

VERBS = {
    "compile": "compile a model for a target into an artefact",
    "verify": "check an artefact against the reference model",
    "run": "run an artefact on inputs and write its outputs",
    "bench": "measure an artefact: seconds, or instructions under emulation",
    "analyze": "what a model needs and where it fits, without compiling",
    "tune": "search for better schedules and keep what is measured",
    "quantize": "make an int8 model from a float one",
    "bundle": "package an artefact for a firmware build system",
    "report": "one HTML page about artefacts",
    "compare": "two artefacts or benches beside each other, with limits",
    "paper": "the MobileNetV2 paper's tables and figure, recomputed",
    "targets": "the devices that can be compiled for",
    "logs": "show, check, merge and prune tuning logs",
    "doctor": "which tools are installed, and how to get the others",
    "help": "what is written about a topic, or a verb's options",
    "completion": "shell completion for bash, zsh or fish",
}

_EPILOG = """\
examples:
  edgemnv2 compile mobilenetv2-0.35-96-int8 --target mps2-an500 -o net
  edgemnv2 verify net --random 4
  edgemnv2 analyze model.tflite
  edgemnv2 VERB --help

exit codes: 0 good, 1 failed / does not fit / does not match, 2 usage
"""


INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EIO)
"""Of an output that is redirected."""


def make_parser(verbs: Sequence[str] = tuple(VERBS)) -> argparse.ArgumentParser:
    """The parser with the arguments of `verbs` filled in; the others are listed only."""
    parser = _Parser(
        prog="edgemnv2",
        description="MobileNetV2 compiled, tuned and proven for the device in your hand.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"edgemnv2 {__version__}")
    commands = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for verb, summary in VERBS.items():
        command = commands.add_parser(
            verb,
            help=summary,
            description=summary[0].upper() + summary[1:] + ".",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if verb in verbs:
            module = importlib.import_module(f"edgemnv2.cli.{verb}")
            module.add_arguments(command)
            if hasattr(module, "EXAMPLES"):
                command.epilog = "examples:\n  " + module.EXAMPLES.strip().replace("\n", "\n  ")
    return parser


def _empty_argument(words: Sequence[str]) -> str:
    """What to say of an argument that is empty, as shells make "$name" if it is not set; or ""."""
    for before, word in zip(("", *words), words, strict=False):
        option = word[:-1] if word.startswith("--") and word.count("=") == 1 else before
        if word == "" or (option != before and word.endswith("=")):
            what = f"the value of {option}" if option.startswith("-") else "an argument"
            return f"{what} is empty (is a shell variable not set? leave it out for the default)"
    return ""


class _Parser(argparse.ArgumentParser):
    """argparse's, with the nearest word there is for one that is mistyped.

    What may be left out may also stand behind options, as in `run net --threshold 0.3 photo.jpg`.
    """

    _reads = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """argparse's; arguments and options in any order, but for the words that choose a verb."""
        has_verbs = any(isinstance(a, argparse._SubParsersAction) for a in self._actions)
        if has_verbs or self._reads:
            return super().parse_known_args(args, namespace)
        self._reads = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._reads = False

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """argparse's; what is unknown is told by the verb that was asked, with its own usage."""
        found, unknown = self.parse_known_args(args, namespace)
        if unknown:
            _asked(self, args or ()).error(f"unrecognized arguments: {' '.join(unknown)}")
        return found

    def error(self, message: str) -> NoReturn:
        unknown = re.match(r"unrecognized arguments: (--?[\w-]+)", message)
        choice = re.match(r"argument VERB: invalid choice: '(\S+)'", message)
        hint = ""
        if unknown:
            options = {o for parser in _all_parsers(self) for o in parser._option_string_actions}
            hint = _nearest(unknown[1], sorted(options))
        elif choice:
            hint = _nearest(choice[1], sorted(VERBS))
        super().error(message + hint)


def _asked(parser: argparse.ArgumentParser, words: Sequence[str]) -> argparse.ArgumentParser:
    """The parser of the verb that `words` choose, and of what they choose below it."""
    for word in words:
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction) and word in action.choices:
                parser = action.choices[word]
                break
    return parser


def _all_parsers(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    """`parser` and those of its verbs."""
    found = [parser]
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            found += [below for one in action.choices.values() for below in _all_parsers(one)]
    return found


def _nearest(word: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    # The reference's many small matrix products run slower on several BLAS threads than on one.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    words = list(sys.argv[1:] if arguments is None else arguments)
    wanted = next((word for word in words if not word.startswith("-")), None)
    if empty := _empty_argument(words):
        print(f"edgemnv2 {wanted or ''}: {empty}".replace(" :", ":"), file=sys.stderr)
        return 2
    if arguments is None:
        # A process of its own: what is half made is cleared away as after Ctrl-C.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        # Imports take long enough for a Ctrl-C.
        args = make_parser([wanted] if wanted in VERBS else []).parse_args(words)
        module = importlib.import_module(f"edgemnv2.cli.{args.verb}")
        code = int(module.run(args))
        sys.stdout.flush()
        return code
    except EdgeError as error:
        print(f"edgemnv2 {wanted}: {as_flags(str(error))}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    except KeyboardInterrupt:
        # Folders and files are written in one go at the end, or kept on purpose (tuning logs).
        print(f"edgemnv2 {wanted}: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has gone; nobody is left to tell.
        _drop_output(arguments is None)
        return 1
    except OSError as error:
        if error.errno not in NO_ROOM or error.filename is not None:
            raise
        # Files name themselves, with the verb's own words: this is `edgemnv2 ... > file`.
        _drop_output(arguments is None)
        print(f"edgemnv2 {wanted}: output cannot be written ({reason(error)})", file=sys.stderr)
        return 1


def _drop_output(own_process: bool) -> None:
    """What could not be written is not tried again when Python ends, which would tell it anew."""
    if own_process:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
