"""`python3 -m dev …`: sets up what a command needs, once, and runs it inside the project's virtual environment."""

import sys

NEEDED = (3, 11)

if __name__ == "__main__":
    # Before any import of the project's, whose syntax is that of the Python it needs.
    if sys.version_info < NEEDED:
        sys.exit("Python 3.11 or newer is needed; this is {}.{}".format(*sys.version_info[:2]))

    from dev.cli import main

    sys.exit(main(sys.argv[1:]))
