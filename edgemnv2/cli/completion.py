"""`edgemnv2 completion`: a script that lets bash, zsh or fish complete the command line.

Made from the argparse tree, so it knows every verb and option there is, and from the target files
and built-in models, whose names it offers.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["EXAMPLES", "SHELLS", "add_arguments", "completion", "run"]

EXAMPLES = (
    'eval "$(edgemnv2 completion bash)"\n'
    "edgemnv2 completion fish > ~/.config/fish/completions/edgemnv2.fish"
)
SHELLS = ("bash", "fish", "zsh")


@dataclass(frozen=True)
class _Argument:
    """An option (with `flags`) or a positional; what may stand as its value."""

    flags: tuple[str, ...]
    name: str
    help: str
    takes_value: bool
    repeats: bool
    words: tuple[str, ...]
    files: bool


@dataclass(frozen=True)
class _Command:
    """A verb with its options; `path` is () for the program itself."""

    path: tuple[str, ...]
    help: str
    arguments: tuple[_Argument, ...]
    children: tuple[_Command, ...]

    def walk(self) -> Iterator[_Command]:
        """This command and all below it."""
        yield self
        for child in self.children:
            yield from child.walk()

    @property
    def options(self) -> list[_Argument]:
        return [x for x in self.arguments if x.flags]

    @property
    def positionals(self) -> list[_Argument]:
        return [x for x in self.arguments if not x.flags]


def completion(parser: argparse.ArgumentParser, shell: str) -> str:
    """The script for `shell`, one of `SHELLS`, that completes the command line of `parser`."""
    makers: dict[str, Callable[[str, _Command], str]] = {"bash": _bash, "fish": _fish, "zsh": _zsh}
    return makers[shell](parser.prog, _command(parser, (), ""))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `completion`."""
    parser.add_argument("shell", choices=SHELLS)


def run(args: argparse.Namespace) -> int:
    """Prints the script; exit code 0."""
    from edgemnv2.cli.main import make_parser

    print(completion(make_parser(), args.shell), end="")
    return 0


# -- the argparse tree as data -------------------------------------------------------------------


def _command(parser: argparse.ArgumentParser, path: tuple[str, ...], words: str) -> _Command:
    """`parser` and its sub-parsers; argparse has no public way to ask for its actions."""
    arguments, children = [], []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {x.dest: x.help or "" for x in action._choices_actions}
            children += [
                _command(child, (*path, name), helps.get(name, ""))
                for name, child in action.choices.items()
            ]
        elif action.help != argparse.SUPPRESS:
            arguments.append(_argument(action))
    return _Command(path, words, tuple(arguments), tuple(children))


def _argument(action: argparse.Action) -> _Argument:
    words = tuple(map(str, action.choices)) if action.choices is not None else ()
    files = not words and action.type is Path
    if action.dest == "target" and not words:
        words, files = _target_names(), True
    elif action.dest == "model" and not words:
        words, files = _model_names(), True
    metavar = action.metavar if isinstance(action.metavar, str) else None
    return _Argument(
        tuple(action.option_strings),
        metavar or action.dest,
        " ".join((action.help or "").split()),
        action.nargs != 0,
        action.nargs in ("*", "+") or isinstance(action.nargs, int),
        words,
        files,
    )


def _target_names() -> tuple[str, ...]:
    from edgemnv2.api import target_names

    return target_names()


def _model_names() -> tuple[str, ...]:
    from edgemnv2.api import built_in_names

    return built_in_names()


# -- bash ----------------------------------------------------------------------------------------


def _bash(program: str, root: _Command) -> str:
    """One function: finds the verb, then offers what may follow the word before the cursor."""
    function = f"_{_identifier(program)}"
    paths, values, words = [], [], []
    for command in root.walk():
        path = " ".join(command.path)
        if command.path:
            paths.append(f'      "{path}") verb="{path}" ;;')
        for option in command.options:
            if option.takes_value:
                keys = "|".join(f'"{path}:{flag}"' for flag in option.flags)
                values.append(f"    {keys}) {_bash_reply(option)}; return ;;")
        flags = [flag for option in command.options for flag in option.flags]
        verbs = [child.path[-1] for child in command.children]
        offered = [w for x in command.positionals for w in x.words]
        # An option with several values is no longer just before the cursor from its second on.
        files = any(x.files for x in command.positionals)
        files |= any(x.files and x.repeats for x in command.options)
        words.append(
            f'    "{path}") flags="{" ".join(flags)}"; words="{" ".join((*verbs, *offered))}"; '
            f"files={int(files)} ;;"
        )
    return f"""# bash completion for {program}: eval "$({program} completion bash)"
{function}() {{
  local cur="${{COMP_WORDS[COMP_CWORD]}}" prev="${{COMP_WORDS[COMP_CWORD-1]}}"
  local verb="" next flags words files=0 i
  for ((i = 1; i < COMP_CWORD; i++)); do
    [[ ${{COMP_WORDS[i]}} == -* ]] && continue
    next="${{verb:+$verb }}${{COMP_WORDS[i]}}"
    case "$next" in
{chr(10).join(paths)}
      *) break ;;
    esac
  done
  COMPREPLY=()
  case "$verb:$prev" in
{chr(10).join(values)}
  esac
  case "$verb" in
{chr(10).join(words)}
  esac
  if [[ $cur == -* ]]; then
    COMPREPLY=($(compgen -W "$flags" -- "$cur"))
    return
  fi
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
  if ((files)); then
    compopt -o filenames 2>/dev/null
    COMPREPLY+=($(compgen -f -- "$cur"))
  fi
}}
complete -F {function} {program}
"""


