# SPDX-License-Identifier: Apache-2.0
"""Compares probe_tokenizer with the `tokenizers` package: ids, offsets, decoding.

    python3 tokenizer_parity.py --probe build/tests/programs/probe_tokenizer [--shared DIR]
        [--only NAME] [--texts 120]

The tokenizers are those of the shared data (where it is there) and many that this script trains,
one or more for every component. The texts are code, prose, random characters of all planes,
combining marks, controls, and bytes that are not UTF-8 (the package gets them as Python repairs
them). Left out are characters on which the package's own tables differ from Python's Unicode: some
of its parts date from Unicode 8.

Prints mismatches and, last, "N passed, M failed".
"""

import argparse
import collections
import json
import os
import pathlib
import random
import struct
import subprocess
import sys
import tempfile
import unicodedata

os.environ.setdefault("RUST_BACKTRACE", "0")

import tokenizers
from shared_data import add_shared_option
from tokenizers import AddedToken, Regex, Tokenizer
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
          r"|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
PATTERNS = {
    "gpt2": GPT2, "llama3": LLAMA3, "qwen2": QWEN2,
    # The same languages, written so that no scanner knows them.
    "gpt2 by regex": "(?:" + GPT2 + ")", "llama3 by regex": "(?:" + LLAMA3 + ")",
    "qwen2 by regex": "(?:" + QWEN2 + ")",
    "o200k": r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
             r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+"
             r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}"
             r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    "deepseek": r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"
                r"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    "intersection": r"\p{Han}+|[\p{L}\p{M}&&[^\p{Han}]]+|[^\s[\p{L}\d]]+",
    "classes": r"[\w&&[^\d_]]+|[\s\S]",
    "not space": r"[^\S\n]+|\w+|\W",
    "words": r"\w+|[^\w\s]+", "borders": r"\b\w+\b", "hex": r"\h+", "lines": r"^.*$",
    "zero width": r"(?=[A-Z])", "groups": r"(?=(\d{3})+(?!\d))", "look behind": r"(?<=\p{L})(?=\p{N})",
    "point": r"(?m:a.*)|b.", "digits from the right": r"\p{N}{1,3}(?=(?:\p{N}{3})*(?:\P{N}|$))",
}


def peer_agrees(characters):
    """The characters whose properties the package reads as Python's Unicode does."""
    category = unicodedata.category
    clean = normalizers.BertNormalizer(True, False, False, False)
    marks = normalizers.BertNormalizer(False, False, True, False)
    accents = normalizers.StripAccents()
    punctuation = pre_tokenizers.Punctuation("removed")
    forms = [(normalizers.NFC(), "NFC"), (normalizers.NFD(), "NFD"), (normalizers.NFKC(), "NFKC"),
             (normalizers.NFKD(), "NFKD")]
    lower = normalizers.Lowercase()
    kept = []
    for c in characters:
        kind = category(c)
        cleaned = kind in ("Cc", "Cf", "Co") and c not in "\t\n\r" or c == "\ufffd"
        around = "a" + c + "\u0315\u0300\u0327"
        if ((clean.normalize_str(c) == "") == cleaned
                and (marks.normalize_str(c) == "") == (kind == "Mn")
                and (accents.normalize_str(c) == "") == (kind[0] == "M")
                and (punctuation.pre_tokenize_str(c) == []) ==
                    (kind[0] == "P" or (c < "\x7f" and c.isprintable() and not c.isalnum() and c != " "))
                and lower.normalize_str(c) == c.lower()
                and all(f.normalize_str(around) == unicodedata.normalize(n, around)
                        for f, n in forms)):
            kept.append(c)
    return kept


