"""One machine's fleet: which processes it has, who watches them, what you see of it."""
