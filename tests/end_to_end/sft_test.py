# SPDX-License-Identifier: Apache-2.0
"""The main job from end to end, as a user runs it: examples/01_sft on the pocket model.

  python tests/end_to_end/sft_test.py BUILD/examples

Trains, is interrupted by SIGTERM and killed by SIGKILL, goes on, and must end with the bytes of the
uninterrupted run; metrics, record and answers are looked at. A loop of one's own (10_own_loop) has the
trainer's losses, and README's first program writes its folder.
"""

import json
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
POCKET = ROOT / "examples" / "pocket"
STEPS = 14
results = []


def check(name, good, detail=""):
    results.append(bool(good))
    print(f"{'ok' if good else 'FAILED'} {name} {detail}".rstrip(), flush=True)


def command(programs, output, *extra, data=POCKET / "data" / "conversations.jsonl"):
    return [str(programs / "01_sft"), "--model", str(POCKET / "model"),
            "--data", str(data), "--output", str(output),
            "--learning-rate", "7e-4", "--max-steps", str(STEPS), "--checkpoint-steps", "4",
            "--effective-batch-size", "16", *extra]


def records(output):
    path = pathlib.Path(f"{output}-run") / "metrics.jsonl"
    if not path.exists():
        return []
    lines = path.read_text().splitlines()
    return [json.loads(line) for line in lines if line.endswith("}")]


def stop_after(process, output, step, how):
    """Sends the signal once the metrics show this step; how the process ended."""
    deadline = time.time() + 300
    while process.poll() is None and time.time() < deadline:
        done = records(output)
        if done and done[-1].get("step", 0) >= step:
            process.send_signal(how)
            break
        time.sleep(0.02)
    return process.wait(timeout=300)


def refused(programs, *arguments):
    """Standard error of a command line that must be refused, without CLI11's second line."""
    done = subprocess.run([str(programs / "01_sft"), *arguments], capture_output=True, text=True)
    lines = [line for line in done.stderr.splitlines() if line and "--help" not in line]
    return lines[0] if done.returncode != 0 and len(lines) == 1 else f"status {done.returncode}: {lines}"


def check_options(programs):
    """The options are the fields of the aggregates, with their defaults."""
    text = subprocess.run([str(programs / "01_sft"), "--help"], capture_output=True, text=True).stdout
    shown = dict(re.findall(r"^ +(--[\w-]+)[, ].*?=(\S+)", text, re.MULTILINE))
    check("--help shows fields and their defaults",
          shown.get("--learning-rate") == "1e-05" and shown.get("--beta1") == "0.9" and
          shown.get("--lr-scheduler-type") == "cosine" and shown.get("--dtype") == "float32", text)
    check("a field that is on has an option that turns it off", "--no-progress" in text)
    whole = ["--model", "m", "--data", "d", "--output", "o"]
    for extra, expected in (
            (["--dtype", "float8"], "--dtype: expected one of float32, bfloat16, got float8"),
            (["--max-steps", "many"], "--max-steps")):
        given = refused(programs, *whole, *extra)
        check(f"{' '.join(extra)} is refused in one line", expected in given, given)
    given = refused(programs, "--model", "m", "--output", "o")
    check("a field that must be given is asked for", "--data is required" in given, given)


def check_own_loop(programs, folder):
    """The loop from components against a trainer: 20 steps with a constant learning rate."""
    arguments = [str(POCKET / "model"), str(POCKET / "data" / "conversations.jsonl")]
    own = subprocess.run([str(programs / "10_own_loop"), *arguments], capture_output=True, text=True)
    losses = [float(loss) for loss in re.findall(r"^step \d+: loss ([\d.]+)", own.stdout, re.MULTILINE)]
    check("a loop of one's own learns", len(losses) == 20 and losses[-1] < 0.7 * losses[0],
          f"{losses[:1]} -> {losses[-1:]} {own.stderr[-300:]}")
    output = folder / "beside"
    subprocess.run([str(programs / "01_sft"), "--model", arguments[0], "--data", arguments[1],
                    "--output", str(output), "--learning-rate", "7e-4", "--max-steps", "20",
                    "--effective-batch-size", "16", "--seed", "0", "--lr-scheduler-type", "constant",
                    "--no-progress"], capture_output=True, text=True)
    trainers = [record["loss"] for record in records(output)]
    check("and has the losses of a trainer",
          len(trainers) == 20 and all(abs(a - b) <= 6e-5 for a, b in zip(losses, trainers)),
          f"{list(zip(losses, trainers))[-1:]}")


