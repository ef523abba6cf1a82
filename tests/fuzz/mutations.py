"""Ways to damage a file, drawn from a seed: `mutated(content, rng)` gives bytes that differ from `content`."""

import io
import zipfile

import numpy as np

EXTREMES = (0, 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1)
TOKENS = (b"null", b"[]", b"{}", b"-1", b"1e999", b'"x"', b"true", b"[" * 5000, b"NaN", b"9" * 5000, b"\xff")


def flip_bits(data: bytearray, rng) -> None:
    for position in rng.integers(0, len(data), rng.integers(1, 9)):
        data[position] ^= 1 << int(rng.integers(8))


def overwrite(data: bytearray, rng) -> None:
    start, size = _span(data, rng)
    fill = rng.integers(3)
    data[start : start + size] = rng.bytes(size) if fill == 2 else bytes([255 * int(fill)]) * size


def extreme_integer(data: bytearray, rng) -> None:
    size = int(rng.choice([2, 4, 8]))
    start = int(rng.integers(0, max(1, len(data) - size)))
    value = EXTREMES[rng.integers(len(EXTREMES))]
    data[start : start + size] = (value % 2 ** (8 * size)).to_bytes(size, "little")


def truncate(data: bytearray, rng) -> None:
    del data[int(rng.integers(0, len(data))) :]


def delete(data: bytearray, rng) -> None:
    start, size = _span(data, rng)
    del data[start : start + size]


def insert(data: bytearray, rng) -> None:
    start, size = _span(data, rng)
    data[start:start] = rng.bytes(size)


def repeat(data: bytearray, rng) -> None:
    start, size = _span(data, rng)
    data[start:start] = data[start : start + size]


def move(data: bytearray, rng) -> None:
    start, size = _span(data, rng)
    block = data[start : start + size]
    del data[start : start + size]
    position = int(rng.integers(0, len(data) + 1))
    data[position:position] = block


def token(data: bytearray, rng) -> None:
    start, size = _span(data, rng)
    data[start : start + min(size, 8)] = TOKENS[rng.integers(len(TOKENS))]


MUTATIONS = (flip_bits, overwrite, extreme_integer, truncate, delete, insert, repeat, move, token)


def _span(data: bytearray, rng) -> tuple[int, int]:
    start = int(rng.integers(0, len(data)))
    return start, int(rng.integers(1, 2 ** int(rng.integers(1, 10))))


def mutated(content: bytes, rng: np.random.Generator) -> bytes:
    """One mutation, sometimes two or three; half of them near the ends, where the directories of most formats lie."""
    data = bytearray(content)
    while bytes(data) == content:
        for _ in range(int(rng.choice([1, 1, 1, 2, 3]))):
            if not data:
                break
            mutate = MUTATIONS[rng.integers(len(MUTATIONS))]
            edge = min(len(data), 2048)
            if rng.random() < 0.25:
                part = bytearray(data[:edge])
                mutate(part, rng)
                data[:edge] = part
            elif rng.random() < 0.33:
                part = bytearray(data[-edge:])
                mutate(part, rng)
                data[-edge:] = part
            else:
                mutate(data, rng)
    return bytes(data)


def rezipped(content: bytes, rng: np.random.Generator) -> bytes:
    """An NPZ one of whose members is damaged and has a valid checksum all the same."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(out, "w") as target:
        members = source.infolist()
        chosen = members[rng.integers(len(members))].filename
        for info in members:
            data = source.read(info)
            if info.filename == chosen:
                head = bytearray(data[:160])
                MUTATIONS[rng.integers(len(MUTATIONS))](head, rng)
                data = bytes(head) + data[160:]
            target.writestr(info.filename, data)
    return out.getvalue()
