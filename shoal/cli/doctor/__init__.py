"""``shoal doctor``: small checks that say what is wrong, where, and what to do about it."""
