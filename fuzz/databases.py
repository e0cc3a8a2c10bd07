"""Makes small databases of the headers in DIRECTORY/rpmdb.sqlite: one of SQLite, one of ndb."""

import pathlib
import sqlite3
import struct
import sys
import zlib

directory = pathlib.Path(sys.argv[1])
whole = directory / "rpmdb.sqlite"
old = sqlite3.connect(whole)
headers = [blob for (blob,) in old.execute("SELECT blob FROM Packages ORDER BY hnum")]
old.close()
whole.unlink()

# Without the indexes, which nobody reads; in pages so small that a header takes many.
new = sqlite3.connect(whole)
new.execute("PRAGMA page_size=512")
new.execute("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB NOT NULL)")
new.executemany("INSERT INTO Packages (blob) VALUES (?)", [(blob,) for blob in headers])
new.commit()
new.close()

slots = [b"RpmP" + struct.pack("<7I", 0, 1, 1, len(headers) + 1, 0, 0, 0)]
blobs = b""
for number, header in enumerate(headers, 1):
    blob = b"BlbS" + struct.pack("<3I", number, 0, len(header)) + header
    blob += bytes(-(len(blob) + 12) % 16)
    blob += struct.pack("<2I", zlib.adler32(blob), len(header)) + b"BlbE"
    slots.append(b"Slot" + struct.pack("<3I", number, (4096 + len(blobs)) // 16, len(blob) // 16))
    blobs += blob
free = (4096 - 16 - 16 * len(slots)) // 16
(directory / "Packages.db").write_bytes(b"".join(slots) + (b"Slot" + bytes(12)) * free + blobs)
