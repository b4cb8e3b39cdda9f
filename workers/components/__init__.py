"""Components v2: what an agent may ask for, how it is put on the wire, and what becomes of a click."""