def check_first_program(programs, folder):
    """README's first program in a folder that looks like the repository's root."""
    (folder / "examples").symlink_to(ROOT / "examples", target_is_directory=True)
    (folder / "build").mkdir()
    done = subprocess.run([str(programs / "quickstart")], cwd=folder, capture_output=True, text=True)
    tuned = folder / "build" / "tuned"
    check("README's first program writes a folder",
          done.returncode == 0 and (tuned / "config.json").exists() and
          (tuned / "model.safetensors").exists(), done.stderr[-300:] if done.returncode else "")
    shown = [float(loss) for loss in re.findall(r" loss ([\d.]+)", done.stderr)]
    check("and learns", bool(shown) and shown[-1] < 1.5, f"{shown[-1:]}")


def line_of(done):
    """The one line that a program ended with, its status before it."""
    lines = [line for line in done.stderr.splitlines() if not line.startswith(("trains ", "step "))]
    return f"{done.returncode} " + "|".join(lines)


def check_outputs(programs, folder, whole):
    """What cannot be written is refused before the first step, and nothing is lost or changed."""
    stranger = folder / "stranger"
    stranger.mkdir()
    (stranger / "thesis.tex").write_text("years of work")
    (folder / "file").write_text("text")
    (folder / "link").symlink_to(folder / "nowhere")
    for output, extra, expected in (
            (stranger, [], "2 error: .*stranger holds 'thesis.tex'"),
            (folder / "file", [], "2 error: expected a folder or nothing at .*file, found a file"),
            (folder / "link", [], "2 error: .*link is a link to .*nowhere, where nothing is"),
            (folder / "inside", ["--run-dir", str(folder / "inside" / "run")],
             "2 error: run_dir .* lies in .*inside, which is replaced as a whole"),
            (folder / "inside", ["--run-dir", str(folder / "inside")], "2 error: run_dir .* lies in")):
        done = subprocess.run(command(programs, output, *extra), capture_output=True, text=True)
        check(f"an output that cannot be replaced is refused: {expected[9:40]}",
              re.match(expected, line_of(done)) and not records(output), line_of(done))
    check("and left as it is", (stranger / "thesis.tex").read_text() == "years of work" and
          (folder / "link").is_symlink())

    # A folder that a second run trains other data into; the first goes on saying that it is done.
    done = subprocess.run(command(programs, whole), capture_output=True, text=True)
    check("a run that is done says so", done.returncode == 0 and
          f"nothing was left to do after step {STEPS}; saved to" in done.stdout and
          f"nothing is left to do: {STEPS} of {STEPS} steps are done" in done.stderr, line_of(done))
    before = {path: path.read_bytes() for path in pathlib.Path(f"{whole}-run").rglob("*")
              if path.is_file()}
    other = folder / "other.jsonl"
    lines = (POCKET / "data" / "conversations.jsonl").read_text().splitlines()
    other.write_text("\n".join(lines[:-1]) + "\n")
    done = subprocess.run(command(programs, whole, data=other), capture_output=True, text=True)
    check("another run in the same folder is refused: --data", line_of(done).startswith("2 error: ") and
          "data.content: the checkpoint has" in line_of(done), line_of(done))
    for extra, expected in (
                            (["--weight-decay", "0.5"], "optimizer.weight_decay: the checkpoint has 0.0, this run 0.5"),
                            (["--dtype", "bfloat16"], "model.dtype"), (["--unmask"], "data.unmask")):
        done = subprocess.run(command(programs, whole, *extra), capture_output=True, text=True)
        check(f"another run in the same folder is refused: {extra[0]}",
              line_of(done).startswith("2 error: ") and expected in line_of(done), line_of(done))
    check("and nothing is changed", before == {path: path.read_bytes() for path in before})


