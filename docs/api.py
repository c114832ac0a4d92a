"""Write the reference of public names, docs/api/*.md, from signatures and docstrings: `python docs/api.py`.

Sources are read, not run: griffelib parses them, so defaults stand as they are written. A name that several modules
export is described where it is defined, and linked from the others.
"""

from __future__ import annotations

import inspect
import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import griffe

ROOT: Final = Path(__file__).parent.parent
FOLDER: Final = ROOT / "docs" / "api"

#: Modules whose `__all__` is public, in the order of the straight line.
MODULES: Final = (
    "muledetect",
    "muledetect.pipeline",
    "muledetect.convert",
    "muledetect.datasets",
    "muledetect.demo",
    "muledetect.warm_up",
    "muledetect.engine",
    "muledetect.engine.spark",
    "muledetect.live",
    "muledetect.outputs",
    "muledetect.records",
    "muledetect.registry",
    "muledetect.exchange",
    "muledetect.facts",
    "muledetect.features",
    "muledetect.features.signals",
    "muledetect.labels",
    "muledetect.model",
    "muledetect.rings",
    "muledetect.tracing",
    "muledetect.parties",
    "muledetect.holds",
    "muledetect.evaluation",
    "muledetect.messages",
    "muledetect.evidence",
    "muledetect.reports",
    "muledetect.reports.plots",
    "muledetect.simulation",
    "muledetect.serve",
    "muledetect.replay",
    "muledetect.testing",
)
WIDTH: Final = 100


def pages() -> dict[str, str]:
    """Return the text of every page by its file name."""
    package = griffe.load("muledetect", search_paths=[ROOT], docstring_parser="numpy")
    modules = {name: module_of(package, name) for name in MODULES}
    homes = {
        name: {public: home(public, name, modules) for public in names(module)} for name, module in modules.items()
    }
    bodies = {name: body(name, module, homes[name]) for name, module in modules.items()}
    places = {(name, title): f"{name}.md#{anchor}" for name in modules for title, anchor in anchors(bodies[name])}
    links = {
        name: {public: f"[`{public}`]({places[at].removeprefix(f'{name}.md')})" for public, at in homes[name].items()}
        for name in modules
    }
    found = {f"{name}.md": page(name, module, links[name], bodies[name]) for name, module in modules.items()}
    return {"README.md": index(modules, homes, places), **found}


def module_of(package: Any, name: str) -> Any:
    """Return a module of the package by its full name."""
    return package[name.partition(".")[2]] if "." in name else package


def names(module: Any) -> list[str]:
    """Return what a module exports, in the order of the alphabet."""
    return sorted((str(name) for name in module.exports or ()), key=str.casefold)


def home(name: str, module: str, modules: dict[str, Any]) -> tuple[str, str]:
    """Return the module whose page describes a name, and the name that it has there."""
    target = target_of(modules[module], name)
    inside = [known for known in modules if f"{target.canonical_path}.".startswith(f"{known}.")]
    for known in sorted(inside, key=len, reverse=True):
        for public in names(modules[known]):
            if target_of(modules[known], public).canonical_path == target.canonical_path:
                return known, public
    return module, name


def target_of(module: Any, name: str) -> Any:
    """Return what a public name stands for, through all imports; a submodule of that name is not meant."""
    found = module.members[name]
    if found.is_module or (found.is_alias and found.final_target.is_module):
        place, _, defined = module.imports[name].rpartition(".")
        return target_of(module.package[place.partition(".")[2]], defined)
    return found.final_target if found.is_alias else found


def index(
    modules: dict[str, Any], homes: dict[str, dict[str, tuple[str, str]]], places: dict[tuple[str, str], str]
) -> str:
    """Return the page that lists every module and name."""
    lines = [
        "# API reference",
        "",
        "Made from signatures and docstrings by `python docs/api.py`; do not edit. Every public name is here: a test",
        "checks it. See also the [commands](../commands.md) and the [tables](../tables.md).",
        "",
    ]  # fmt: skip
    for name, module in modules.items():
        lines += [f"## [`{name}`]({name}.md)", "", summary(module), ""]
        lines += [", ".join(f"[`{public}`]({places[at]})" for public, at in homes[name].items()), ""]
    return "\n".join(lines)


def body(name: str, module: Any, homes: dict[str, tuple[str, str]]) -> list[str]:
    """Return the entries of the names that a module is home to."""
    lines: list[str] = []
    for public, at in homes.items():
        if at == (name, public):
            lines += entry(public, target_of(module, public), "##")
    return lines


