"""The ``at2`` command: it parses, calls the library and formats."""
