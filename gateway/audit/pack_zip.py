"""A pack as one ZIP file, and the instructions for checking it. The same pack, the same bytes."""

import io
import zipfile
from datetime import UTC, datetime
from typing import Final

from gateway.audit.pack import Pack, as_csv
from gateway.disclosure_log.operation import timestamp

_FIRST: Final = datetime(1980, 1, 1, tzinfo=UTC)  # a ZIP knows no time before


def render(pack: Pack, *, pdf: bytes | None) -> bytes:
    """Return the ZIP."""
    moment = max(pack.made_at.astimezone(UTC), _FIRST).timetuple()[:6]
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        for name, content in _files(pack, pdf):
            member = zipfile.ZipInfo(name, moment)
            member.create_system = 3  # whatever it is made on
            member.external_attr = 0o644 << 16
            member.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(member, content)
    return whole.getvalue()


def _files(pack: Pack, pdf: bytes | None) -> list[tuple[str, bytes]]:
    found = [("README.txt", instructions(pack).encode()), ("answer.csv", as_csv(pack.answer))]
    if pdf is not None:
        found.append(("answer.pdf", pdf))
    if not pack.checkpoints:
        return found  # it rests on no entry: there is nothing to check
    found.append(("log.vkey", _lines(pack.keys)))
    if pack.witnesses:
        found.append(("witnesses.vkey", _lines(pack.witnesses)))
    found += [(f"checkpoints/{one.size}.txt", one.note.encode()) for one in pack.checkpoints]
    for one in pack.proven:
        found.append((f"entries/{one.name}.json", one.entry))
        found.append((f"proofs/{one.name}.tlog-proof", one.proof.encode()))
    return found


def _lines(texts: tuple[str, ...]) -> bytes:
    return "".join(f"{one}\n" for one in texts).encode()


def instructions(pack: Pack) -> str:
    """Return the plain text that says what is in the pack and how to check it."""
    answer, proves = pack.answer, bool(pack.checkpoints)
    asked = "; ".join(f"{name}: {value}" for name, value in sorted(answer.asked.items()))
    looked = f"Entries of the disclosure log looked at: {answer.size}. " if proves else ""
    parts = [answer.title, _listed("What the log says" if proves else "In short", answer.reading)]
    if answer.caveats:
        parts.append(_listed("Before you use it", answer.caveats))
    parts.append(
        (f"Asked of: {asked}\n" if asked else "") + f"{looked}Made at {timestamp(pack.made_at)}."
    )
    if proves:
        parts += [standing(pack), _HOW]
    return "\n\n".join(parts) + "\n"


def _listed(heading: str, sentences: tuple[str, ...]) -> str:
    return "\n".join([heading, *(f"- {one}" for one in sentences)])


def standing(pack: Pack) -> str:
    """Say in sentences how far the pack proves its answer. Pure."""
    said = [f"Entries in this pack, each with its proof: {len(pack.proven)}."]
    if pack.left_out:
        said.append(
            f"More entries that the answer rests on: {pack.left_out}. They are not in this pack;"
            " ask for a smaller part of the answer to have them proved."
        )
    if pack.broken:
        listed = ", ".join(str(index) for index in pack.broken)
        said.append(
            f"The proof does NOT hold for: {listed}. Do not rely on them; tell the operator."
        )
    witnessed = [one.size for one in pack.checkpoints if one.witnessed]
    if witnessed:
        said.append(
            f"The checkpoint of {witnessed[-1]} entries carries signatures of independent"
            " witnesses."
        )
    else:
        said.append("No checkpoint here is witnessed: only the operator of the gateway signed it.")
    return "\n".join(said)


_HOW: Final = """\
How to check this without trusting us

In this pack
- answer.csv (and answer.pdf, if it is here): the answer.
- entries/N.json: entry number N of the disclosure log, byte for byte. Do not edit or reformat it.
- proofs/N.tlog-proof: its proof, in the format c2sp.org/tlog-proof@v1.
- checkpoints/SIZE.txt: the log's signed state at that size, in the format c2sp.org/tlog-checkpoint.
- log.vkey: the key the log signs with. witnesses.vkey: the keys of its witnesses, if it has any.

First compare the key in log.vkey with the one you were given by another way: from the gateway's
registration letter, from an alert you received, or from a witness. If you take the key from this
pack alone, you trust whoever made the pack.

With the program, which needs no gateway and no network:
  throughgate verify pack PACK.zip --vkey VKEY

By any other means, for each entry N:
1. The leaf hash is SHA-256 of one zero byte followed by the bytes of entries/N.json.
2. The proof's first lines hold the index and a list of hashes, in base64. Combine the leaf hash
   with them, in order, as RFC 9162 section 2.1.3.2 says. Each step is SHA-256 of one byte of value
   one, the left hash and the right hash.
3. The result must be the third line of the checkpoint that ends the proof.
4. The checkpoint's signature lines begin with a long dash. Each is Ed25519 over the text above the
   blank line, with the newline that ends it (c2sp.org/signed-note).
5. If a second checkpoint you hold says the same size and another third line, the log shows
   different people different things: tell the data protection officer and the Commissioner.

An entry names people and events by reference only. It holds no name, address or date of birth."""
