"""Call centres and laundering offices: whom they recruit, whom they deceive, and where the money goes."""