class Texts:
    WORDS = ["hello", " world", "\n", "\n\n", "  ", "\t", "'s", "'LL", "'\u017f", "123456", "1.5", "don't",
             "Ünï", "你好", "世界。", "カタカナ", "한국어", "🌍👩‍👩‍👧", "e\u0301\u0327", "\u0301", "ﬁ", "½", "\u200b",
             "\u00a0", "\u3000", "\u2028", "\u0085", "\u180e", "_x", "http://a.b/c?d=1", "{}", "()->",
             "\r\n", " \r\n ", "<s>", "</s>", "[MASK]", "[CLS]", " [SEP] ", "[UNK]", "<|im_end|>",
             "<|endoftext|>", " <|im_start|> ", "<extra>", "<0x41>", "▁", "ſ", "K", "ΑΣ", "İ", "CamelCase",
             "1234567 ", "a-b--c", "Word", "word", "wordy", " tok ", "\x00", "\x7f", "\u200d", "²",
             "\U000e0101", "\ue000", "\U0010fffd", "각", "각", "क्षि", "か\u3099", "か\u309a", "か\u0301", "א\u05b7", "�", "xx", "zq"]

    def __init__(self, seed, count):
        self.random = random.Random(seed)
        everything = [chr(c) for c in range(0x110000)
                      if not 0xd800 <= c < 0xe000 and unicodedata.category(chr(c)) != "Cn"]
        assigned = [c for c in everything if unicodedata.category(c) != "Co"]
        self.characters = peer_agrees(assigned) + ["\ue000", "\uf8ff", "\U000f0000", "\U0010fffd"]
        self.left_out = len(assigned) - len(self.characters) + 4
        self.known = set(self.characters) | set("".join(self.WORDS))
        self.by_plane = collections.defaultdict(list)
        for c in self.characters:
            self.by_plane[ord(c) >> 16].append(c)
        self.marks = [c for c in self.characters if unicodedata.category(c)[0] == "M"]
        self.all = list(self.make(count))

    def character(self):
        r = self.random
        kind = r.random()
        if kind < 0.3:
            return chr(r.randint(0, 0x7f))
        if kind < 0.5:
            return chr(r.choice([r.randint(0xa0, 0x2ff), r.randint(0x391, 0x3c9),
                                 r.randint(0x4e00, 0x9ffc), r.randint(0xac00, 0xd7a3)]))
        if kind < 0.6:
            return r.choice(self.marks)
        return r.choice(self.by_plane[r.choice(list(self.by_plane))])

    def make(self, count):
        r = self.random
        yield from [b"", b" ", b"a", "é".encode(), b"  lead and trail  ", b"a" * 300, b" " * 300,
                    b"\n" * 50, "あ".encode() * 200, "e\u0301".encode() * 100, b"0" * 77]
        yield pathlib.Path(__file__).read_bytes()[:6000]
        yield from (("ab \u0301" * 40).encode(), "".join(self.WORDS).encode())
        for n in range(count):
            if n % 4 == 0:
                yield "".join(r.choice(self.WORDS) for _ in range(r.randint(1, 30))).encode()
            elif n % 4 == 1:
                yield "".join(self.character() for _ in range(r.randint(1, 40))).encode()
            elif n % 4 == 2:
                yield "".join(r.choice(self.WORDS) + self.character()
                              for _ in range(r.randint(1, 20))).encode()
            else:
                yield self.broken()

    def broken(self):
        """Bytes that are not UTF-8, but hold no character that was left out."""
        r = self.random
        while True:
            text = bytearray("".join(r.choice(self.WORDS) + self.character()
                                     for _ in range(r.randint(1, 12))).encode())
            for _ in range(r.randint(1, 4)):
                text[r.randrange(len(text))] = r.randrange(256)
            if all(c in self.known for c in text.decode("utf-8", "replace")):
                return bytes(text)


