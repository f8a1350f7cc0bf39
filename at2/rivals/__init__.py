"""Other tuners behind the same ask / tell / recommend, one method per file."""
