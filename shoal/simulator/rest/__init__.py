"""The REST side: routes by resource, each a function from a call to an answer (see ``router``)."""
