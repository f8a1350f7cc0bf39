"""Lets ``python -m at2`` do what the ``at2`` command does."""

from at2.cli.main import main

if __name__ == "__main__":
    main()
