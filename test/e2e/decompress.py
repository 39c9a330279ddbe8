# SPDX-License-Identifier: Apache-2.0
"""decompress.py - undoes a message's Content-Encoding, by the C libraries that the agent needs as well.

    text = decompress.plain(message.headers, message.data)
"""
import ctypes
import gzip


def size_or_fail(n, what):
    if n > 1 << 62:    # an error code, as size_t
        raise ValueError(f"{what}: no such data")
    return n


def unzstd(data):
    lib = ctypes.CDLL("libzstd.so.1")
    for f in (lib.ZSTD_decompress, lib.ZSTD_findFrameCompressedSize):
        f.restype = ctypes.c_size_t
    lib.ZSTD_getFrameContentSize.restype = ctypes.c_ulonglong
    n = size_or_fail(lib.ZSTD_getFrameContentSize(data, ctypes.c_size_t(len(data))), "zstd")
    if lib.ZSTD_findFrameCompressedSize(data, ctypes.c_size_t(len(data))) != len(data):
        raise ValueError("zstd: more than one frame")
    out = ctypes.create_string_buffer(n + 1)
    got = lib.ZSTD_decompress(out, ctypes.c_size_t(n), data, ctypes.c_size_t(len(data)))
    if size_or_fail(got, "zstd") != n:
        raise ValueError("zstd: cut off")
    return out.raw[:n]


def unlz4(data):
    """One frame, which tells the size of its content."""
    if data[:4] != b"\x04\x22\x4d\x18" or not data[4] & 8:
        raise ValueError("lz4: no frame with a size")
    n = int.from_bytes(data[6:14], "little")
    lib = ctypes.CDLL("liblz4.so.1")
    lib.LZ4F_decompress.restype = ctypes.c_size_t
    of = ctypes.c_void_p()
    lib.LZ4F_createDecompressionContext(ctypes.byref(of), 100)
    out = ctypes.create_string_buffer(n + 1)
    room, used = ctypes.c_size_t(n + 1), ctypes.c_size_t(len(data))
    left = lib.LZ4F_decompress(of, out, ctypes.byref(room), data, ctypes.byref(used), None)
    lib.LZ4F_freeDecompressionContext(of)
    if (left, room.value, used.value) != (0, n, len(data)):
        raise ValueError("lz4: cut off, or more than one frame")
    return out.raw[:n]


def unsnappy(data):
    lib = ctypes.CDLL("libsnappy.so.1")
    n = ctypes.c_size_t()
    size = ctypes.c_size_t(len(data))
    if lib.snappy_uncompressed_length(data, size, ctypes.byref(n)) != 0:
        raise ValueError("snappy: no such data")
    out = ctypes.create_string_buffer(n.value + 1)
    if lib.snappy_uncompress(data, size, out, ctypes.byref(n)) != 0:
        raise ValueError("snappy: no such data")
    return out.raw[:n.value]


READERS = {"zstd": unzstd, "lz4": unlz4, "snappy": unsnappy, "gzip": gzip.decompress}


def plain(headers, data):
    """data as it was before compression."""
    how = headers.get("Content-Encoding")
    return READERS[how](data) if how else data
