"""Redis: lanes, intake, facts, ledger, sessions. The only way to Redis.

Start reading at :mod:`shoal.state.lanes`; what lies in Redis is in :mod:`shoal.state.families`.
"""
