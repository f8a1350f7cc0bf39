"""Collections of learning curves drawn at random, and how at2 and simple rules do on them."""
