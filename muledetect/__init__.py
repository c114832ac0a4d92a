"""Find money-mule accounts, their rings, and where the money is."""
