#!/usr/bin/env python3
"""How many bytes a client fetches for an update: pull.py PROGRAM RPMS CHANGED...

RPMS is a repository that has the packages of examples/store; each CHANGED is the same repository
with other builds of some packages. The images of examples/store are built from RPMS, and then from each
CHANGED into the same store, which a server that counts serves. For each image that was built again,
a client with the image of RPMS alone pulls it: by blocks, and then by a patch. Prints what the server sent of
list, index and image, or patch, as a share of the image, and the size of the index; fails if an image that
arrives is another.

With --settings, each is an argument for the build, such as --settings=--block-size=128K.
"""

import argparse
import gzip
import hashlib
import http.server
import json
import pathlib
import shutil
import subprocess
import tempfile
import threading

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("program", type=pathlib.Path)
parser.add_argument("rpms", type=pathlib.Path)
parser.add_argument("changed", type=pathlib.Path, nargs="+")
parser.add_argument("--settings", action="append", default=[])
parser.add_argument("--recipe", action="append", help="names of recipes; all by default")
arguments = parser.parse_args()
program = arguments.program.resolve()
root = pathlib.Path(__file__).resolve().parent.parent
recipes = sorted((root / "examples/store").glob("*.toml"))
if arguments.recipe:
    recipes = [recipe for recipe in recipes if recipe.stem in arguments.recipe]


class Counting(http.server.BaseHTTPRequestHandler):
    """Serves the files of a directory, whole or one range of them, and counts bytes and requests."""

    protocol_version = "HTTP/1.1"
    directory = None
    sent = requests = 0

    def do_GET(self):
        path = Counting.directory / self.path.rsplit("/", 1)[-1]
        if not path.is_file():
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        whole = path.read_bytes()
        start, end = 0, len(whole)
        asked = self.headers.get("Range", "")
        if asked.startswith("bytes=") and "," not in asked:
            first, last = asked.removeprefix("bytes=").split("-")
            start, end = int(first), int(last or end - 1) + 1
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(whole)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(end - start))
        self.end_headers()
        self.wfile.write(whole[start:end])
        Counting.sent += end - start
        Counting.requests += 1

    def log_message(self, *_):
        pass


def run(*words, **more):
    outcome = subprocess.run([program, *words], stderr=subprocess.PIPE, text=True, **more)
    if outcome.returncode:
        raise SystemExit(outcome.stderr[-2000:])


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Counting)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_address[1]}/"

with tempfile.TemporaryDirectory() as work:
    work = pathlib.Path(work)

    def build(repository, store):
        run("--cache-dir", work / "cache", "--repo", f"tools={repository}", *arguments.settings,
            "-q", "--build-number", "auto", "-o", store, *recipes)

    build(arguments.rpms, work / "first")
    print(f"{'image':<42} {'size':>12} {'by':<6} {'fetched':>12} {'share':>7} {'requests':>8} {'index':>7}")
    for changed in arguments.changed:
        store = work / "store"
        shutil.rmtree(store, ignore_errors=True)
        shutil.copytree(work / "first", store)
        build(changed, store)
        run("store", "index", store)
        Counting.directory = store
        new = sorted(path for path in store.glob("*.raw") if not (work / "first" / path.name).exists())
        for way in ["blocks", "patch"]:
            if way == "patch":
                run("store", "delta", "--from", "9", store)
            for image in new:
                with gzip.open(image.with_suffix(".manifest.gz")) as manifest:
                    name = json.load(manifest)["config"]["name"]
                into = work / "into"
                shutil.rmtree(into, ignore_errors=True)
                into.mkdir()
                for old in (work / "first").glob(f"{name}-[0-9]*.raw"):
                    shutil.copy(old, into)
                Counting.sent = Counting.requests = 0
                run("pull", url, name, "--into", into, "--unsigned", "--arch", "x86-64", stdout=subprocess.DEVNULL)
                digests = [hashlib.sha256(path.read_bytes()).digest() for path in (image, into / image.name)]
                if digests[0] != digests[1]:
                    raise SystemExit(f"{image.name}: another image arrived")
                size, index = image.stat().st_size, image.with_suffix(".blocks").stat().st_size
                print(f"{image.name:<42} {size:>12} {way:<6} {Counting.sent:>12} {Counting.sent / size:>7.2%}"
                      f" {Counting.requests:>8} {index / size:>7.3%}")
