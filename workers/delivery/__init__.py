"""What goes out: rendering, chunks, nonces, receipts."""
