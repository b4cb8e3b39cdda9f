"""Tools the model may call, and the registry they come from."""
