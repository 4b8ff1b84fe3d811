# SPDX-License-Identifier: Apache-2.0
"""Model cards as huggingface_hub.ModelCard reads them.

  python tests/parity/model_card_parity.py --probe build/tests/programs/probe_card --examples build/examples

Cards of names and values that YAML could take for something else, and of a run; and headers of another hand,
of which we take what the client reads, or nothing. Prints one line per failed case and ends with
`N passed, M failed`.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

from huggingface_hub import ModelCard

POCKET = pathlib.Path(__file__).resolve().parents[2] / "examples" / "pocket"
TEXTS = ["tuned", "v1.5", "1.5", "1e5", "0x1F", "010", "1_000", "12:30:45", "2001-12-14", "no", "Yes", "NULL", "~", "y",
         ".nan", "nan", "true", "a: b", "a #b", "#a", "- a", "[a]", "{a: b}", "&a", "*a", "!a", "|", ">", "%a", "@a", "`a`",
         "'", "\"", "\\", "\\n", "a\nb", "a\r\nb", "\n---\n", "---", "...", "\t", " a ", "", "é", "日本語", "😀", "\u0085",
         "\u2028", "\ufeff", "\x7f", "\x01", "\ufffe", "<!-- x -->", "a/b", "/", "=", "<<", "?", "? a", "a:", ":a", ","]
# Headers and whether we must read them; the others may be passed over.
HEADERS = [
    ("license: apache-2.0", True), ("license: 'my own'", True), ("license: \"mit\"  # see below", True),
    ("language: en", True), ("language:\n- en\n- fr", True), ("language:\n  - en\n  # more\n\n  - 'no'", True),
    ("language: [en, fr]", True), ("language: ['en', \"fr\"] ", True), ("license: other\nlicense_name: x y\nlicense_link: "
                                                                       "https://a.b/c#d", True),
    ("tags:\n- license: x\nlicense: mit", True), ("license_name: a\nlicense: mit", True),
    ("license: |\n  mit", False), ("license: >-\n  a\n  b", False), ("license: mit\n  or so", False),
    ("license: &a mit\nlicense_name: *a", False), ("license: 'it''s'", False), ("license: \"a\\tb\"", False),
    ("language:\n- - en", False), ("language:\n- a: b", False), ("language: {en: fr}", False),
    ("language: [en, [fr]]", False), ("language: [en,\n  fr]", False), ("license:\nlanguage:", False),
    ("license: ~", False), ("license: [mit]", False), ("license: a:b", True), ("? license\n: mit", False), ("\"license\": mit", False), ("license : mit", False), ("license:\n  mit", False),
    ("x: |\n  license: mit\nlanguage: en", True), ("x: 'a\n  license: b'\nlicense: mit", True)]
KEYS = ("language", "license", "license_name", "license_link")


def listed(value):
    return [] if value is None else [value] if isinstance(value, str) else value


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--probe", required=True, help="the program probe_card")
    parser.add_argument("--examples", required=True, help="folder of the example programs")
    options = parser.parse_args()
    results = []

    def check(name, good, detail=""):
        results.append(bool(good))
        if not good:
            print(f"FAILED {name}: {detail}")

    cards, names = [], []
    for text in TEXTS:
        fields = {"library_name": "peft", "base_model": text, "base_model_relation": "adapter", "language": ["en", text],
                  "license": text, "tags": [text, "posttrain"], "body": f"{text}\n---\n"}
        cards.append({"name": text, "card": fields})
        names.append(text)
    ends = ["\n", "\r\n"]
    readmes = [("---\n" + header + "\n---\n# Title\nlicense: none\n").replace("\n", end)
               for header, _ in HEADERS for end in ends]
    lines = [json.dumps(request) + "\n" for request in cards + [{"readme": readme} for readme in readmes]]
    done = subprocess.run([os.path.abspath(options.probe)], input="".join(lines), capture_output=True, text=True,
                          check=True)
    answers = [json.loads(line) for line in done.stdout.split("\n") if line]
    assert len(answers) == len(lines)

    for text, request, answer in zip(names, cards, answers):
        expected = dict(request["card"], model_name=text)
        body = expected.pop("body")
        expected = {key: value for key, value in expected.items() if value != ""}
        if not text:
            expected.pop("base_model_relation")
        # What no file in UTF-8 may hold of YAML is replaced.
        expected = json.loads(json.dumps(expected))
        try:
            card = ModelCard(answer["text"])
            found = card.data.to_dict()
            check(f"card of {text!r}", found == expected, f"{found} instead of {expected}")
            check(f"text of {text!r}", card.text.endswith(body.replace("\r\n", "\n")) or card.text.endswith(body),
                  repr(card.text[-60:]))
        except Exception as error:  # pylint: disable=broad-except
            check(f"card of {text!r}", False, error)

    required = [must for _, must in HEADERS for _ in ends]
    for readme, must, answer in zip(readmes, required, answers[len(cards):]):
        data = ModelCard(readme, ignore_metadata_errors=True).data.to_dict()
        for key in KEYS:
            theirs = listed(data.get(key)) if not isinstance(data.get(key), dict) else ["?"]
            ours = listed(answer[key] or None)
            check(f"{key} of {readme!r}", ours == theirs if must else ours in ([], theirs), f"{ours}, the client: {theirs}")

    if (POCKET / "model" / "model.safetensors").exists():
        with tempfile.TemporaryDirectory() as folder:
            output = pathlib.Path(folder) / "tuned"
            subprocess.run([str(pathlib.Path(options.examples) / "01_sft"), "--model", str(POCKET / "model"), "--data",
                            str(POCKET / "data" / "conversations.jsonl"), "--output", str(output), "--max-steps", "2",
                            "--no-progress"], capture_output=True, check=True)
            card = ModelCard.load(output / "README.md")
            found = card.data.to_dict()
            check("the card of a run", found.get("library_name") == "transformers" and
                  found.get("tags") == ["posttrain", "next-token", "full"] and found.get("model_name") == "tuned" and
                  found.get("pipeline_tag") == "text-generation", found)
            block = card.text.split("```json\n")[1].split("\n```\n")[0]
            check("and its options", json.loads(block)["options"]["max_steps"] == 2, block)
    else:
        print("skipped: the pocket model has no weights")
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
