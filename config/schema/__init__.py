"""The shape of the config file, one module for each section. See :mod:`config.schema.base`."""
