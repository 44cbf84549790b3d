"""The command line: `lorabook sweep`, `lorabook figure`, `lorabook risk`, `lorabook llm`.

Exit codes: 0 done; 1 it failed while running; 2 the arguments make no sense; 3 some runs of a grid failed; 130
interrupted. An error is one line on standard error. `lorabook._arguments` has the words that a person types and reads,
`lorabook._commands` does the work; both are imported when the command runs, so that Ctrl-C has its line from the start.
"""

import os
import sys
import warnings

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code.

    `arguments` are the words after `lorabook`; None takes them from the command line.

    >>> main(["risk", "--d-x", "10", "--d-y", "8", "--n", "0", "--noise-std", "1", "--shift-rank", "2"])
    2
    """
    options = None
    try:
        try:
            options = _parser().parse_args(arguments)
        except SystemExit as end:  # --help, --version, or arguments that argparse refused
            return int(end.code or 0)
        return _run(options)
    except KeyboardInterrupt:
        _say(f"interrupted; {'nothing was done' if options is None else options.when_interrupted(options)}")
        return 130


def _parser():
    """The parser of all commands; with numpy, scipy and sympy, whose loading takes longest."""
    from lorabook._arguments import parser

    return parser()


def _run(options) -> int:
    from lorabook import extras
    from lorabook.llm import cli as llm_cli
    from lorabook.llm._commands import UnfinishedError

    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        try:
            options.command(options)
            sys.stdout.flush()
        except BrokenPipeError:  # the reader of the output, `head` for one, has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1
        except ValueError as error:
            return _fail(error, 2)
        except UnfinishedError as error:
            return _fail(error, llm_cli.UNFINISHED)
        except ImportError as error:
            return _fail(extras.explained(error), 1)
        except (OSError, RuntimeError, MemoryError) as error:
            return _fail(error, 1)
    return 0


def _show_warning(message, category, filename, lineno, file=None, line=None) -> None:
    _say(f"warning: {message}")


def _fail(error: BaseException, code: int) -> int:
    text = (
        f"{error.strerror}" if isinstance(error, OSError) and error.strerror and error.filename is None else str(error)
    )
    _say(f"error: {text or type(error).__name__}")
    return code


def _say(text: str) -> None:
    print("lorabook: " + " ".join(text.split()), file=sys.stderr)
