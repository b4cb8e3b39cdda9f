"""The REST side: routes by resource, each a function from a :class:`~shoal.simulator.rest.router.Call` to an answer."""
