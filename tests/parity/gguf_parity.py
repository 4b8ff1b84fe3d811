# SPDX-License-Identifier: Apache-2.0
"""GGUF files against gguf-py: values of every type bit by bit, metadata, files that it reads back.

  python tests/parity/gguf_parity.py --probe build/tests/programs/probe_gguf

Blocks are random bytes (every code, scales of all sizes, subnormal ones too) and quantised normal
numbers. Metadata has every type that the format knows, with arrays of each. Split files are joined.
Prints one line per case and ends with `N passed, M failed`.
"""

import argparse
import os
import subprocess
import tempfile

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf import GGUFValueType as Value
from safetensors.numpy import load_file

import common

TYPES = [Type.F32, Type.F16, Type.BF16, Type.Q4_0, Type.Q4_1, Type.Q5_0, Type.Q5_1, Type.Q8_0,
         Type.Q2_K, Type.Q3_K, Type.Q4_K, Type.Q5_K, Type.Q6_K, Type.IQ4_NL]
QUANTISED_BY_GGUF_PY = [Type.F16, Type.BF16, Type.Q4_0, Type.Q4_1, Type.Q5_0, Type.Q5_1, Type.Q8_0]
# Where fp16 numbers stand in a block: random ones must be finite.
SCALES = {Type.F16: [0], Type.Q4_0: [0], Type.Q4_1: [0, 2], Type.Q5_0: [0], Type.Q5_1: [0, 2],
          Type.Q8_0: [0], Type.Q2_K: [80, 82], Type.Q3_K: [108], Type.Q4_K: [0, 2],
          Type.Q5_K: [0, 2], Type.Q6_K: [208], Type.IQ4_NL: [0]}


def random_blocks(kind, rows, columns, generator):
    """[rows, bytes of a row] of random codes and finite scales."""
    block, size = gguf.GGML_QUANT_SIZES[kind]
    blocks = generator.integers(0, 256, (rows * columns // block, size), dtype=np.uint8)
    if kind in (Type.F32, Type.BF16):
        values = generator.standard_normal((rows * columns,)).astype(np.float32)
        blocks = values.view(np.uint8).reshape(-1, 4)[:, 4 - size:]
    for at in SCALES.get(kind, []):
        scales = generator.integers(0, 1 << 16, (len(blocks),), dtype=np.uint16)
        scales = np.where((scales & 0x7C00) == 0x7C00, scales & 0x83FF, scales).astype(np.uint16)
        blocks[:, at:at + 2] = scales.reshape(-1, 1).view(np.uint8)
    return np.ascontiguousarray(blocks).reshape(rows, -1)


def write(path, tensors, metadata=(), split=0):
    """tensors: name → (type, [rows, bytes]). `split`: at most so many tensors in a file."""
    writer = gguf.GGUFWriter(path, "test", split_max_tensors=split)
    for key, value, kind in metadata:
        writer.add_key_value(key, value, kind[0], sub_type=kind[1] if len(kind) > 1 else None)
    for name, (kind, data) in tensors.items():
        if kind in (Type.F32, Type.F16):
            data = data.view({Type.F32: np.float32, Type.F16: np.float16}[kind])
        writer.add_tensor(name, data, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def contents(path):
    """Fields and tensors of a file as gguf-py reads them."""
    reader = gguf.GGUFReader(path)
    fields = {name: ([int(t) for t in field.types], field.contents())
              for name, field in reader.fields.items() if not name.startswith("GGUF.")}
    tensors = {t.name: (t.tensor_type, list(t.shape), t.data.tobytes()) for t in reader.tensors}
    return fields, tensors


def probe(program, path, folder, *kind):
    dense, again = os.path.join(folder, "dense.safetensors"), os.path.join(folder, "again.gguf")
    done = subprocess.run([program, path, dense, again, *kind], text=True, stderr=subprocess.PIPE)
    if done.returncode:
        raise RuntimeError(done.stderr.strip())
    return load_file(dense), again


def check_values(program, kind, data):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "in.gguf")
        write(path, {"x": (kind, data)})
        ours, again = probe(program, path, folder)
        theirs = gguf.dequantize(data, kind)
        same = ours["x"].view(np.uint32) == theirs.view(np.uint32)
        if ours["x"].shape != theirs.shape or not same.all():
            raise RuntimeError(f"{(~same).sum()} of {same.size} values differ, the first "
                               f"{ours['x'][~same][0]!r} for {theirs[~same][0]!r}")
        if contents(path) != contents(again):
            raise RuntimeError("the file that was written again differs")
        return f"{same.size} values equal", 0.0


def numbers_to_quantise(generator):
    """Normal numbers of all sizes, with blocks of zeros, of one value, of values that tie."""
    values = generator.standard_normal((64, 512)) * 2.0 ** generator.integers(-20, 12, (64, 1))
    values[3] = 0.0
    values[4] = 0.375
    values[5] = -2.5
    values[6] = generator.integers(-8, 9, 512) / 4
    values[7] = generator.integers(-127, 128, 512) / 2
    return values.astype(np.float32)


def check_quantised(program, kind, values):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "in.gguf")
        write(path, {"x": (Type.F32, values)})
        _, again = probe(program, path, folder, kind.name)
        ours = np.frombuffer(contents(again)[1]["x"][2], np.uint8)
        theirs = gguf.quantize(values, kind).reshape(-1).view(np.uint8)
        if ours.shape != theirs.shape or (ours != theirs).any():
            raise RuntimeError(f"{(ours != theirs).sum()} of {theirs.size} bytes differ")
        return f"{theirs.size} bytes equal", 0.0


def check_metadata(program, seed):
    generator = np.random.default_rng(seed)
    scalars = {Value.UINT8: 200, Value.INT8: -100, Value.UINT16: 60000, Value.INT16: -30000,
               Value.UINT32: 4_000_000_000, Value.INT32: -2_000_000_000, Value.FLOAT32: 0.1,
               Value.UINT64: 2**64 - 1, Value.INT64: -2**63, Value.FLOAT64: 1e300,
               Value.BOOL: True, Value.STRING: "ein Wort: é 漢 🙂"}
    metadata = [(f"one.{kind.name}", value, (kind,)) for kind, value in scalars.items()]
    metadata += [(f"list.{kind.name}", [value] * int(generator.integers(1, 5)),
                  (Value.ARRAY, kind)) for kind, value in scalars.items()]
    metadata.append(("general.alignment", 64, (Value.UINT32,)))
    data = random_blocks(Type.Q4_0, 3, 64, generator)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "in.gguf")
        writer = gguf.GGUFWriter(path, "test")
        writer.add_custom_alignment(64)
        for key, value, kind in metadata[:-1]:
            writer.add_key_value(key, value, kind[0], sub_type=kind[1] if len(kind) > 1 else None)
        for i in range(3):
            writer.add_tensor(f"t{i}", data, raw_dtype=Type.Q4_0)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        _, again = probe(program, path, folder)
        (fields, tensors), (new_fields, new_tensors) = contents(path), contents(again)
        fields.pop("general.alignment")  # the writer's own is 32
        if fields != new_fields or tensors != new_tensors:
            raise RuntimeError(f"differ: {sorted(fields.items() ^ new_fields.items())[:1]}")
        return f"{len(fields)} keys equal", 0.0


