"""What is tuned: from tables, candidates and a target to tensors, and what was used of a history."""
