"""Shoal: what every process of the fleet stands on.

``shoal.base`` holds values and helpers without I/O, ``shoal.discord`` is the only
way to Discord, ``shoal.state`` is the only way to Redis, ``shoal.simulator`` is a
local Discord, and ``shoal.cli`` is the ``shoal`` command.
"""

__version__ = "0.1.0"
