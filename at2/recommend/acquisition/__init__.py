"""What a choice of the next epoch is worth: acquisition functions, and what narrows them down."""
