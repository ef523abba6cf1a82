"""What all command lines share: `--set`, `--seed`, `--debug`, and errors as one clear message."""

import argparse
import errno
import os
import sys
from collections.abc import Callable

from rev2fwd_il.errors import Rev2FwdError
from rev2fwd_il.running.processes import tune_memory

NO_VIEWER, WINDOW, BROWSER = "none", "window", "browser"
FREE_SPACE = "free space, then start again: what is finished is kept"
FIX_ACCESS = "fix permissions, or choose another output path"
# What the machine can refuse any library in the middle of its work, and what to do
REFUSALS = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), FREE_SPACE),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), FIX_ACCESS),
}


def make_parser(description: str) -> argparse.ArgumentParser:
    """A parser that shows defaults and takes `--set section.key=value`, `--seed` and `--debug`."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument(
        "--set", dest="settings", nargs="*", action="extend", default=[], metavar="KEY=VALUE",
        help="settings that differ from the defaults of config/, as section.key=value",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, help="every random number derives from it")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser


def add_viewer_flags(parser: argparse.ArgumentParser) -> None:
    """`--headless` and `--viewer`; `viewer` says what they ask for."""
    flags = parser.add_mutually_exclusive_group()
    flags.add_argument("--headless", action="store_true", help="run without a viewer")
    help_text = "where the simulation is watched (default: in a window if there is a display, else in a browser)"
    flags.add_argument("--viewer", choices=[WINDOW, BROWSER], default=argparse.SUPPRESS, help=help_text)


def viewer(args: argparse.Namespace) -> str:
    """Where a simulation is to be watched."""
    if args.headless:
        return NO_VIEWER
    return getattr(args, "viewer", WINDOW if has_display() else BROWSER)


def has_display() -> bool:
    """Whether a window could be opened."""
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def run(main: Callable[[argparse.Namespace], None], parser: argparse.ArgumentParser) -> None:
    """Parse, run, and turn a Rev2FwdError, or a refusal of the machine, into its message and exit status."""
    args = parser.parse_args()
    tune_memory()
    try:
        main(args)
    except Rev2FwdError as error:
        if args.debug:
            raise
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_status)
    except OSError as error:
        if args.debug or error.errno not in REFUSALS:
            raise
        print(f"error: {error}\n  do:       {REFUSALS[error.errno]}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        sys.exit(130)
