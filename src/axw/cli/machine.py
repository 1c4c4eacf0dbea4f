"""What a machine offers: each fact is looked up on its own, so that a broken part hides no other.

The whole is plain JSON, schema "axw.doctor/1":

    versions    axw, Python, system, and every package that axw needs (null = not there)
    processor   name, cores, cores that this process may use, features that PyTorch's kernels can use
    threads     of PyTorch and of each BLAS and OpenMP library, and the variables that set them
    devices     accelerators, with their memory
    memory      bytes: total, available;  allocator: of commands that compute for long;  mimalloc: its library (null = not there)
    folders     path, what for, writable, free bytes
    extras      name, for what, packages with versions (null = not there), installed, the pip line
    problems    what stops every command, each with what to do;  notes: what is good to know
"""

from __future__ import annotations

import importlib
import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from axw.cli.allocating import allocator, library
from axw.cli.output import refusal
from axw.version import __version__

# What each extra is for. Which packages it holds is told by the installed package itself.
EXTRAS = {
    "export": "axw export: the same weights for other programs",
    "fast": "translating faster: its steps compiled for this processor",
    "plot": "pictures on matplotlib's axes",
    "serve": "axw serve: an HTTP API and a page",
    "spark": "tables in Spark (and Java 17 or later)",
    "sql": "tables beyond memory, in DuckDB",
    "tensorboard": "curves in TensorBoard",
}
VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "LD_PRELOAD", "AXW_ALLOCATOR", "AXW_DATA")
# Names as PyTorch knows them: wide products, products of bfloat16 and int8, tiles.
FEATURES = (
    "avx2",
    "avx512_f",
    "avx512_vnni",
    "avx512_bf16",
    "avx512_fp16",
    "amx_tile",
    "amx_bf16",
    "amx_int8",
    "amx_fp16",
)
LITTLE = 1 << 30
CPU_BUILD = "pip install torch --index-url https://download.pytorch.org/whl/cpu"


def examine() -> dict[str, Any]:
    """All of the above. Imports PyTorch, and says so where that fails."""
    packages, extras = requirements()
    torch, failure = _imported("torch")
    found: dict[str, Any] = {
        "schema": "axw.doctor/1",
        "versions": {
            "axw": __version__,
            "python": platform.python_version(),
            "system": platform.platform(),
            "packages": {name: installed(name) for name in packages},
        },
        "processor": processor(torch),
        "threads": threads(torch),
        "devices": devices(torch),
        "memory": memory(),
        "folders": folders(),
        "extras": [extra(name, needs) for name, needs in sorted(extras.items()) if name in EXTRAS],
    }
    found["problems"] = _problems(found, packages, failure)
    found["notes"] = _notes(found, torch)
    return found


# ---------------------------------------------------------------------------------------------------------------- packages


def requirements(package: str = "axw") -> tuple[list[str], dict[str, list[str]]]:
    """What an installed package needs, and what each of its extras adds: names of packages, sorted.

    Both are empty where it runs from a folder without being installed.
    """
    try:
        lines = metadata.requires(package) or []
    except metadata.PackageNotFoundError:
        return [], {}
    needed: set[str] = set()
    extras: dict[str, set[str]] = {}
    for line in lines:
        name = re.match(r"[A-Za-z0-9._-]+", line)
        of = re.search(r"extra\s*==\s*['\"]([^'\"]+)['\"]", line)
        if name and _here(line):
            (extras.setdefault(of[1], set()) if of else needed).add(name[0].lower())
    return sorted(needed), {name: sorted(packages) for name, packages in extras.items()}


def _here(line: str) -> bool:
    """Whether a requirement is one on this system and processor."""
    facts = {"sys_platform": sys.platform, "platform_machine": platform.machine()}
    asked = re.findall(r"(sys_platform|platform_machine)\s*==\s*['\"]([^'\"]+)['\"]", line)
    return all(facts[name] == value for name, value in asked)


