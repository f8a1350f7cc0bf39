"""How good and how fast: replayed targets, runs and their records, sweeps, summaries and figures."""