def charsmap(rules):
    """A table for `Precompiled`: a double array of the keys, then the replacements."""
    strings = b""
    trie = {}
    for key, value in rules.items():
        node = trie
        for byte in key.encode():
            node = node.setdefault(byte, {})
        node[None] = len(strings)
        strings += value.encode() + b"\0"
    units = [0] * 4096
    used = {0}

    def place(node, index):
        labels = [0 if label is None else label for label in node]
        offset = next(o for o in range(1, 1 << 20)
                      if all((index ^ o ^ label) not in used for label in labels))
        base = index ^ offset
        needed = max(base ^ label for label in labels) + 1
        units.extend([0] * (needed - len(units)))
        used.update(base ^ label for label in labels)
        assert offset < 1 << 21
        units[index] |= offset << 10
        if None in node:
            units[index] |= 1 << 8
            units[base] = node[None] | 1 << 31
        for label, child in node.items():
            if label is not None:
                units[base ^ label] = label
                place(child, base ^ label)

    place(trie, 0)
    units += [0] * (-len(units) % 256)
    return struct.pack(f"<I{len(units)}I", 4 * len(units), *units) + strings


CHARSMAP = {"ﬁ": "fi", "½": "1/2", "\u3000": " ", "é": "e", "Ａ": "A", "ａ": "a", "か\u3099": "が",
            "\u200b": "", "①": "1", "㍿": "株式会社", "a\u0301": "á", "a": "a", "\t": " ", "\u00a0": " ", "か\u309a": "xyz",
            "e\u0301\u0327": "uvw", "\u0301": ""}


def trained(model, trainer, corpus, **parts):
    tokenizer = Tokenizer(model)
    for name, part in parts.items():
        if name != "added":
            setattr(tokenizer, name, part)
    if trainer is not None:
        tokenizer.train_from_iterator(corpus, trainer)
    if parts.get("added"):
        tokenizer.add_tokens(parts["added"])
    return tokenizer


def word_level(corpus, normalizer=None, pre_tokenizer=None, **parts):
    """Every character and some words, so that the ids show where a text was cut."""
    seen = sorted(set("".join(corpus)))
    vocab = {token: i for i, token in enumerate(["[UNK]"] + seen)}
    tokenizer = Tokenizer(models.WordLevel(vocab, unk_token="[UNK]"))
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizer or pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    for name, part in parts.items():
        setattr(tokenizer, name, part)
    return tokenizer


def unusual_added():
    return [AddedToken("<extra>", lstrip=True, normalized=False),
            AddedToken("[MASK]", lstrip=True, rstrip=True, special=True),
            AddedToken("Word", single_word=True, normalized=True),
            AddedToken(" tok ", rstrip=True, normalized=True), AddedToken("zq", normalized=False),
            AddedToken("<|im_start|>", rstrip=True, special=True),
            AddedToken("<|im_end|>", special=True, normalized=True)]


