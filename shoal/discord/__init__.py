"""Discord itself: the one way out (``Transport``), rate limits, REST, permissions, wire types."""
