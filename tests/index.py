"""Reads the index of an image as docs/blocks.md describes it, and compares it with the image.

    index.py IMAGE [OTHER]

Prints the number of pieces, and how many bytes of IMAGE are in no piece of OTHER. Fails if a piece
is not what the index says. Knows nothing of SquashFS.
"""

import hashlib
import sys


def pieces(index):
    """Yields offset, length and hash of each piece of the image."""
    if index[:8] != b"BLOCKS-1" or (len(index) - 48) % 11:
        raise ValueError("not an index that can be read")
    offset = 0
    for at in range(48, len(index), 11):
        length = int.from_bytes(index[at + 8 : at + 11], "little")
        yield offset, length, index[at : at + 8]
        offset += length
    if offset != int.from_bytes(index[8:16], "little"):
        raise ValueError("the pieces are not as long as the image")


def of(path):
    """Returns the pieces of an image, which are compared with it."""
    with open(path.removesuffix(".raw") + ".blocks", "rb") as file:
        index = file.read()
    with open(path, "rb") as file:
        image = file.read()
    if hashlib.sha256(image).digest() != index[16:48]:
        raise ValueError("the image has another SHA-256")
    found = list(pieces(index))
    for offset, length, short in found:
        piece = image[offset : offset + length]
        if len(piece) != length or hashlib.sha256(piece).digest()[:8] != short:
            raise ValueError(f"the piece at {offset} is another")
    if sum(length for _, length, _ in found) != len(image):
        raise ValueError("the pieces are not the whole image")
    return found


own = of(sys.argv[1])
print(len(own))
if len(sys.argv) > 2:
    known = {(length, short) for _, length, short in of(sys.argv[2])}
    print(sum(length for _, length, short in own if (length, short) not in known))
