"""The command that was typed, with all that it left to be chosen, so that it can be pasted and does the same again."""

from __future__ import annotations

import shlex
from typing import Any

import typer


def typed_again(context: typer.Context, **chosen: Any) -> str:
    """`axw VERB ...` as it was understood: arguments, and every option that is not the default's.

    chosen   by the names of parameters: what they are whatever was typed, such as the seed that nobody gave
    """
    found = dict(context.params) | chosen
    words, options = context.command_path.split(), []
    words[0] = "axw"
    for parameter in context.command.params:
        name = str(parameter.name)
        value = found.get(name)
        if value is None or (name not in chosen and value == parameter.get_default(context)):
            continue
        if parameter.param_type_name == "argument":
            words.append(str(value))
        elif isinstance(value, bool):
            options.append(parameter.opts[0] if value else (parameter.secondary_opts or [""])[0])
        else:
            for each in value if parameter.multiple else [value]:
                options += [parameter.opts[0], *(map(str, each) if parameter.nargs > 1 else [_text(each)])]
    said = shlex.join([*words, *filter(None, options)])
    return f"{said} < FILE" if "-" in words else said


def _text(value: Any) -> str:
    return str(getattr(value, "value", value))