def check_split(program, seed):
    generator = np.random.default_rng(seed)
    tensors = {f"t{i}": (kind, random_blocks(kind, 2, 512, generator))
               for i, kind in enumerate(TYPES)}
    with tempfile.TemporaryDirectory() as folder:
        write(os.path.join(folder, "in.gguf"), tensors, split=4)
        parts = sorted(name for name in os.listdir(folder) if name.startswith("in-"))
        if len(parts) < 4:
            raise RuntimeError(f"expected four parts, gguf-py wrote {parts}")
        for part in (parts[0], parts[-1]):
            ours, _ = probe(program, os.path.join(folder, part), folder)
            for name, (kind, data) in tensors.items():
                if ours[name].tobytes() != gguf.dequantize(data, kind).tobytes():
                    raise RuntimeError(f"{name} differs, opened at {part}")
        return f"{len(parts)} parts joined", 0.0


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--probe", required=True, help="our program")
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    attempt = common.Attempts(0.0, options.only)
    for seed, kind in enumerate(TYPES):
        for rows, columns in ((7, 256), (64, 1024)):
            data = random_blocks(kind, rows, columns, np.random.default_rng(seed))
            attempt(f"{kind.name}, random blocks [{rows}, {columns}]",
                    lambda: check_values(options.probe, kind, data))
    for seed, kind in enumerate(QUANTISED_BY_GGUF_PY):
        values = numbers_to_quantise(np.random.default_rng(seed))
        attempt(f"{kind.name}, values of quantised numbers",
                lambda: check_values(options.probe, kind, gguf.quantize(values, kind)))
        attempt(f"{kind.name}, quantised", lambda: check_quantised(options.probe, kind, values))
    attempt("metadata of every type", lambda: check_metadata(options.probe, 1))
    attempt("a split file", lambda: check_split(options.probe, 2))
    attempt.finish()


if __name__ == "__main__":
    main()