def _bash_reply(argument: _Argument) -> str:
    parts = []
    if argument.words:
        parts.append(f'$(compgen -W "{" ".join(argument.words)}" -- "$cur")')
    if argument.files:
        parts.append('$(compgen -f -- "$cur")')
    named = "compopt -o filenames 2>/dev/null; " if argument.files else ""
    return f"{named}COMPREPLY=({' '.join(parts)})"


# -- zsh -----------------------------------------------------------------------------------------


def _zsh(program: str, root: _Command) -> str:
    """One function for each command, in the manner of zsh's own `_arguments`."""
    functions = [_zsh_function(program, command) for command in root.walk()]
    name = f"_{_identifier(program)}"
    return (
        f'#compdef {program}\n# zsh completion for {program}: eval "$({program} completion zsh)"\n'
        + "\n".join(functions)
        # Loaded from $fpath the file is the function's body; by eval it must register itself.
        + f'\nif [ "$funcstack[1]" = "{name}" ]; then\n  {name} "$@"\nelse\n'
        + f"  compdef {name} {program}\nfi\n"
    )


def _zsh_function(program: str, command: _Command) -> str:
    name = "_".join(["", _identifier(program), *map(_identifier, command.path)])
    specs = [_zsh_option(option) for option in command.options]
    if not command.children:
        specs += [
            f"'{'*' if x.repeats else ''}:{_zsh_quote(x.name)}:{_zsh_action(x)}'"
            for x in command.positionals
        ]
        return f"{name}() {{\n  _arguments -s \\\n    {_lines(specs)}\n}}"
    specs += ["'1: :->verb'", "'*:: :->rest'"]
    listed = [
        f"'{child.path[-1]}:{_zsh_quote(child.help)}'" if child.help else f"'{child.path[-1]}'"
        for child in command.children
    ]
    cases = [f"        {c.path[-1]}) {name}_{_identifier(c.path[-1])} ;;" for c in command.children]
    return (
        f"{name}() {{\n  local line state\n  local -a verbs\n"
        f"  verbs=(\n    {_lines(listed, '')}\n  )\n"
        f"  _arguments -C -s \\\n    {_lines(specs)}\n"
        f"  case $state in\n    verb) _describe verb verbs ;;\n    rest)\n"
        f"      case $line[1] in\n{chr(10).join(cases)}\n      esac ;;\n  esac\n}}"
    )


def _lines(items: list[str], continued: str = " \\") -> str:
    return f"{continued}\n    ".join(items)


def _zsh_quote(words: str) -> str:
    """Words inside single quotes and inside a spec, where colons and brackets have a meaning."""
    for special in ("\\", ":", "[", "]"):
        words = words.replace(special, f"\\{special}")
    return words.replace("'", "'\\''")


def _zsh_action(argument: _Argument) -> str:
    words = f"({' '.join(argument.words)})" if argument.words else ""
    if argument.files:
        if not words:
            return "_files"
        return f"{{compadd -- {' '.join(argument.words)}; _files}}"
    return words or " "


def _zsh_option(option: _Argument) -> str:
    helped = f"[{_zsh_quote(option.help)}]" if option.help else ""
    value = f":{_zsh_quote(option.name)}:{_zsh_action(option)}" if option.takes_value else ""
    if len(option.flags) == 1:
        return f"'{option.flags[0]}{helped}{value}'"
    together = " ".join(option.flags)
    return f"'({together})'{{{','.join(option.flags)}}}'{helped}{value}'"


# -- fish ----------------------------------------------------------------------------------------


def _fish(program: str, root: _Command) -> str:
    """One `complete` command for each verb and option, with the verbs before it as a condition."""
    lines = [f"# fish completion for {program}", f"complete -c {program} -f"]
    for command in root.walk():
        conditions = [f"__fish_seen_subcommand_from {word}" for word in command.path]
        if command.children:
            below = " ".join(child.path[-1] for child in command.children)
            conditions.append(f"not __fish_seen_subcommand_from {below}")
        when = f"complete -c {program}"
        if conditions:
            when += f' -n "{"; and ".join(conditions)}"'
        for child in command.children:
            lines.append(f"{when} -a {child.path[-1]} -d {_fish_quote(child.help)}")
        for option in command.options:
            named = "".join(
                f" -l {flag[2:]}" if flag.startswith("--") else f" -s {flag[1:]}"
                for flag in option.flags
            )
            value = ""
            if option.takes_value:
                value = " -r"
                value += f" -a {_fish_quote(' '.join(option.words))}" if option.words else ""
                value += " -F" if option.files else " -f"
            lines.append(f"{when}{named}{value} -d {_fish_quote(option.help)}")
        for positional in command.positionals:
            if positional.words:
                lines.append(f"{when} -a {_fish_quote(' '.join(positional.words))}")
            if positional.files:
                lines.append(f"{when} -F")
    return "\n".join(lines) + "\n"


def _fish_quote(words: str) -> str:
    escaped = words.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _identifier(words: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in words)
