"""The regret bench: at2 and its rivals on every case, and who stands where."""
