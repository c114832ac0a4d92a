"""Ring files: the facts of a ring, and what its page draws of them."""
