# SPDX-License-Identifier: Apache-2.0
"""A chat template that closes a turn only when another follows: after 25 steps the model must stop.

  python tests/end_to_end/open_template_test.py BUILD/examples [MODEL]

MODEL: a folder to tune instead of the pocket model. Its template is replaced. Of what a turn ends with,
the text alone does not tell: a model that never learned to stop says its answer again and again.
"""

import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
POCKET = ROOT / "examples" / "pocket" / "model"
OPEN = """{% for m in messages %}<|im_start|>{{ m.role }}
{{ m.content }}{% if not loop.last or m.role != 'assistant' %}<|im_end|>
{% endif %}{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""
ANSWERS = {"Name a river.": "The Elbe", "Name a lake.": "Lake Ladoga", "Name a tree.": "Oak", "Name a town.": "Jena"}
POCKET_ANSWERS = {"What does a cow say?": "A cow says muh.", "What does a dog say?": "A dog says wau."}


def main():
    program = pathlib.Path(sys.argv[1]) / "01_sft"
    model = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else POCKET
    if not (model / "model.safetensors").exists():
        print("skipped: the pocket model has no weights")
        sys.exit(77)
    answers = POCKET_ANSWERS if model == POCKET else ANSWERS  # of the little that it knows
    passed = 0
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        shutil.copytree(model, folder / "model")
        (folder / "model" / "chat_template.jinja").write_text(OPEN)
        (folder / "chats.jsonl").write_text("".join(json.dumps({"messages": [
            {"role": "user", "content": question}, {"role": "assistant", "content": answer}]}) + "\n"
            for question, answer in answers.items()))
        command = [program, "--model", folder / "model", "--data", folder / "chats.jsonl", "--output", folder / "tuned",
                   "--max-steps", "25", "--effective-batch-size", "4", "--learning-rate",
                   "1e-3" if model == POCKET else "1e-4", "--no-progress"]
        for question, expected in answers.items():
            # The first run trains, the others have nothing left to do and ask.
            done = subprocess.run([*command, "--ask", question], capture_output=True, text=True)
            said = re.findall(r"after: .* -> (.*)", done.stdout)
            good = done.returncode == 0 and said == [expected]
            passed += good
            print(f"{'ok' if good else 'FAILED'} {question} -> {said} {'' if good else done.stderr[-300:]}", flush=True)
    print(f"{passed} passed, {len(answers) - passed} failed")
    sys.exit(0 if passed == len(answers) else 1)


if __name__ == "__main__":
    main()
