"""Forms: the modal of a description, its fields and their rules (``spec/outbound.md`` 5.1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from workers.components.reader import Reader, SpecError
from workers.components.spec import ButtonStyle, FieldType, Form, FormField, Option

__all__ = ["check_choices", "parse_form"]

TYPES: tuple[FieldType, ...] = ("text", "checkbox", "radio", "select", "role-select", "user-select")
STYLES: tuple[ButtonStyle, ...] = ("primary", "secondary", "success", "danger")
CHOICES: dict[FieldType, tuple[int, int]] = {"checkbox": (1, 10), "radio": (2, 10), "select": (1, 25)}
"""Fewest and most options of the kinds that have some."""


def parse_form(reader: Reader, option: Callable[[Reader], Option]) -> Form:
    """Check a form; ``option`` reads one choice.

    Raises:
        SpecError: with the path of what is wrong.
    """
    form = reader.object()
    fields = form.at("fields").items(5, least=1, too_many="supports up to 5 inputs")
    made = tuple(_field(entry.object(), index, option) for index, entry in enumerate(fields))
    names: set[str] = set()
    for index, field in enumerate(made):
        if field.name in names:
            raise SpecError(f"{form.path}.fields[{index}].name", f"{field.name!r} is used twice")
        names.add(field.name)
    return Form(
        title=form.at("title").text(45, required=True),
        fields=made,
        trigger_label=form.at("triggerLabel").text(80) or "Open form",
        trigger_style=form.at("triggerStyle").choice(STYLES, "primary"),
        allowed_users=form.at("allowedUsers").users(),
        callback=form.at("callbackData").text(2_000),
    )


def check_choices(options: Sequence[Option], where: Reader, most: int) -> None:
    """Refuse choices that are the same, and more that are made beforehand than somebody may make.

    Raises:
        SpecError: names the one that is too much.
    """
    seen: set[str] = set()
    for index, option in enumerate(options):
        if option.value in seen:
            raise SpecError(f"{where.path}[{index}].value", f"{option.value!r} is used twice")
        seen.add(option.value)
    chosen = sum(option.default for option in options)
    if chosen > most:
        raise where.fail(f"has {chosen} defaults; {most} may be chosen")


def _field(field: Reader, index: int, option: Callable[[Reader], Option]) -> FormField:
    kind = field.at("type").choice(TYPES, "text")
    options = field.at("options")
    bounds = CHOICES.get(kind)
    if bounds is None and options.value:
        raise options.fail(f"goes with {', '.join(CHOICES)} fields only, not with {kind}")
    found: tuple[Option, ...] = ()
    if bounds is not None:
        if not options.value:
            raise options.fail(f"is required for {kind} fields")
        found = tuple(option(entry) for entry in options.items(bounds[1], least=bounds[0]))
    required = field.at("required").flag(True)
    low, high = _counts(field, kind, required, len(found))
    check_choices(found, options, (len(found) if kind == "checkbox" else 1) if high is None else high)
    shortest, longest = field.at("minLength").number(0, 4_000), field.at("maxLength").number(1, 4_000)
    if shortest is not None and longest is not None and shortest > longest:
        raise field.at("minLength").fail("must not exceed maxLength")
    if kind != "text" and (shortest is not None or longest is not None):
        raise field.at("minLength", "maxLength").fail("goes with text fields only")
    return FormField(
        name=field.at("name").text(60) or f"field_{index + 1}",
        label=field.at("label").text(45, required=True),
        type=kind,
        description=field.at("description").text(100),
        placeholder=field.at("placeholder").text(100 if kind == "text" else 150),
        required=required,
        options=found,
        min_values=low,
        max_values=high,
        min_length=shortest,
        max_length=longest,
        paragraph=field.at("style").choice(("short", "paragraph"), "short") == "paragraph",
    )


def _counts(field: Reader, kind: FieldType, required: bool, options: int) -> tuple[int | None, int | None]:
    """``minValues`` and ``maxValues`` of a field."""
    least, most = field.at("minValues"), field.at("maxValues")
    if kind in ("radio", "text"):
        if not least.absent or not most.absent:
            raise field.fail(f"minValues/maxValues are not supported for {kind} fields")
        return None, None
    top = 10 if kind == "checkbox" else 25
    low, high = least.number(0, top), most.number(1, top)
    if low == 0 and required:
        raise least.fail("must be at least 1 unless required is false")
    if low is not None and high is not None and low > high:
        raise least.fail("must not exceed maxValues")
    if options and max(low or 0, high or 0) > options:
        raise most.fail(f"exceeds the {options} options there are")
    return low, high
