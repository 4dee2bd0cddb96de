"""gpu_thin.py LIBRARY OUT ARCH: a copy of a CUDA library whose machine code for other GPUs than
sm_ARCH is zeros, so that it packs small. Its size and all addresses stay as they are; the driver
reads of a fat binary only the entry that fits."""
import struct
import sys

MAGIC = struct.pack("<I", 0xBA55ED50)
HEADER_BYTES, ENTRY_BYTES = 16, 32


def entries(data, begin, end):
    """(first byte, end, arch) of the code of each entry between begin and end."""
    while begin + ENTRY_BYTES <= end:
        header_bytes, size = struct.unpack_from("<4xIQ", data, begin)
        (arch,) = struct.unpack_from("<I", data, begin + 28)
        code = begin + header_bytes
        if header_bytes < ENTRY_BYTES or code + size > end:
            return
        yield code, code + size, arch
        begin = code + size


def thin(data, arch):
    """Zeroes what is not for arch; the number of bytes that were kept."""
    kept = at = 0
    while (at := data.find(MAGIC, at)) >= 0:
        version, header_bytes, size = struct.unpack_from("<HHQ", data, at + 4)
        end = at + HEADER_BYTES + size
        if version != 1 or header_bytes != HEADER_BYTES or end > len(data):
            at += len(MAGIC)
            continue
        for first, last, of in entries(data, at + HEADER_BYTES, end):
            if of == arch:
                kept += last - first
            else:
                data[first:last] = bytes(last - first)
        at = end
    return kept


def main():
    path, out, arch = sys.argv[1:]
    with open(path, "rb") as file:
        data = bytearray(file.read())
    if thin(data, int(arch)) == 0:
        sys.exit(f"{path} has no code for sm_{arch}")
    with open(out, "wb") as file:
        file.write(data)


main()
