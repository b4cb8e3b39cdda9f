"""The tool ``skill``: reads a skill's instructions, and the files they refer to."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from workers.agent.providers.base import ToolSpec
from workers.agent.skills import Skill, SkillScope, find_skills, skill_file
from workers.agent.tools.registry import ToolContext, ToolError, ToolResult, Wait
from workers.sessions.records import TurnRequest

__all__ = ["SkillTool"]

TEXT_CHARS = 15_000


class SkillTool:
    """Hands out the text of the skills of a conversation.

    Args:
        scope: folders that are looked at and names that may be used, for a request.
    """

    name = "skill"
    aliases: tuple[str, ...] = ("skill_read",)
    idempotent = True
    limit_s = 10.0

    def __init__(self, scope: Callable[[TurnRequest], SkillScope]) -> None:
        self._scope = scope

    def available(self, request: TurnRequest) -> bool:
        """Where there is a skill."""
        return bool(self._skills(request))

    def spec(self, request: TurnRequest) -> ToolSpec:
        """What there is: names and descriptions, so that the prompt needs no list of its own."""
        skills = self._skills(request)
        listed = "\n".join(f"- {skill.name}: {skill.description}".rstrip(": ") for skill in skills)
        return ToolSpec(
            self.name,
            f"Read the instructions of a skill before you do what it is about. Skills:\n{listed}",
            {
                "type": "object",
                "properties": {
                    "name": {"type": "string", "enum": [skill.name for skill in skills]},
                    "file": {
                        "type": "string",
                        "description": "A file it refers to; default SKILL.md.",
                    },
                },
                "required": ["name"],
            },
        )

    def run(self, args: Mapping[str, object], context: ToolContext) -> ToolResult | Wait:
        """Read.

        Raises:
            ToolError: no such skill or file.
        """
        wanted = str(args.get("name") or "").strip()
        skills = {skill.name.casefold(): skill for skill in self._skills(context.request)}
        skill = skills.get(wanted.casefold())
        if skill is None:
            known = ", ".join(one.name for one in skills.values()) or "none"
            raise ToolError(f"There is no skill {wanted[:100]!r} here; there are: {known}.")
        file = str(args.get("file") or "SKILL.md")
        path = skill_file(skill, file)
        if path is None:
            raise ToolError(f"The skill {skill.name} has no file {file[:100]!r}.")
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise ToolError(f"The file {file[:100]!r} cannot be read.") from error
        cut = len(text) - TEXT_CHARS
        return ToolResult(text if cut <= 0 else f"{text[:TEXT_CHARS]}\n… [{cut} characters left out]")

    def resume(self, state: bytes, context: ToolContext) -> ToolResult | Wait:
        """Never waits."""
        del state, context
        raise ToolError("This tool does not wait.")

    def _skills(self, request: TurnRequest) -> list[Skill]:
        return find_skills(*self._scope(request))
