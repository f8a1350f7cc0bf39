"""The published networks, and the torch loop that trains them."""