def installed(package: str) -> str | None:
    """The version of a package, None where it is not there."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def extra(name: str, packages: list[str]) -> dict[str, Any]:
    """One extra: is all of it there, and the line that brings it."""
    versions = {package: installed(package) for package in packages}
    whole = None not in versions.values()
    if name == "spark":
        whole = whole and shutil.which("java") is not None
    pip = f"pip install 'axw[{name}]'"
    return {"name": name, "for": EXTRAS[name], "packages": versions, "installed": whole, "pip": pip}


def _imported(name: str) -> tuple[Any, str | None]:
    """The module, or why it cannot be imported: a broken build fails in many ways, and none of them may end the report."""
    try:
        return importlib.import_module(name), None
    except Exception as error:
        return None, f"{type(error).__name__}: {error}"


# ----------------------------------------------------------------------------------------------------------------- machine


def processor(torch: Any) -> dict[str, Any]:
    """Name, cores, and those of FEATURES that are there; `kernels` is the set that PyTorch chose."""
    told: Mapping[str, Any] = {}
    if torch is not None and hasattr(torch.cpu, "get_capabilities"):
        told = torch.cpu.get_capabilities()
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "name": told.get("cpu_name") or platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "allowed": allowed,
        "kernels": None if torch is None else torch.backends.cpu.get_cpu_capability(),
        "features": [name for name in FEATURES if told.get(name)],
    }


def threads(torch: Any) -> dict[str, Any]:
    """How many threads a product gets, and what says so."""
    pools, _ = _imported("threadpoolctl")
    libraries = [] if pools is None else pools.threadpool_info()
    return {
        "torch": None if torch is None else torch.get_num_threads(),
        "libraries": {library["prefix"]: library["num_threads"] for library in libraries},
        "variables": {name: os.environ[name] for name in VARIABLES if name in os.environ},
    }


def devices(torch: Any) -> list[dict[str, Any]]:
    """Accelerators that PyTorch sees: name, and bytes of memory where they are told."""
    if torch is None:
        return []
    found = []
    if torch.cuda.is_available():
        for number in range(torch.cuda.device_count()):
            seen = torch.cuda.get_device_properties(number)
            found.append({"device": f"cuda:{number}", "name": seen.name, "memory": seen.total_memory})
    if torch.backends.mps.is_available():
        found.append({"device": "mps", "name": "Apple GPU", "memory": None})
    return found


def memory() -> dict[str, Any]:
    """Bytes: all there is, and what a new process could use (Linux only); who hands it out in what computes for long."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        total = None
    try:
        available = re.search(r"MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text())
    except OSError:
        available = None
    free = int(available[1]) * 1024 if available else None
    return {"total": total, "available": free, "allocator": allocator(), "mimalloc": str(library() or "") or None}


def folders() -> list[dict[str, Any]]:
    """The folder of runs and models, and that of passing files: can they be written, and how much is free."""
    found = []
    for path, use in ((Path.cwd(), "here"), (Path(tempfile.gettempdir()), "temporary files")):
        why = refusal(path)
        free = shutil.disk_usage(path).free if path.is_dir() else None
        found.append({"path": str(path), "use": use, "writable": why is None, "why": why, "free": free})
    return found


# ----------------------------------------------------------------------------------------------------------------- verdict


def _problems(found: Mapping[str, Any], packages: list[str], failure: str | None) -> list[str]:
    missing = [name for name, version in found["versions"]["packages"].items() if version is None]
    told = [f"{name} is not installed: pip install {name}" for name in missing]
    if failure is not None and "torch" not in missing:
        told.append(f"PyTorch cannot be imported ({failure.splitlines()[0]}): install it again, {CPU_BUILD}")
    for folder in found["folders"]:
        if not folder["writable"]:
            told.append(
                f"{folder['path']} cannot be written ({folder['why']}): change to another folder, or set TMPDIR"
            )
    return told


def _notes(found: Mapping[str, Any], torch: Any) -> list[str]:
    told = []
    if not found["versions"]["packages"]:
        told.append("axw runs from a folder and is not installed as a package, so what it needs is not listed.")
    if torch is not None and torch.version.cuda and not found["devices"]:
        told.append(
            f"This PyTorch is made for CUDA, and no GPU is seen. The build for processors is smaller: {CPU_BUILD}"
        )
    for folder in found["folders"]:
        if folder["free"] is not None and folder["free"] < LITTLE:
            told.append(f"{folder['path']} has only {size(folder['free'])} free.")
    return told


def size(count: int | None) -> str:
    """Bytes in GiB, "?" where they are not known."""
    return "?" if count is None else f"{count / 2**30:.1f} GiB"


def to_text(found: Mapping[str, Any]) -> str:
    """The report for a person."""
    versions, cpu, thread = found["versions"], found["processor"], found["threads"]
    packages = ", ".join(f"{name} {version or 'MISSING'}" for name, version in versions["packages"].items())
    pools = ", ".join(f"{name} {count}" for name, count in thread["libraries"].items())
    lines = [
        f"axw {versions['axw']}, Python {versions['python']}, {versions['system']}",
        f"packages    {packages or '-'}",
        f"processor   {cpu['name']}, {cpu['allowed']} of {cpu['cores']} cores; PyTorch's kernels: {cpu['kernels'] or '-'}",
        f"features    {', '.join(cpu['features']) or '-'}",
        f"threads     PyTorch {thread['torch'] or '-'}; {pools or '-'}",
        *(f"            {name}={value}" for name, value in thread["variables"].items()),
        f"memory      {size(found['memory']['available'])} of {size(found['memory']['total'])} available",
        f"allocator   {found['memory']['allocator']} of axw fit, ladder and resume",
        *(f"            for Python: LD_PRELOAD={path}" for path in [found["memory"]["mimalloc"]] if path),
        *(f"device      {one['device']}: {one['name']}, {size(one['memory'])}" for one in found["devices"]),
    ]
    if not found["devices"]:
        lines.append("device      the processor; no accelerator is seen")
    for folder in found["folders"]:
        writable = "writable" if folder["writable"] else f"NOT WRITABLE ({folder['why']})"
        lines.append(f"folder      {folder['path']} ({folder['use']}): {writable}, {size(folder['free'])} free")
    for one in found["extras"]:
        state = "installed" if one["installed"] else f"missing: {one['pip']}"
        lines.append(f"extra       {one['name']:<12}{one['for']:<46} {state}")
    lines += [f"note: {note}" for note in found["notes"]]
    lines += [f"PROBLEM: {problem}" for problem in found["problems"]]
    return "\n".join(lines if found["problems"] else [*lines, "ready"])
