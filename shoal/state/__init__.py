"""Redis: lanes, intake, facts, ledger, sessions. The only way to Redis.

Start reading at :mod:`shoal.state.lanes`; key names are in :mod:`shoal.state.keys`.
"""
