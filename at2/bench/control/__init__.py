"""Controllers of learning rates compared, and what control costs."""
