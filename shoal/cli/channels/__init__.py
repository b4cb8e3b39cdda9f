"""``shoal channels``: the accounts, what Discord says of them, and what they may do where (section 10)."""
