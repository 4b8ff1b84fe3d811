# SPDX-License-Identifier: Apache-2.0
"""Tokenizers in GGUF files against the tokenizers that they were made from, both read by us
(tests/parity/tokenizer_parity.py compares the originals with the tokenizers package).

  python tests/parity/gguf_text_parity.py --probe build/tests/programs/probe_tokenizer --shared DATA

Real tokenizers are written as llama.cpp's converter writes them (tokens, types, merges or scores, the
name of the pre-tokenizer); ours reads the file and must encode random Unicode text, and decode it
again, as the original does. (transformers reads such files, too, but ignores the pre-tokenizer's
name, so it is no oracle.) Prints one line per tokenizer and ends with `N passed, M failed`.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile

import gguf
import tokenizers
from shared_data import add_shared_option

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)
# The folder of DATA/tokenizers, and llama.cpp's names.
CASES = [("gpt2", "gpt2", "gpt-2"), ("smollm-135m", "gpt2", "smollm"),
         ("llama-3", "gpt2", "llama-bpe"), ("qwen2.5", "gpt2", "qwen2"),
         ("phi-3-mini", "llama", "default")]
RANGES = [(32, 127), (32, 127), (0xA0, 0x250), (0x370, 0x1000), (0x4E00, 0x9FFF), (0x1F600, 0x1F650),
          (0x300, 0x330), (9, 14)]


def texts(count):
    generator = random.Random(1)
    made = ["", " ", "  a", "Hello world 1234  don't\n\n\tx", "1 22 333 4444", "e\u0301\u00e9"]
    for _ in range(count):
        made.append("".join(chr(generator.randrange(*generator.choice(RANGES)))
                            for _ in range(generator.randrange(1, 60))))
    return made


def write(path, original, model, pre):
    """As convert_hf_to_gguf.py does: one entry for each id, added tokens by kind, holes unused."""
    content = json.loads(original.to_str())
    vocabulary = dict(content["model"]["vocab"])
    added = {t["id"]: t for t in content["added_tokens"]}
    size = max(max(vocabulary.values()), max(added, default=0)) + 1
    tokens, types = [f"[PAD{i}]" for i in range(size)], [UNUSED] * size
    for token, index in vocabulary.items():
        tokens[index], types[index] = token, NORMAL
        if model == "llama" and token.startswith("<0x") and len(token) == 6:
            types[index] = BYTE
    for index, token in added.items():
        tokens[index] = token["content"]
        types[index] = CONTROL if token["special"] else USER_DEFINED
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tokenizer_model(model)
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_add_bos_token(False)
    if model == "llama":
        unknown = content["model"]["unk_token"]
        types[vocabulary[unknown]] = UNKNOWN
        writer.add_unk_token_id(vocabulary[unknown])
        # The scores that the merges follow from: a token's falls with the rank of its first merge.
        scores = dict.fromkeys(vocabulary, -1e6)
        for rank, merge in enumerate(content["model"]["merges"]):
            left, right = merge.split(" ") if isinstance(merge, str) else merge
            scores[left + right] = max(scores[left + right], -float(rank))
        writer.add_token_scores([scores.get(token, -1e6) for token in tokens])
    else:
        writer.add_token_merges([m if isinstance(m, str) else " ".join(m)
                                 for m in content["model"]["merges"]])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def answers_of(program, tokenizer, requests):
    lines = [json.dumps(r) + "\n" for r in [{"tokenizer": tokenizer}, *requests]]
    done = subprocess.run([program], input="".join(lines), text=True, stdout=subprocess.PIPE,
                          check=True)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    for answer in answers:
        if "error" in answer:
            raise RuntimeError(answer["error"])
    return answers[1:]


def check(program, folder, model, pre):
    path = os.path.join(folder, "tokenizer.json")
    requests = [{"text": text} for text in texts(2000)]
    with tempfile.TemporaryDirectory() as scratch:
        converted = os.path.join(scratch, "model.gguf")
        write(converted, tokenizers.Tokenizer.from_file(path), model, pre)
        expected = answers_of(program, path, requests)
        requests += [{"ids": answer["ids"], "skip_special_tokens": False} for answer in expected]
        expected += answers_of(program, path, requests[len(expected):])
        found = answers_of(program, converted, requests)
    wrong = [r for r, a, b in zip(requests, found, expected) if a != b]
    return f"{len(wrong)} of {len(requests)} answers differ, the first to {wrong[0]}" if wrong else ""


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--probe", required=True, help="our program")
    add_shared_option(parser)
    options = parser.parse_args()
    passed = failed = skipped = 0
    for name, model, pre in CASES:
        folder = options.shared / "data" / "tokenizers" / name
        if not folder.is_dir():
            print(f"skipped: {name}: there is no {folder}")
            skipped += 1
            continue
        try:
            problem = check(options.probe, folder, model, pre)
        except RuntimeError as error:
            problem = str(error)
        print(f"{'FAIL' if problem else 'ok  '} {name}{': ' + problem if problem else ''}")
        failed += bool(problem)
        passed += not problem
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    sys.exit(1 if failed else 0 if passed else 77)


if __name__ == "__main__":
    main()
