"""The turn: prompt, model providers, tool loop, tools."""
