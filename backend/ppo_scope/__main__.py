"""`python -m ppo_scope`, and what `ppo-scope` calls."""

import io
import sys

from ppo_scope.search_path import put_this_folder_last

INTERRUPTED = 130


def main() -> int:
    """Run a command line; the exit code. An interruption is none to be explained, however early it comes."""
    put_this_folder_last()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that cannot write ε gets a question mark
    try:
        from ppo_scope import cli  # here, because what it imports takes a while and may be interrupted

        return cli.main()
    except KeyboardInterrupt:
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
