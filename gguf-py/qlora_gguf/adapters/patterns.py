"""Regular expressions of adapter_config.json. PEFT matches them with `re`, and so do we; but a file may come from anybody,
and `re` has no limit of time: an expression that could take exponential time is refused."""
from __future__ import annotations

import re

from ..errors import GgufError

_MAX_CHARACTERS = 4096
_MAX_REPEATS = 8  # of what may repeat without a limit: a module's name has some 60 characters
_TOKEN = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\?<?[=!:]|[()]|[*+?]|\{\d*,?\d*\}|.", re.DOTALL)


def _check_repeats(pattern: str) -> None:
    """Refuses a repeated group in which something repeats, and too many repeats."""
    open_groups, repeats, closed_has_repeat = [False], 0, False
    for token in _TOKEN.findall(pattern):
        is_repeat = token in "*+" or (len(token) > 2 and token[0] == "{")
        if token[0] == "(":
            open_groups.append(False)
        elif token == ")":
            closed_has_repeat = open_groups.pop() if len(open_groups) > 1 else False
            open_groups[-1] |= closed_has_repeat
            continue
        elif is_repeat:
            repeats += 1
            if closed_has_repeat or repeats > _MAX_REPEATS:
                raise GgufError(f"the expression '{pattern[:80]}' repeats what repeats, or too much; write it simpler")
            open_groups[-1] = True
        closed_has_repeat = False


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """raises  GgufError without a path"""
    if len(pattern) > _MAX_CHARACTERS:
        raise GgufError(f"an expression of {len(pattern)} characters, {_MAX_CHARACTERS} are possible")
    _check_repeats(pattern)
    try:
        return re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as e:
        raise GgufError(f"the expression '{pattern[:80]}': {e}") from None
