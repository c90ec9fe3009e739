"""`headrace new`: a use case in one file, which runs as it is."""

import keyword
import re
from pathlib import Path
from typing import Annotated

import typer

from headrace import starter
from headrace.starter import sample
from streaming.errors import HeadraceError, WrongUsage


def command(name: Annotated[str, typer.Argument(help="Lower-case words with hyphens: late-parcel.")]) -> None:
    """Write a use case and some events for it into the working directory, to be changed into one of your own."""
    name = _checked(name)
    stem = name.replace("-", "_")
    code, data = Path(f"{stem}.py"), Path(f"{stem}.csv")
    for path in (code, data):
        if path.exists():
            raise HeadraceError(f"{path} is there already: nothing was written")
    try:
        code.write_text(_named(name))
        data.write_text("".join(f"{line}\n" for line in sample.lines()))
    except OSError as error:
        raise HeadraceError(f"{error.filename} cannot be written: {error.strerror}") from None
    typer.echo(f"wrote {code}, a use case that runs as it is, and {data}, made-up events for it; try\n")
    typer.echo(f"  export HEADRACE_USE_CASES={code}")
    typer.echo(f"  headrace evaluate {name} --file {data}")
    typer.echo(f"  headrace up {name}")
    typer.echo(f"  headrace produce --topic {name}.events --file {data}    # in another terminal")


def _checked(name: str) -> str:
    """The name with hyphens; a sentence tells why it cannot be one."""
    from usecases.declaration import RESERVED
    from usecases.registry import BUILT_IN

    wanted = name.replace("_", "-")
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", wanted) or len(wanted) > 64:
        raise WrongUsage(f"a use case is named by at most 64 lower-case letters, digits and hyphens, got {name!r}")
    if wanted in {module.rpartition(".")[2].replace("_", "-") for module in BUILT_IN}:
        raise WrongUsage(f"the name {wanted!r} is taken by a use case of the project: choose another")
    if wanted in RESERVED:
        raise WrongUsage(f"the name {wanted!r} is taken by an address of the API, /v1/{wanted}: choose another")
    return wanted


def _named(name: str) -> str:
    """The starter's own source under another name."""
    source = (Path(starter.__file__).parent / "starter.py").read_text()
    cls = _class_name(name)
    if keyword.iskeyword(cls) or re.search(rf"\b{cls}\b", source):
        cls += "UseCase"
    return re.sub(r"\bstarter\b", name, re.sub(r"\bStarter\b", cls, source))


def _class_name(name: str) -> str:
    """The class of a use case.

    >>> _class_name("late-parcel-2")
    'LateParcel2'
    """
    return "".join(word.capitalize() for word in name.split("-"))