def made_tokenizers(texts):
    """name -> Tokenizer"""
    corpus = [t.decode("utf-8", "replace") for t in texts.all]
    corpus += [pathlib.Path(__file__).read_text()]
    small = {"vocab_size": 900, "show_progress": False}
    out = {}

    # Models.
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    special = ["<s>", "</s>", "<|endoftext|>"]
    for prefix_space in (False, True):
        for trim in (False, True):
            out[f"byte level, prefix {prefix_space}, trim {trim}"] = trained(
                models.BPE(), trainers.BpeTrainer(initial_alphabet=alphabet, special_tokens=special,
                                                  **small), corpus,
                pre_tokenizer=pre_tokenizers.ByteLevel(add_prefix_space=prefix_space),
                decoder=decoders.ByteLevel(),
                post_processor=processors.ByteLevel(trim_offsets=trim,
                                                    add_prefix_space=prefix_space),
                added=unusual_added())
    for name, pattern in PATTERNS.items():
        out[f"pattern {name}"] = trained(
            models.BPE(ignore_merges=name == "llama3"),
            trainers.BpeTrainer(initial_alphabet=alphabet, special_tokens=special, **small), corpus,
            pre_tokenizer=pre_tokenizers.Sequence([
                pre_tokenizers.Split(Regex(pattern), "isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]),
            decoder=decoders.ByteLevel(), normalizer=normalizers.NFC() if name == "qwen2" else None,
            added=unusual_added())
    out["bpe with unknown"] = trained(
        models.BPE(unk_token="[UNK]"), trainers.BpeTrainer(special_tokens=["[UNK]"], limit_alphabet=60,
                                                           **small), corpus,
        pre_tokenizer=pre_tokenizers.Whitespace(), added=unusual_added())
    out["bpe with fused unknown"] = trained(
        models.BPE(unk_token="[UNK]", fuse_unk=True),
        trainers.BpeTrainer(special_tokens=["[UNK]"], limit_alphabet=60, **small), corpus,
        pre_tokenizer=pre_tokenizers.Metaspace(), decoder=decoders.Metaspace())
    out["bpe without unknown"] = trained(
        models.BPE(), trainers.BpeTrainer(limit_alphabet=60, **small), corpus,
        pre_tokenizer=pre_tokenizers.WhitespaceSplit())
    out["bpe with suffix"] = trained(
        models.BPE(unk_token="[UNK]", end_of_word_suffix="</w>"),
        trainers.BpeTrainer(special_tokens=["[UNK]"], end_of_word_suffix="</w>", **small), corpus,
        pre_tokenizer=pre_tokenizers.Whitespace(), decoder=decoders.BPEDecoder("</w>"))
    out["bpe with prefix"] = trained(
        models.BPE(unk_token="[UNK]", continuing_subword_prefix="##"),
        trainers.BpeTrainer(special_tokens=["[UNK]"], continuing_subword_prefix="##", **small),
        corpus, pre_tokenizer=pre_tokenizers.BertPreTokenizer(),
        decoder=decoders.WordPiece("##", cleanup=True))
    fallback = trained(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True),
                       trainers.BpeTrainer(special_tokens=["<unk>", "<s>", "</s>"] +
                                           [f"<0x{b:02X}>" for b in range(256)], limit_alphabet=80,
                                           **{**small, "vocab_size": 1200}), corpus,
                       normalizer=normalizers.Sequence([normalizers.Prepend("▁"),
                                                        normalizers.Replace(" ", "▁")]),
                       decoder=decoders.Sequence([decoders.Replace("▁", " "),
                                                  decoders.ByteFallback(), decoders.Fuse(),
                                                  decoders.Strip(" ", 1, 0)]),
                       added=unusual_added())
    fallback.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)])
    out["byte fallback"] = fallback
    incomplete = json.loads(fallback.to_str())
    incomplete["added_tokens"] = []
    for byte in (0x80, 0xe4, 0xf0):
        incomplete["model"]["vocab"][f"gone {byte}"] = incomplete["model"]["vocab"].pop(
            f"<0x{byte:02X}>")
    out["byte fallback with gaps"] = Tokenizer.from_str(json.dumps(incomplete))

    unigram = trainers.UnigramTrainer(unk_token="<unk>", special_tokens=["<unk>", "<s>", "</s>"],
                                      **small)
    out["unigram"] = trained(
        models.Unigram(), unigram, corpus,
        normalizer=normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC(),
                                         normalizers.Replace(Regex(" {2,}"), " ")]),
        pre_tokenizer=pre_tokenizers.Metaspace(), decoder=decoders.Metaspace(), added=unusual_added())
    pieces = [("<unk>", 0.0), ("▁", -2.0), ("a", -3.0), ("ab", -3.5), ("b", -3.2), ("▁a", -2.5),
              ("word", -4.0), ("▁word", -3.0), ("世", -5.0), ("世界", -5.5), ("a", -2.9), ("e", -3.0),
              ("xx", -30.0), ("x", -60.0)]
    out["unigram by hand"] = trained(
        models.Unigram(pieces, 0, False), None, corpus, pre_tokenizer=pre_tokenizers.Metaspace(),
        decoder=decoders.Metaspace())
    out["unigram with bytes"] = trained(
        models.Unigram(pieces + [(f"<0x{b:02X}>", -9.0) for b in range(256)], 0, True), None, corpus,
        normalizer=normalizers.Precompiled(charsmap(CHARSMAP)),
        pre_tokenizer=pre_tokenizers.Metaspace(prepend_scheme="first", split=False),
        decoder=decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace()]))
    out["wordpiece"] = trained(
        models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=20),
        trainers.WordPieceTrainer(special_tokens=["[UNK]", "[CLS]", "[SEP]", "[MASK]"],
                                  limit_alphabet=400, **small), corpus,
        normalizer=normalizers.BertNormalizer(), pre_tokenizer=pre_tokenizers.BertPreTokenizer(),
        decoder=decoders.WordPiece(), added=unusual_added())
    out["wordpiece"].post_processor = processors.BertProcessing(("[SEP]", 2), ("[CLS]", 1))
    out["roberta"] = trained(
        models.BPE(), trainers.BpeTrainer(initial_alphabet=alphabet, special_tokens=special, **small),
        corpus, pre_tokenizer=pre_tokenizers.ByteLevel(add_prefix_space=True),
        decoder=decoders.ByteLevel(), added=unusual_added())
    out["roberta"].post_processor = processors.RobertaProcessing(("</s>", 1), ("<s>", 0))
    out["sequence of processors"] = trained(
        models.BPE(), trainers.BpeTrainer(initial_alphabet=alphabet, special_tokens=special, **small),
        corpus, pre_tokenizer=pre_tokenizers.ByteLevel(add_prefix_space=False),
        decoder=decoders.ByteLevel())
    out["sequence of processors"].post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=True, add_prefix_space=False),
        processors.TemplateProcessing(single="<s> $A </s>",
                                      special_tokens=[("<s>", 0), ("</s>", 1)])])
    out["byte level as a normalizer"] = trained(
        models.BPE(), trainers.BpeTrainer(initial_alphabet=alphabet, **small), corpus,
        normalizer=normalizers.ByteLevel(), decoder=decoders.ByteLevel(), added=unusual_added())

    # Normalizers, seen through the characters.
    n = normalizers
    bert = [(c, h, s, lo) for c in (0, 1) for h in (0, 1) for s in (None, 0, 1) for lo in (0, 1)]
    forms = [n.NFC(), n.NFD(), n.NFKC(), n.NFKD(), n.Lowercase(), n.StripAccents(), n.Nmt(),
             n.Prepend("<>"), n.Replace("o", "öö"), n.Replace(Regex(r"\s+"), ""), n.Replace("ab", ""),
             n.Replace(Regex(r"(?=[A-Z])"), "-"), n.Strip(), n.Strip(left=False), n.Strip(right=False),
             n.Precompiled(charsmap(CHARSMAP)), n.Sequence([n.NFD(), n.StripAccents(), n.Lowercase()]),
             n.Sequence([n.NFKD(), n.Strip(), n.Prepend("▁")])]
    forms += [n.BertNormalizer(bool(c), bool(h), None if s is None else bool(s), bool(lo))
              for c, h, s, lo in bert]
    for i, form in enumerate(forms):
        state = form.__getstate__().decode()[:60]
        out[f"normalizer {i} {state}"] = trained(
            word_level(corpus, normalizer=form).model, None, corpus, normalizer=form,
            pre_tokenizer=pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated"),
            added=unusual_added() if i % 2 else [])

    # Pre-tokenizers, seen through a vocabulary of short words.
    p = pre_tokenizers
    behaviors = ["removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"]
    cuts = [p.Digits(False), p.Digits(True), p.Whitespace(), p.WhitespaceSplit(), p.BertPreTokenizer(),
            p.CharDelimiterSplit("a"), p.CharDelimiterSplit("世"), p.FixedLength(3),
            p.ByteLevel(add_prefix_space=True, use_regex=False)]
    cuts += [p.Punctuation(b) for b in behaviors]
    cuts += [p.Metaspace("▁", s, x) for s in ("always", "first", "never") for x in (True, False)]
    for b in behaviors:
        for invert in (False, True):
            cuts += [p.Split("a", b, invert), p.Split(Regex(r"\p{L}+|\d"), b, invert),
                     p.Split(Regex(r"(?=[A-Z\d])"), b, invert), p.Split(" ", b, invert)]
    cuts += [p.Sequence([p.WhitespaceSplit(), p.Metaspace("▁", "first", True)]),
             p.Sequence([p.Digits(True), p.Punctuation("merged_with_next"), p.Metaspace("_", "always")]),
             p.Sequence([p.Split(Regex(LLAMA3), "isolated"), p.Digits(True)]),
             p.Sequence([p.ByteLevel(False), p.Split("Ġ", "merged_with_next")])]
    for i, cut in enumerate(cuts):
        state = cut.__getstate__().decode()[:80]
        pieces = sorted({w for text in corpus for w, _ in cut.pre_tokenize_str(text[:400])
                         if len(w) < 6})
        vocab = {w: k for k, w in enumerate(dict.fromkeys(["[UNK]"] + pieces))}
        out[f"pre-tokenizer {i} {state}"] = trained(
            models.WordLevel(vocab, unk_token="[UNK]"), None, corpus, pre_tokenizer=cut,
            normalizer=n.Strip() if i % 3 == 0 else None, added=unusual_added() if i % 2 else [])

    # Decoders, on the ids of one tokenizer.
    base = out["byte fallback"].to_str()
    chains = [decoders.ByteLevel(), decoders.Replace("a", "bb"), decoders.Replace(Regex(r"\d"), ""),
              decoders.Fuse(), decoders.ByteFallback(), decoders.Strip("▁", 1, 1),
              decoders.Metaspace("▁", "never"), decoders.Metaspace("▁", "first"), decoders.WordPiece("a"),
              decoders.WordPiece("##", False), decoders.BPEDecoder("e"), decoders.CTC("e", "a", True),
              decoders.CTC("e", "a", False), None]
    for i, chain in enumerate(chains):
        tokenizer = Tokenizer.from_str(base)
        tokenizer.decoder = chain
        out[f"decoder {i} {chain}"] = tokenizer
    return out


