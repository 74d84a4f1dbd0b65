"""`python -m ops`: the same as `aisle`."""

from ops.cli import main

if __name__ == "__main__":
    main()
