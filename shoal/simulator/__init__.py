"""A local Discord: gateway, REST, CDN and a control API, for ``shoal demo``, tests and benchmarks.

Nothing of the product imports this package but the CLI. It shares no rules with the code it tests: permission
bits, body checks and limits are written anew from Discord's documentation.
"""
