"""Account case files: the facts of a case, the money of complaints at it, what speaks for it and what to do next."""
