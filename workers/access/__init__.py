"""Who may talk (``spec/inbound.md`` 3 and 4). Pure: facts and settings in, a decision out.

| question | function |
|---|---|
| may this message start a turn? | :func:`workers.access.decide.decide` |
| may this person be heard here? (reactions, …) | :func:`workers.access.policy.decide_place` |
| is this place served at all? | :func:`workers.access.policy.decide_room` |
| may this slash command run? | :func:`workers.access.commands.decide_command` |
| which tools has the agent here? | :func:`workers.access.tool_policy.tool_policy` |

A refusal names in ``needs`` what was not known (:mod:`workers.access.needs`).
"""
