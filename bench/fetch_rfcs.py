"""Fetch Debian's RFC packages into ``bench/.cache/rfcs`` and list exactly 10,000 documents of them.

    .venv/bin/python bench/fetch_rfcs.py          # some 480 MB to download, 1.3 GB on disk, no root needed

The packages are in Debian's non-free section (the IETF lets everyone copy RFCs, unmodified). They are fetched with a
private configuration of apt: neither the system's sources nor its lists are touched. Nothing of it is committed.

The list, ``bench/.cache/rfcs.txt``, holds each RFC once, in turns as text and as HTML, every PDF, and as many of the
other forms as it takes to 10,000. Run again, it downloads nothing that is there.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

CACHE = Path(__file__).parent / ".cache"
FOLDER = CACHE / "rfcs"
LIST = CACHE / "rfcs.txt"
COUNT = 10_000
KINDS = ("experimental", "fyi-bcp", "informational", "misc", "old-std", "others", "std", "std-proposed")
PACKAGES = [f"doc-rfc-{kind}" for kind in KINDS]
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
RFC_FILE = re.compile(r"rfc(\d+[a-z]?(?:-original)?)\.(txt|html|pdf)(\.gz)?")


def codename() -> str:
    found = re.search(r"^VERSION_CODENAME=(\w+)", Path("/etc/os-release").read_text(), re.MULTILINE)
    return found[1] if found else "bookworm"


def mirror() -> str:
    """Return the mirror that this machine's own apt uses for Debian."""
    for path in [*Path("/etc/apt/sources.list.d").glob("*.sources"), *Path("/etc/apt").glob("sources.list")]:
        if found := re.search(r"https?://\S+/debian/?(?=\s)", path.read_text() + "\n"):
            return found[0]
    sys.exit("apt has no Debian mirror on this machine, so the RFC packages cannot be fetched.")


def private_apt() -> list[str]:
    """Return the options that keep apt inside the cache folder."""
    apt = CACHE / "apt"
    for part in ("lists/partial", "archives/partial", "empty"):
        (apt / part).mkdir(parents=True, exist_ok=True)
    (apt / "sources.list").write_text(f"deb [signed-by={KEYRING}] {mirror()} {codename()} non-free\n")
    options = {
        "Dir::Etc::sourcelist": apt / "sources.list",
        "Dir::Etc::sourceparts": apt / "empty",
        "Dir::State::lists": apt / "lists",
        "Dir::Cache": apt,
        "Dir::Cache::archives": apt / "archives",
        "APT::Sandbox::User": "",
        "Acquire::Languages": "none",
    }
    return [part for name, value in options.items() for part in ("-o", f"{name}={value}")]


def fetch() -> None:
    """Download and unpack what is not there yet."""
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            sys.exit(f"{tool} was not found: this script needs Debian or one of its children.")
    debs = CACHE / "debs"
    debs.mkdir(parents=True, exist_ok=True)
    missing = [package for package in PACKAGES if not list(debs.glob(f"{package}_*.deb"))]
    if missing:
        options = private_apt()
        subprocess.run(["apt-get", *options, "--quiet=2", "update"], check=True)
        subprocess.run(["apt-get", *options, "--quiet", "download", *missing], check=True, cwd=debs)
    for package in PACKAGES:
        mark = FOLDER / f".{package}"
        if not mark.exists():
            FOLDER.mkdir(exist_ok=True)
            subprocess.run(["dpkg-deb", "-x", str(next(debs.glob(f"{package}_*.deb"))), str(FOLDER)], check=True)
            mark.touch()


def by_form() -> dict[str, dict[str, Path]]:
    """Return each RFC's file by form and number, once, though most paths are there again through links."""
    forms: dict[str, dict[str, Path]] = {"txt": {}, "html": {}, "pdf": {}}
    for path in sorted(FOLDER.rglob("rfc*")):
        found = RFC_FILE.fullmatch(path.name)
        if found and not path.is_symlink() and "links" not in path.parts and path.is_file():
            forms[found[2]].setdefault(found[1].zfill(6), unpacked(path))
    return forms


def unpacked(path: Path) -> Path:
    """Return the path of the file itself, unpacked where the package holds it compressed."""
    if path.suffix != ".gz":
        return path
    subprocess.run(["gunzip", "--force", str(path)], check=True)
    return path.with_suffix("")


def chosen(forms: dict[str, dict[str, Path]]) -> list[Path]:
    """Return exactly 10,000 documents, ordered by number."""
    text, html, pdf = forms["txt"], forms["html"], forms["pdf"]
    numbers = sorted(text.keys() | html.keys())
    picked: list[tuple[str, Path]] = []
    others: list[tuple[str, Path]] = []
    for place, number in enumerate(numbers):
        first, second = (text, html) if place % 2 == 0 else (html, text)
        forms_here = [form[number] for form in (first, second) if number in form]
        picked.append((number, forms_here[0]))
        others.extend((number, path) for path in forms_here[1:])
    picked.extend(pdf.items())
    picked.extend(others[: max(0, COUNT - len(picked))])
    if len(picked) < COUNT:
        sys.exit(f"Only {len(picked):,} documents were found under {FOLDER}; {COUNT:,} are needed.")
    return [path for _, path in sorted(picked[:COUNT])]


def count_forms(paths: Iterable[Path]) -> str:
    suffixes = [path.suffix for path in paths]
    return ", ".join(f"{suffixes.count(form):,} {form[1:]}" for form in (".txt", ".html", ".pdf"))


def main() -> None:
    fetch()
    forms = by_form()
    print("found:", ", ".join(f"{len(files):,} {form}" for form, files in forms.items()))
    paths = chosen(forms)
    LIST.write_text("".join(f"{path}\n" for path in paths))
    print(f"{len(paths):,} documents ({count_forms(paths)}) in {LIST}")


if __name__ == "__main__":
    main()
