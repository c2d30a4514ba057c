"""docs/model_server.md against the code: flags, defaults, parameters, and commands that can be run."""

from __future__ import annotations

import re
import shlex
from dataclasses import fields
from pathlib import Path

from model_server.batching.parameters import Parameters
from model_server.flags import IGNORED, NOT_BUILT, Flags, parse_flags
from speech_emotion.cpus import cpu_count

PAGE = (Path(__file__).parent.parent.parent / "docs" / "model_server.md").read_text()
WORDS = {"none": "", "": "", "true": True, "false": False, "4 per CPU": 4 * cpu_count()}


def section(heading: str) -> str:
    return re.split("^## ", PAGE.split(f"\n## {heading}\n")[1], flags=re.MULTILINE)[0]


def default(text: str) -> object:
    word = text.strip("` ")
    return int(word) if word.isdigit() else WORDS.get(word, word)


def test_the_table_has_every_flag_with_its_default() -> None:
    documented: dict[str, object] = {}
    for names, defaults in re.findall(r"^\| (`--[^|]+) \| ([^|]*) ?\|", section("Flags"), flags=re.MULTILINE):
        flags, values = re.findall(r"--(\w+)", names), [default(each) for each in defaults.split(",")]
        documented |= dict(zip(flags, values * (len(flags) // len(values)), strict=True))
    assert documented == {each.name: each.default for each in fields(Flags)}


def test_every_flag_that_is_named_exists() -> None:
    known = {*(each.name for each in fields(Flags)), *IGNORED, *NOT_BUILT}
    assert set(re.findall(r"`--([a-z_]{5,})", PAGE)) - known == set()
    assert all(f"`--{name}`" in PAGE for name in IGNORED)


def test_the_table_has_every_parameter_of_batching() -> None:
    documented = re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`[^|]+) \|", section("Batching"), re.MULTILINE)))
    assert set(documented) - {"thread_pool_name"} == {each.name for each in fields(Parameters)}


def test_the_commands_have_good_flags() -> None:
    commands = re.findall(r"^python -m model_server ((?:.*\\\n)*.*)$", PAGE, flags=re.MULTILINE)
    assert len(commands) == 2
    for command in commands:
        parse_flags(shlex.split(command.replace("\\\n", "")))