def check_two_at_once(programs, folder):
    """A second run in the folder of one that runs is refused, in another container, too."""
    first = subprocess.Popen(command(programs, folder / "twice"), stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
    while first.poll() is None and not records(folder / "twice"):
        time.sleep(0.02)
    first.send_signal(signal.SIGSTOP)  # it holds its folder for as long as this takes
    own = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc"]
    separate = subprocess.run([*own, "true"], capture_output=True).returncode == 0
    for name, prefix, holder in (("process", [], f"process {first.pid}"), ("container", own, "a process of another container")):
        if prefix and not separate:
            print(f"skipped: no namespaces for a second {name}")
            continue
        done = subprocess.run([*prefix, *command(programs, folder / "twice")],
                              capture_output=True, text=True)
        check(f"a second run in another {name} is refused", line_of(done).startswith("2 error: run_dir ") and
              f"is in use by {holder}" in line_of(done), line_of(done))
    first.send_signal(signal.SIGCONT)
    check("and the first one ends well", first.wait(timeout=300) == 0 and
          [record["step"] for record in records(folder / "twice")] == list(range(1, STEPS + 1)))


def main():
    programs = pathlib.Path(sys.argv[1])
    if not (POCKET / "model" / "model.safetensors").exists():
        print("skipped: the pocket model has no weights")
        sys.exit(77)
    with tempfile.TemporaryDirectory() as folder:
        whole = pathlib.Path(folder) / "whole"
        done = subprocess.run(command(programs, whole), capture_output=True, text=True)
        check("trains and saves", done.returncode == 0, done.stderr[-300:] if done.returncode else "")
        steps = records(whole)
        losses = [record["loss"] for record in steps]
        check("the loss falls", len(losses) == STEPS and losses[-1] < 0.7 * losses[0],
              f"{losses[0]:.3f} -> {losses[-1]:.3f}")
        names = {"step", "epoch", "loss", "lr", "grad_norm", "tokens_per_second",
                 "num_loss_counted_tokens", "peak_memory_usage_GB"}
        check("metrics have Training Hub's names", names <= set(steps[0]))
        record = json.loads((pathlib.Path(f"{whole}-run") / "run.json").read_text())
        check("every option is in the record",
              record["options"]["learning_rate"] == 7e-4 and record["loss"]["type"] == "NextToken")

        card = (whole / "README.md").read_text()
        last = [step["loss"] for step in steps if "loss" in step][-1]
        good = (card.startswith("---\nlibrary_name: transformers\nmodel_name: whole\n") and
                "\ntags:\n- posttrain\n- next-token\n- full\n---\n" in card and f"- steps: {STEPS} of {STEPS}\n" in card and
                f"- loss of the last step: {last:.6g}\n" in card and
                json.loads(card.split("```json\n")[1].split("\n```\n")[0])["options"]["learning_rate"] == 7e-4)
        check("the folder has a model card with what it was made of", good, "" if good else card)

        pieces = pathlib.Path(folder) / "pieces"
        process = subprocess.Popen(command(programs, pieces), stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        check("SIGTERM ends the run in order, with its own status",
              stop_after(process, pieces, 3, signal.SIGTERM) == 128 + signal.SIGTERM)
        check("an interrupted run saves no model", not (pieces / "model.safetensors").exists())
        process = subprocess.Popen(command(programs, pieces), stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        stop_after(process, pieces, 9, signal.SIGKILL)
        again = subprocess.run(command(programs, pieces, "--ask", "Where does Anna live?"),
                               capture_output=True, text=True)
        check("goes on after SIGKILL", again.returncode == 0, again.stderr[-300:])
        check("a resumed run says where it goes on, and has no `before`",
              re.search(rf"^goes on from step (8|12) of {STEPS}$", again.stdout, re.MULTILINE) and
              "before: " not in again.stdout and "after: " in again.stdout, again.stdout[-300:])
        same = (again.returncode == 0 and
                (whole / "model.safetensors").read_bytes() == (pieces / "model.safetensors").read_bytes())
        check("[C25] interrupted and uninterrupted runs give the same bytes", same)
        check("metrics read as one run", [r["step"] for r in records(pieces)] == list(range(1, STEPS + 1)))

        bad = pathlib.Path(folder) / "bad.jsonl"
        bad.write_text('{"messages": [{"role": "user", "content": "Hi"}]}\n{"messages": 3}\n')
        failed = subprocess.run([str(programs / "01_sft"), "--model", str(POCKET / "model"), "--data",
                                 str(bad), "--output", str(pathlib.Path(folder) / "none")],
                                capture_output=True, text=True)
        lines = failed.stderr.strip().splitlines()
        check("a malformed line is one line with file and number",
              failed.returncode == 2 and len(lines) == 1 and "bad.jsonl:2" in lines[0], failed.stderr.strip())
        check_outputs(programs, pathlib.Path(folder), whole)
        check_two_at_once(programs, pathlib.Path(folder))
        for number, how in enumerate((signal.SIGHUP, signal.SIGUSR1, signal.SIGINT)):
            output = pathlib.Path(folder) / f"stopped-{number}"
            process = subprocess.Popen(command(programs, output), stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)
            status = stop_after(process, output, 1, how)
            complete = list(pathlib.Path(f"{output}-run").glob("checkpoints/step-*/trainer.json"))
            check(f"{how.name} leaves a checkpoint", status == 128 + how and len(complete) == 1,
                  f"{status} {complete}")
        check_options(programs)
        check_own_loop(programs, pathlib.Path(folder))
        check_first_program(programs, pathlib.Path(folder))
    failures = results.count(False)
    print(f"{len(results) - failures} passed, {failures} failed")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
