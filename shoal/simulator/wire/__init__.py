"""Wire models: what a request body may hold, and Discord's error JSON where it does not.

Written from Discord's documentation, apart from any code of the product: this is what its bodies are tested
against. ``forms`` are the building blocks; the other modules are the bodies.
"""
