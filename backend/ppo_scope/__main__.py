"""`python -m ppo_scope` is the command `ppo-scope`."""

import sys

from ppo_scope.cli import main

if __name__ == "__main__":
    sys.exit(main())
