"""A second verifier of a whole log: `python second_verifier.py FOLDER [VKEYS [HELD...]]`.

FOLDER is an instance or an exported bundle; the others are files. It shares nothing with the
gateway, and needs only the standard library and the file beside it.
"""
# ruff: noqa: ANN001, ANN201, E731, PLW2901

import base64
import json
import re
import sqlite3
import sys
from hashlib import sha256
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
from ed25519 import signed

NOTE = re.compile(r"(([^\n]+)\n(0|[1-9]\d*)\n([\w+/]{43}=)\n)\n((?:— \S+ \S+\n)+)")
OPERATIONS = """collection alteration consultation disclosure combination erasure genesis refusal
    decision attempt acknowledgement receipt sealing escalation security directory rulebook
    approval gap log-key sign-in""".split()  # noqa: SIM905


def name(level, n, width=256):  # c2sp.org/tlog-tiles
    more = (f"x{n // 1000**k % 1000:03}/" for k in (3, 2, 1) if n >= 1000**k)
    return f"tile/{level}/{''.join(more)}{n % 1000:03}" + (f".p/{width}" if width < 256 else "")


def read(folder):  # -> notes, entries, resources by name, leaf hashes, vkeys
    if (folder / "checkpoint").exists():
        there = [one for one in folder.rglob("*") if one.is_file()]
        files = {str(one.relative_to(folder)): one.read_bytes() for one in there}
        top, entries = int(files["checkpoint"].split(b"\n")[1]), []
        notes = [json.loads(line) for line in files["checkpoints"].splitlines()]
        for first in range(0, top, 256):
            body = files.get(name("entries", first // 256, min(256, top - first)), b"")
            while body:
                size = 2 + int.from_bytes(body[:2], "big")
                entries, body = [*entries, body[2:size]], body[size:]
        return notes, entries, files, None, files.get("vkey", b"").decode()
    base = sqlite3.connect(f"file:{folder / 'throughgate.db'}?mode=ro", uri=True)
    notes = [note for (note,) in base.execute("SELECT note FROM log_checkpoint ORDER BY size")]
    rows = [row for n, row in enumerate(base.execute("SELECT * FROM log_entry")) if row[0] == n]
    tiles = {name(level, n): tile for level, n, tile in base.execute("SELECT * FROM log_tile")}
    base.close()
    stated = (folder / "log.vkey").read_text() if (folder / "log.vkey").exists() else ""
    return notes, [row[2] for row in rows], tiles, [row[1] for row in rows], stated


def grown(hashes):  # the root at every size
    peaks, roots = [], [sha256(b"").digest()]
    for n, one in enumerate(hashes):
        peaks.append(one)
        while n & 1:
            peaks[-2:], n = [sha256(b"\1" + peaks[-2] + peaks[-1]).digest()], n >> 1
        root = peaks[-1]
        for peak in peaks[-2::-1]:
            root = sha256(b"\1" + peak + root).digest()
        roots.append(root)
    return roots


def misformed(body):
    try:
        e = json.loads(body)
        same = json.dumps(e, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        return body != same or (e["v"], type(e["at"]), e["op"] in OPERATIONS) != (1, str, True)
    except (ValueError, KeyError, TypeError):
        return True


def verify(folder, vkeys="", held=()):  # -> what is wrong: nothing, if it holds
    notes, entries, tiles, leaves, stated = read(folder)
    row = [sha256(b"\0" + one).digest() for one in entries]
    bad, roots, level = ["leaf"] * (leaves not in (None, row)), grown(row), 0
    bad += [f"entry {n}" for n, body in enumerate(entries) if misformed(body)]
    while row:
        parts = [row[at : at + 256] for at in range(0, len(row), 256)]
        for n, part in enumerate(parts):
            there = tiles.get(name(level, n, len(part))) == b"".join(part)
            bad += [f"tile {level}/{n}"] * (not there and (leaves is None or len(part) == 256))
        row, level = [grown(part)[-1] for part in parts if len(part) == 256], level + 1
    public = lambda line: base64.b64decode(line.split("+", 2)[-1] + "==")[1:]
    keys, own, origin, last = [*map(public, (vkeys or stated).split())], "", "", 0
    epoch = lambda one: int(("0" + one[len(own) :].replace("/", "")) if one != own else 1)
    added, retired, seen = {}, {}, 0
    read_as = [(n >= len(notes), NOTE.fullmatch(one)) for n, one in enumerate([*notes, *held])]
    bad += ["no checkpoint"] * (not all(parts for _, parts in read_as))
    for kept, parts in [one for one in read_as if one[1]]:
        text, who, size, root = parts[1], parts[2], int(parts[3]), base64.b64decode(parts[4])
        for n in range(seen, min(size, len(entries))):
            e = json.loads(entries[n]) if not misformed(entries[n]) else {"op": ""}
            if e["op"] == "genesis" and n == 0:
                own = origin = e["origin"]
            elif e["op"] == "gap":
                bad += [f"gap {n}"] * (e["size"] != last or epoch(e["origin"]) <= epoch(origin))
                origin = e["origin"]
            elif e["op"] == "log-key":
                (added if e["action"] == "added" else retired)[public(e["verifier"])] = n
        seen, own, origin, signers = max(seen, size), own or who, origin or who, []
        for _, whose, blob in (line.split(" ") for line in parts[5].splitlines()):
            raw, tag = base64.b64decode(blob), f"{whose}\n\1".encode()
            mine = [
                key for key in keys if (whose, sha256(tag + key).digest()[:4]) == (who, raw[:4])
            ]
            signers += [key if signed(key, text.encode(), raw[4:]) else b"" for key in mine]
        bad += [f"root {size}"] * (size >= len(roots) or roots[size] != root)
        alive = any(retired.get(key, size) >= size for key in signers)
        bad += [f"signer {size}"] * (not alive or b"" in signers)
        bad += [f"order {size}"] * (not kept and (size <= last or who != origin))
        keys += [key for key, at in added.items() if at < size and signers]
        last = last if kept else size
    unlogged = [one for one in map(public, stated.split()) if one not in keys]
    return bad + ["keys"] * bool(unlogged) + ["unsigned"] * (last != len(entries) or not notes)


if __name__ == "__main__":
    given = [Path(one).read_text() for one in sys.argv[2:]]
    sys.exit("\n".join(verify(Path(sys.argv[1]), *given[:1], held=given[1:])) or 0)