def anchors(lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield each name with a heading of its own and the anchor that code hosts give it."""
    seen: Counter[str] = Counter()
    for line in lines:
        heading = re.fullmatch(r"(##+) `(.+)`", line)
        if heading:
            slug = re.sub(r"[^\w-]", "", heading[2].lower())
            if heading[1] == "##":
                yield heading[2], f"{slug}-{seen[slug]}" if seen[slug] else slug
            seen[slug] += 1


def page(name: str, module: Any, links: dict[str, str], entries: Sequence[str]) -> str:
    """Return the page of a module."""
    lines = [f"# `{name}`", "", *text_of(module), "| name | |", "|---|---|"]
    lines += [f"| {link} | {cell(summary(target_of(module, public)))} |" for public, link in links.items()]
    return "\n".join([*lines, "", *entries]).rstrip("\n") + "\n"


def entry(title: str, thing: Any, level: str) -> list[str]:
    """Return the lines of one name: signature, docstring, and what a class has."""
    lines = [f"{level} `{title}`", ""]
    if "property" in thing.labels:
        return [*lines, f"*Property*, {code(thing.annotation)}", "", *text_of(thing)]
    if thing.is_attribute:
        return [*lines, *attribute(title, thing)]
    lines += ["```python", signature(title, thing), "```", "", *text_of(thing)]
    if thing.is_class:
        for name, member in members(thing):
            lines += entry(name, member, f"{level}#")
    return lines


def members(thing: Any) -> Iterator[tuple[str, Any]]:
    """Yield the methods and properties of a class that have a docstring, as written there."""
    for name, member in thing.members.items():
        is_shown = member.is_function or "property" in member.labels
        if is_shown and not name.startswith("_") and member.docstring:
            yield name, member


def attribute(title: str, thing: Any) -> list[str]:
    """Return the lines of a constant or type: its value as written, and the comment above it."""
    value = inspect.cleandoc(str(thing.value)) if thing.value is not None else ""
    lines = ["```python", f"{title} = {value}", "```", ""] if value and len(value) < 600 else []
    return [*lines, *(f"{line}" for line in (comment(thing), "") if comment(thing))]


def comment(thing: Any) -> str:
    """Return the text of the `#:` comment above a constant, or above the group of constants that it stands in."""
    source = Path(thing.filepath).read_text("utf-8").splitlines()
    above = source[: thing.lineno - 1]
    while above and re.match(r"[A-Za-z_]+(: Final)? = ", above[-1]):
        above.pop()
    found = list(itertools.takewhile(lambda line: line.startswith("#:"), reversed(above)))
    return " ".join(line.removeprefix("#:").strip() for line in reversed(found))


def signature(title: str, thing: Any) -> str:
    """Return the signature on one line, or one line a parameter where it is long."""
    given = [p for p in thing.parameters if p.name not in {"self", "cls"}]
    parts = list(parameters(given))
    returns = f" -> {thing.annotation}" if thing.is_function and thing.annotation else ""
    short = f"{title}({', '.join(parts)}){returns}"
    if len(short) <= WIDTH:
        return short
    return "\n".join([f"{title}(", *(f"    {part}," for part in parts if part), f"){returns}"])


def parameters(given: Iterable[Any]) -> Iterator[str]:
    """Yield the parameters as they are written, with a star before those that need their name."""
    starred = False
    for parameter in given:
        kind = parameter.kind.value
        stars = {"variadic positional": "*", "variadic keyword": "**"}.get(kind, "")
        if kind == "keyword-only" and not starred:
            yield "*"
        starred |= kind in {"keyword-only", "variadic positional"}
        default = "" if stars or parameter.default is None else str(parameter.default)
        typed = f": {parameter.annotation}" if parameter.annotation else ""
        yield f"{stars}{parameter.name}{typed}" + (
            f" = {default}" if default and typed else f"={default}" if default else ""
        )


def summary(thing: Any) -> str:
    """Return the first sentence or line of a docstring, or the comment above a constant."""
    if thing.is_attribute and "property" not in thing.labels:
        return comment(thing)
    first = thing.docstring.value.split("\n\n")[0] if thing.docstring else ""
    return " ".join(first.split())


def text_of(thing: Any) -> list[str]:
    """Return a docstring as Markdown lines."""
    lines: list[str] = []
    for section in thing.docstring.parsed if thing.docstring else ():
        lines += [*SECTIONS[section.kind.value](section), ""]
    return lines


def _text(section: Any) -> list[str]:
    return doctests(section.value)


def _listed(section: Any) -> list[str]:
    lines = [f"**{section.title or section.kind.value.capitalize()}**", ""]
    for (kind, text), same in itertools.groupby(section.value, key=lambda one: (one.annotation, one.description)):
        given = [f"`{name}`" for one in same for name in getattr(one, "name", "").split(", ") if name]
        typed = [f"*{escape(unwrap(str(kind)))}*"] if kind else []
        lines.append(f"- {', '.join([*given, *typed])}" + (f": {' '.join(text.split())}" if text else ""))
    return lines


def unwrap(text: str) -> str:
    """Return text without the brackets that griffe puts around several exceptions."""
    return text[1:-1] if text.startswith("(") and text.endswith(")") else text


def _examples(section: Any) -> list[str]:
    lines = ["**Examples**", ""]
    for kind, text in section.value:
        lines += ["```python", text, "```"] if kind.value == "examples" else [text, ""]
    return lines


def _admonition(section: Any) -> list[str]:
    return [f"**{section.title}**", "", *doctests(section.value.description)]


SECTIONS: Final = {
    "text": _text,
    "parameters": _listed,
    "other parameters": _listed,
    "attributes": _listed,
    "returns": _listed,
    "yields": _listed,
    "raises": _listed,
    "warns": _listed,
    "examples": _examples,
    "admonition": _admonition,
}


def doctests(text: str) -> list[str]:
    """Return lines of text in which runs of `>>>` and their answers stand in a block of code."""
    lines: list[str] = []
    for part in text.split("\n\n"):
        lines += ["```python", part, "```", ""] if part.lstrip().startswith(">>>") else [part, ""]
    return lines[:-1]


def code(value: Any) -> str:
    """Return something as inline code."""
    return f"`{value}`" if value else ""


def escape(text: str) -> str:
    """Return text in which nothing outside of code is taken for Markdown."""
    parts = text.replace("\\", "").split("`")
    return "`".join(
        re.sub(r"([*_<>\[\]])", r"\\\1", part) if place % 2 == 0 else part for place, part in enumerate(parts)
    )


def cell(text: str) -> str:
    """Return text for a cell of a table."""
    return text.replace("|", "\\|")


def main() -> None:
    """Write every page; pages of modules that are gone are removed."""
    FOLDER.mkdir(exist_ok=True)
    made = pages()
    for path in FOLDER.glob("*.md"):
        if path.name not in made:
            path.unlink()
    for name, text in made.items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
