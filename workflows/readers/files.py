"""Which files a workflow may read or write: those inside the configured folders, however the path is written."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from itertools import islice
from pathlib import Path

from workflows.readers.errors import SourceNotAllowed, SourceNotFound, SourceUnreadable

_NAMES_COMPARED = 10_000  # names of a folder that are looked at for a "did you mean"


def resolve_path(path: str, roots: Sequence[Path]) -> Path:
    """Return the existing file or folder that `path` means, links followed.

    path: relative to one of `roots`, or beginning with the name of one ("samples/inbox.mbox" for the root
    ".../samples"), or absolute. The first root that has it wins.
    Raises SourceNotAllowed when it lies outside every root, by "..", by a link or by being absolute;
    SourceNotFound with the nearest existing name; SourceUnreadable when it is neither file nor folder.
    """
    real_roots = [_real(path, root) for root in roots]
    places = [_real(path, place) for place in _places(path, roots)]
    inside = [place for place in places if _is_inside(place, real_roots)]
    for place in inside:
        if _exists(path, place):
            return _of_readable_kind(path, place)
    if len(inside) < len(places) or not places:
        raise SourceNotAllowed(path, _names(roots))
    raise SourceNotFound(path, _names(roots), _nearest(inside))


def place_within(path: str, roots: Sequence[Path]) -> Path | None:
    """Return where a file called `path` is to be written, links followed; None when that lies outside every root.

    path: relative to the first root, or to the one with whose name it begins, or absolute. Nothing needs to be there.
    Raises SourceUnreadable for what can be no path.
    """
    first, *rest = Path(path).parts or ("",)
    named = [root.joinpath(*rest) for root in roots if rest and root.name == first]
    places = [_real(path, place) for place in (*named, *(root / path for root in roots[:1]))]
    real_roots = [_real(path, root) for root in roots]
    return places[0] if places and _is_inside(places[0], real_roots) else None


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn the system's refusals while `path` is read into SourceUnreadable."""
    try:
        yield
    except OSError as error:
        raise SourceUnreadable(path.name, error.strerror or str(error)) from error


def _places(path: str, roots: Sequence[Path]) -> Iterator[Path]:
    wanted = Path(path)
    for root in roots:
        yield root / wanted
        if wanted.parts[:1] == (root.name,):
            yield root.joinpath(*wanted.parts[1:])


def _real(path: str, place: Path) -> Path:
    try:
        return place.resolve()
    except (OSError, RuntimeError, ValueError) as error:  # too long, a circle of links, a NUL byte
        raise SourceUnreadable(path, str(error)) from error


def _is_inside(place: Path, roots: Sequence[Path]) -> bool:
    return any(place.is_relative_to(root) for root in roots)


def _exists(path: str, place: Path) -> bool:
    try:
        return place.exists()
    except OSError as error:  # a folder on the way may not be entered, or a name is too long
        raise SourceUnreadable(path, error.strerror or str(error)) from error


def _of_readable_kind(path: str, place: Path) -> Path:
    if place.is_file() or place.is_dir():
        return place
    raise SourceUnreadable(path, "it is neither a file nor a folder")  # a pipe would block the worker for ever


def _names(roots: Sequence[Path]) -> list[str]:
    return [str(root) for root in roots]


def _nearest(missing: Sequence[Path]) -> str | None:
    """Return the existing name most like the one asked for, from the folders it was looked for in."""
    for place in missing:
        if place.parent.is_dir():
            names = [entry.name for entry in islice(place.parent.iterdir(), _NAMES_COMPARED)]
            if close := get_close_matches(place.name, names, n=1):
                return close[0]
    return None