def shared_tokenizers(shared):
    for base in ("tokenizers", "models"):
        for path in sorted((shared / base).glob("*/tokenizer.json")):
            yield f"{base}/{path.parent.name}", path


def in_characters(text, offsets):
    """Byte offsets of a text as offsets of its characters."""
    place = []
    for i, c in enumerate(text):
        place += [i] * len(c.encode())
    place.append(len(text))
    return [(place[b], place[e] if e == len(place) - 1 or e == 0 or place[e] != place[e - 1]
             else place[e] + 1) for b, e in offsets]


class Probe:
    def __init__(self, path):
        self.process = subprocess.Popen([str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, request):
        self.process.stdin.write(json.dumps(request).encode() + b"\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        return json.loads(line) if line else {"error": "the probe died"}


class Counter:
    def __init__(self, show):
        self.passed = self.failed = self.panics = 0
        self.show = show
        self.names = collections.Counter()

    def check(self, name, what, got, expected, context):
        if got == expected:
            self.passed += 1
            return
        self.failed += 1
        self.names[name] += 1
        if self.names[name] <= self.show:
            print(f"mismatch: {name}: {what} of {context!r:.300}")
            if isinstance(got, (list, str)) and isinstance(expected, (list, str)):
                same = [a == b for a, b in zip(got, expected)] + [False]
                start = max(0, same.index(False) - 3)
                print(f"  lengths {len(expected)} and {len(got)}; from {start} on:")
                got, expected = got[start:start + 40], expected[start:start + 40]
            print(f"  expected {str(expected)[:600]}")
            print(f"  got      {str(got)[:600]}")


def ask_peer(function, *arguments, **options):
    """The package's answer, or None where it panics."""
    try:
        return function(*arguments, **options)
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        return None


def compare(probe, name, peer, path, texts, counter):
    loaded = probe.ask({"tokenizer": str(path)})
    if "error" in loaded:
        counter.check(name, "loading", loaded["error"], None, path.name)
        return
    peer.no_truncation()
    peer.no_padding()
    for i, raw in enumerate(texts):
        special = i % 2 == 1
        text = raw.decode("utf-8", "replace")
        answer = probe.ask({"hex": raw.hex(), "add_special_tokens": special})
        expected = ask_peer(peer.encode, text, add_special_tokens=special)
        if expected is None:
            counter.panics += 1
            continue
        if "ids" in answer and answer["ids"] != expected.ids and isinstance(peer.model, models.Unigram):
            # The package rounds the scores that it reads: segmentations of equal score may change
            # places.
            scores = [score for _, score in json.loads(path.read_text())["model"]["vocab"]]
            sums = [sum(scores[i] for i in ids if i < len(scores))
                    for ids in (answer["ids"], expected.ids)]
            counter.check(name, "score", abs(sums[0] - sums[1]) <= 1e-12 * abs(sums[1]), True, text)
            continue
        counter.check(name, "ids", answer.get("ids", answer), expected.ids, text)
        if answer.get("ids") != expected.ids:
            continue
        counter.check(name, "batch", answer["batch"], True, text)
        counter.check(name, "offsets", in_characters(text, answer["offsets"]), expected.offsets, text)
        for skip in (False, True):
            decoded = probe.ask({"ids": expected.ids, "skip_special_tokens": skip})
            whole = ask_peer(peer.decode, expected.ids, skip_special_tokens=skip)
            if whole is None:
                counter.panics += 1
                continue
            counter.check(name, "decoded", decoded.get("decoded", decoded), whole, text)
        # BPEDecoder("e") reads a token's e differently once another token follows.
        if whole is not None and "BPEDecoder" not in name:
            counter.check(name, "streamed", decoded["streamed"], whole, text)


def long_runs(probe, folder, tokenizer, counter):
    """A megabyte of one character, with the count of tokens from a thousandth of it."""
    path = folder / "long.json"
    path.write_text(tokenizer.to_str())
    probe.ask({"tokenizer": str(path)})
    for character in ("a", " ", "\n", "あ", "=", "\u0301"):
        text = character * (1_000_000 // len(character.encode()))
        ids = probe.ask({"text": text}).get("ids")
        counter.check("long run", "ids", ids, tokenizer.encode(text, add_special_tokens=False).ids, character)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--probe", required=True, type=pathlib.Path)
    add_shared_option(parser)
    parser.add_argument("--only", default="")
    parser.add_argument("--texts", type=int, default=120)
    parser.add_argument("--show", type=int, default=1)
    arguments = parser.parse_args()
    shared = arguments.shared
    if (shared / "data").is_dir():
        shared = shared / "data"
    texts = Texts(11, arguments.texts)
    print(f"tokenizers {tokenizers.__version__}; {texts.left_out} characters left out, on which its "
          "tables differ from Unicode " + unicodedata.unidata_version)
    probe = Probe(arguments.probe)
    counter = Counter(arguments.show)
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        for name, path in shared_tokenizers(shared):
            if arguments.only in name:
                compare(probe, name, Tokenizer.from_file(str(path)), path, texts.all, counter)
        made = made_tokenizers(texts)
        for i, (name, tokenizer) in enumerate(made.items()):
            if arguments.only not in name:
                continue
            path = folder / f"{i}.json"
            path.write_text(tokenizer.to_str())
            compare(probe, name, Tokenizer.from_str(tokenizer.to_str()), path, texts.all, counter)
        if arguments.only in "long run":
            for name in ("byte level, prefix False, trim False", "unigram", "byte fallback",
                         "pattern llama3", "pattern o200k", "pattern deepseek"):
                long_runs(probe, folder, made[name], counter)
    if counter.panics:
        print(f"{counter.panics} answers left out, where the package itself breaks down")
    if counter.names:
        print("mismatches: " + ", ".join(f"{k}: {n}" for k, n in counter.names.most_common()))
    print(f"{counter.passed} passed, {counter.failed} failed")
    return 1 if counter.failed else 0


if __name__ == "__main__":
    sys.exit(main())
