"""How long at2 takes, how much memory, and how both grow."""
