"""`python -m edgemnv2`, where the command is not in PATH."""

import sys

from edgemnv2.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
