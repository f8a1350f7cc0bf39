"""What happened in a run: the accounts, the log, and the journal that survives a kill."""
