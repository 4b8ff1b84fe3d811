# SPDX-License-Identifier: Apache-2.0
"""A run on several ranks, which are processes: the same losses as on one (to 1e-6) for 2, 3 and 4 of them,
whether they share the optimizer's memory or not, the same weights on each to the bit; logs of rank 0 alone; a
run goes on where it ended, on another number of ranks, too, and after a full disk of any rank; a signal to one
rank stops all at the same step; a rank that throws, is killed or hangs ends the others within seconds, with its
number and the reason; ranks with other options say which; two hosts (network namespaces) do the same, and a host
that is cut off is missed; torchrun and mpirun start ranks, which talk by MPI, too, and torchrun starts them
again; recipes do the same under a launcher; ranks on the stand-in GPUs, which NCCL's stand-in connects, train
what one of them trains.

usage: ranks_test.py PROGRAMS_FOLDER STAND_IN_FOLDER
       ranks_test.py PROGRAMS_FOLDER --gpus N     only 2 to N ranks, one on each of so many GPUs (tests/gpu.sh)
"""

import glob
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

STEPS = 20
POCKET = os.path.join(os.path.dirname(__file__), "..", "..", "examples", "pocket")


# Two hosts on a switch: rank 0 and rank 1 of PROGRAM with these arguments, in network namespaces that end with this
# shell. With CUT the second host's cable is pulled once the first has written a checkpoint.
SWITCH = """
set -e
mount -t tmpfs none /run  # names of namespaces end with it
ip link add switch type bridge
ip link set switch up
for host in 0 1; do
  ip netns add host$host
  ip link add port$host type veth peer name eth0 netns host$host
  ip link set port$host master switch up
  ip -n host$host addr add 10.77.0.$((host + 1))/24 dev eth0
  ip -n host$host link set eth0 up
  ip -n host$host link set lo up
done
"""
HOSTS = SWITCH + """
export WORLD_SIZE=2 LOCAL_RANK=0 LOCAL_WORLD_SIZE=1 MASTER_ADDR=10.77.0.1 MASTER_PORT=29500 GLOO_SOCKET_IFNAME=eth0
for host in 0 1; do
  RANK=$host ip netns exec host$host "$PROGRAM" "$@" >"$OUTPUT/out$host" 2>"$OUTPUT/err$host" &
  pids[$host]=$!
done
if [ -n "$CUT" ]; then
  for try in $(seq 300); do
    if ls "$2"/checkpoints/step-* >"$OUTPUT/seen" 2>&1; then break; fi
    sleep 0.1
  done
  ip link set port1 down
fi
set +e
for host in 0 1; do wait ${pids[$host]}; echo $? >"$OUTPUT/status$host"; done
"""


class Launch:
    """Ranks as torchrun starts them, without its store: rank 0 serves one. `own`: arguments of a rank in the place of
    the others'; `variables(rank)`: of its environment."""

    def __init__(self, program, size, arguments, own=None, text=None, variables=None):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.processes = []
        for rank in range(size):
            environment = dict(os.environ, OMP_NUM_THREADS="1")
            if size > 1:
                environment.update(RANK=str(rank), WORLD_SIZE=str(size), LOCAL_RANK=str(rank),
                                   LOCAL_WORLD_SIZE=str(size), MASTER_ADDR="127.0.0.1",
                                   MASTER_PORT=str(port))
            environment.update(variables(rank) if variables else {})
            words = [program, *map(str, (own or {}).get(rank, arguments))]
            self.processes.append(subprocess.Popen(words, env=environment, text=True,
                                                   stdin=subprocess.PIPE if text else None,
                                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE))
            if text:
                self.processes[-1].stdin.write(text)
                self.processes[-1].stdin.close()
                self.processes[-1].stdin = None  # `communicate` has nothing left to write
        self.started = time.monotonic()

    def end(self, timeout=60):
        """(status, output, errors) of each rank; a rank that does not end is killed, its status None."""
        results = []
        for process in self.processes:
            left = max(1.0, timeout - (time.monotonic() - self.started))
            try:
                out, errors = process.communicate(timeout=left)
                results.append((process.returncode, out, errors))
            except subprocess.TimeoutExpired:
                process.kill()
                out, errors = process.communicate()
                results.append((None, out, errors))
        return results


def field(out, name):
    return [line.split(" ", 1)[1] for line in out.splitlines() if line.startswith(name + " ")]


def losses(out):
    return [tuple(map(float, each.split())) for each in field(out, "step")]


def near(a, b, tolerance=1e-6):
    return len(a) == len(b) and all(abs(x - y) <= tolerance * abs(y) for x, y in zip(a, b))


class Test:
    def __init__(self, program, folder):
        self.program, self.folder = program, folder
        self.passed = self.failed = 0
        self.tokens = os.path.join(folder, "tokens.jsonl")
        draw = random.Random(3)
        with open(self.tokens, "w") as file:
            for _ in range(40):
                print(json.dumps({"input_ids": [draw.randrange(50) for _ in range(draw.randrange(3, 20))]}),
                      file=file)

    def check(self, name, problems):
        self.passed += not problems
        self.failed += bool(problems)
        for problem in problems:
            print(f"FAILED {name}: {problem}")

    def run(self, size, run_dir, *more, own=None, timeout=60, steps=STEPS, flags=(), variables=None):
        arguments = [*flags, self.tokens, run_dir, steps, *more]
        return Launch(self.program, size, arguments, own, variables=variables).end(timeout)

    def path(self, name):
        return os.path.join(self.folder, name)

    def steps_logged(self, run_dir):
        with open(os.path.join(run_dir, "metrics.jsonl")) as file:
            return [record["step"] for record in map(json.loads, file) if "loss" in record]

    def exactness(self):
        self.alone = self.same_everywhere("", (2, 3, 4))

    def same_everywhere(self, name, sizes, variables=None, sliced=(False, True)):
        """Runs of these sizes do what one rank does; returns its output."""
        (status, out, errors), = self.run(1, self.path("alone" + name), variables=variables)
        self.check("one rank" + name, [] if status == 0 else [errors])
        for size, cut in ((size, cut) for size in sizes for cut in sliced):
            run_dir = self.path(f"on-{size}-{cut}{name}")
            results = self.run(size, run_dir, flags=["--sliced"] if cut else [], variables=variables)
            problems = [f"rank {r}: status {s}, {e}" for r, (s, _, e) in enumerate(results) if s != 0]
            for rank, (_, other, errors) in enumerate(results):
                for kind in (0, 1):
                    if not near([step[kind] for step in losses(other)], [step[kind] for step in losses(out)],
                                1e-6 if kind == 0 else 1e-5):
                        problems.append(f"rank {rank}: other losses or norms than one rank")
                if field(other, "weights") != field(results[0][1], "weights"):
                    problems.append(f"rank {rank}: other weights than rank 0")
                if not near([float(v) for v in field(other, "validation")],
                            [float(v) for v in field(out, "validation")]):
                    problems.append(f"rank {rank}: another validation")
                if field(other, "rank") != [f"{rank} of {size}"]:
                    problems.append(f"rank {rank}: says {field(other, 'rank')}")
                if errors.strip():
                    problems.append(f"rank {rank} says {errors.strip()}")
            if self.steps_logged(run_dir) != list(range(1, STEPS + 1)):
                problems.append("expected one line of metrics.jsonl for each step")
            with open(os.path.join(run_dir, "run.json")) as file:
                record = json.load(file)
                if record.get("ranks") != size or record.get("sharding") != ("optimizer" if cut else None):
                    problems.append("run.json does not say how many ranks there were, and what they shared")
            self.check(f"{size} ranks{', in slices' if cut else ''}{name}", problems)
        return out

    def resume(self):
        run_dir, problems = self.path("resumed"), []
        for size, steps, flags in ((2, 8, ["--sliced"]), (3, 12, ["--sliced"]), (1, 16, []), (2, STEPS, [])):
            results = self.run(size, run_dir, steps=steps, flags=flags)
            problems += [e for s, _, e in results if s != 0]
            out = results[0][1]
        alone = [step[0] for step in losses(self.alone)]
        if not near([step[0] for step in losses(out)], alone[16:]):
            problems.append("a run that went on, on 2 and 3 ranks in slices, on 1 and on 2, has other losses")
        self.check("resume on other numbers of ranks", problems)

    def stop_by_signal(self):
        problems = []
        launch = Launch(self.program, 3, [self.tokens, self.path("signal"), 100000])
        while launch.processes[1].stdout.readline().split(" ")[0] != "step":
            pass
        launch.processes[2].send_signal(signal.SIGTERM)
        results = launch.end()
        for rank, (status, out, errors) in enumerate(results):
            if status != 0 or field(out, "interrupted") != [str(int(signal.SIGTERM))]:
                problems.append(f"rank {rank}: status {status}, {field(out, 'interrupted')}, {errors}")
        if len({tuple(field(out, "weights")) for _, out, _ in results}) != 1:
            problems.append("the ranks did not stop at the same step")
        if not glob.glob(os.path.join(self.path("signal"), "checkpoints", "step-*")):
            problems.append("no checkpoint was written")
        self.check("SIGTERM on one rank", problems)

    def faults(self):
        for fault, reason in (("fail", "rank 1 ended: the disk is full"),
                              ("kill", "rank 1 has given no sign of life"),
                              ("stop", "rank 1 has given no sign of life")):
            launch = Launch(self.program, 3, [self.tokens, self.path(fault), STEPS, 1e-3, fault, 1, 6])
            problems = []
            for rank in (0, 2):
                try:
                    _, errors = launch.processes[rank].communicate(timeout=30)
                except subprocess.TimeoutExpired:
                    launch.processes[rank].kill()
                    errors = "did not end"
                lines = [line for line in errors.splitlines() if line.startswith("error: ")]
                if launch.processes[rank].returncode != 1 or len(lines) != 1 or reason not in lines[0]:
                    problems.append(f"rank {rank}: expected '{reason}', got {errors[-300:]}")
            launch.processes[1].kill()
            launch.processes[1].communicate()
            self.check(f"rank 1 and {fault}", problems)

    def full_disk(self, faults):
        """The disk of one rank is full from some moment on: all end with its reason, and the run goes on from the last
        checkpoint that is whole."""
        draw, expected = random.Random(7), field(self.run(3, self.path("whole"), flags=["--sliced"])[0][1], "weights")
        for rank, most in ((0, 150), (0, 150), (1, 12), (2, 12)):
            at, run_dir, problems = draw.randrange(1, most), None, []
            name = f"a full disk of rank {rank} from operation {at} on"
            run_dir = self.path(name.replace(" ", "-"))

            def variables(own):
                return {} if own != rank else {"LD_PRELOAD": faults, "FAULTS_ROOT": run_dir, "FAULTS_AT": str(at),
                                               "FAULTS_HOW": "28", "FAULTS_STAYS": "1",
                                               "FAULTS_COUNT": self.path("count")}

            results = self.run(3, run_dir, flags=["--sliced"], variables=variables, timeout=40)
            statuses = [status for status, _, _ in results]
            if None in statuses or (any(statuses) and statuses != [1, 1, 1]):
                problems.append(f"statuses {statuses}: {[errors[-200:] for _, _, errors in results]}")
            if statuses == [1, 1, 1] and "No space left on device" not in results[rank][2]:
                problems.append(f"rank {rank} says {results[rank][2][-300:]}")
            for other in {0, 1, 2} - {rank}:
                if statuses == [1, 1, 1] and not any(
                        reason in results[other][2] for reason in ("No space left", f"rank {rank}")):
                    problems.append(f"rank {other} says {results[other][2][-300:]}")
            again = self.run(3, run_dir, flags=["--sliced"])
            if [status for status, _, _ in again] != [0, 0, 0] or field(again[0][1], "weights") != expected:
                problems.append(f"the run does not go on to the same end: {[errors[-200:] for _, _, errors in again]}")
            self.check(name, problems)

    def launchers(self):
        """Real launchers, where they are: torchrun serves the meeting itself and starts all ranks again."""
        python = os.environ.get("POSTTRAIN_PYTHON", sys.executable)
        torchrun = [python, "-m", "torch.distributed.run", "--no-python", "--nproc-per-node"]
        self.launched("torchrun", [*torchrun, "3"], 3)
        self.launched("torchrun, a rank killed and all started again", [*torchrun, "2", "--max-restarts", "1"],
                      2, "kill", 1, 6)
        mpirun = ["mpirun", "--allow-run-as-root", "--oversubscribe", "-n"]
        self.launched("mpirun", [*mpirun, "3"], 3)
        self.launched("mpirun, by MPI", [*mpirun, "4"], 4, flags=["--mpi"])
        self.launched("mpirun, by MPI in slices and small pieces", [*mpirun, "3"], 3, flags=["--mpi-pieces", "--sliced"])

    def launched(self, name, command, size, *fault, flags=()):
        probe = [command[0], "--version"] if command[0] == "mpirun" else [*command[:3], "--help"]
        if shutil.which(command[0]) is None or subprocess.run(probe, capture_output=True).returncode != 0:
            print(f"skipped: {name}: it is not installed")
            return
        if command[0] != "mpirun":
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                command = [*command, "--master-port", str(free.getsockname()[1])]
        run_dir = self.path(name.replace(" ", "-"))
        arguments = [*flags, self.tokens, run_dir, STEPS, 1e-3, *fault]
        done = subprocess.run([*command, self.program, *map(str, arguments)], text=True, timeout=120,
                              capture_output=True, env=dict(os.environ, OMP_NUM_THREADS="1"))
        if "this build has no MPI" in done.stderr:
            print(f"skipped: {name}: the programs were built without MPI")
            return
        problems = [] if done.returncode == 0 else [f"status {done.returncode}: {done.stderr[-500:]}"]
        if sorted(field(done.stdout, "rank")) != [f"{rank} of {size}" for rank in range(size)]:
            problems.append(f"expected {size} ranks, got {field(done.stdout, 'rank')}")
        if len(set(field(done.stdout, "weights"))) != 1:
            problems.append("the ranks ended with different weights")
        if not near([step for step, _ in losses(done.stdout)[-size:]], [losses(self.alone)[-1][0]] * size):
            problems.append("another loss than one rank")
        if sorted(set(self.steps_logged(run_dir))) != list(range(1, STEPS + 1)):
            problems.append("expected each step in metrics.jsonl")
        self.check(name, problems)

    def hosts(self, cut):
        """Two hosts, and what the second one's loss of its network does."""
        name = "a host that is cut off" if cut else "two hosts"
        if any(shutil.which(tool) is None for tool in ("unshare", "ip")) or \
                subprocess.run(["unshare", "--net", "--mount", "bash", "-c", SWITCH],
                               capture_output=True).returncode != 0:
            print(f"skipped: {name}: no network namespaces can be made here")
            return
        output, run_dir = self.path(name.replace(" ", "-")), self.path(name.replace(" ", "-") + "-run")
        os.mkdir(output)
        words = [self.tokens, run_dir, 100000 if cut else STEPS, 1e-3]
        subprocess.run(["unshare", "--net", "--mount", "bash", "-c", HOSTS, "hosts", *map(str, words)], timeout=120,
                       env=dict(os.environ, OMP_NUM_THREADS="1", PROGRAM=self.program, OUTPUT=output,
                                CUT="1" if cut else ""), check=True)

        def read(kind, host):
            with open(os.path.join(output, f"{kind}{host}")) as file:
                return file.read().strip()

        problems = []
        for host in (0, 1):
            status, errors = read("status", host), read("err", host)
            if cut:
                reason = ("rank 1 has given no sign of life", "no answer from the meeting")[host]
                lines = [line for line in errors.splitlines() if line.startswith("error: ")]
                if status != "1" or len(lines) != 1 or reason not in lines[0]:
                    problems.append(f"rank {host}: expected an error that says '{reason}', got {status}: {errors[-300:]}")
                continue
            if status != "0":
                problems.append(f"rank {host}: status {status}, {errors[-300:]}")
            elif not near([step for step, _ in losses(read("out", host))],
                          [step for step, _ in losses(self.alone)]):
                problems.append(f"rank {host}: other losses than one rank")
        self.check(name, problems)

    def recipes(self, program):
        """Recipes under a launcher: the same losses and saved models, and every rank names them."""
        data = os.path.join(self.folder, "chats.jsonl")
        with open(os.path.join(POCKET, "data", "conversations.jsonl")) as source, open(data, "w") as file:
            file.writelines(source.readlines()[:24])
        common = {"model_path": os.path.join(POCKET, "model"), "data_path": data, "num_epochs": 1,
                  "effective_batch_size": 6, "max_seq_len": 512, "max_tokens_per_gpu": 512,
                  "learning_rate": 1e-3, "validation_split": 0.2, "validate_at_epoch": True, "save_best_val_loss": True,
                  "checkpoint_at_epoch": True, "progress": False}
        of_each = {"sft": {}, "osft": {"unfreeze_rank_ratio": 0.5}, "lora_sft": {"lora_r": 4}}
        for name, own in of_each.items():
            problems, runs = [], {}
            for size in (1, 2):
                output = self.path(f"{name}-{size}")
                shared = {"sharding": "optimizer"} if size > 1 and name == "sft" else {}
                members = json.dumps({**common, **own, **shared, "ckpt_output_dir": output})
                results = Launch(program, size, ["run", name], text=members).end(120)
                problems += [f"{size} ranks: status {s}, {e}" for s, _, e in results if s != 0]
                runs[size] = [json.loads(out) for status, out, _ in results if status == 0]
                names = sorted(os.listdir(os.path.join(output, "hf_format"))) if not problems else []
                runs[size].append([each for each in names if not each.startswith(".")])
            if not problems:
                (alone, folders), (*both, folders_of_both) = runs[1], runs[2]
                for rank, run in enumerate(both):
                    if not near(run["losses"], alone["losses"], 1e-5):
                        problems.append(f"rank {rank}: losses {run['losses']}, alone {alone['losses']}")
                    if not os.path.isdir(run["model"]):
                        problems.append(f"rank {rank}: no model at {run['model']}")
                if folders != folders_of_both or len(folders) < 2:
                    problems.append(f"expected {folders}, got {folders_of_both}")
            self.check(f"{name} on two ranks", problems)

    def differences(self):
        same = [self.tokens, self.path("different"), STEPS, 1e-3]
        results = Launch(self.program, 3, same, {2: [*same[:3], 1e-4]}).end()
        problems = [f"rank {rank}: {errors}" for rank, (status, _, errors) in enumerate(results)
                    if status != 1 or "learning_rate: rank 0 has 0.001, rank 2 0.0001" not in errors]
        self.check("ranks with different options", problems)


    def gpus(self, stand_in):
        """On the stand-in GPUs, one for each process, with its NCCL."""
        def variables(rank):
            path = ":".join(filter(None, [stand_in, os.environ.get("LD_LIBRARY_PATH")]))
            return {"LD_LIBRARY_PATH": path, "POSTTRAIN_TEST_DEVICE": "cuda:0",
                    "POSTTRAIN_STAND_IN_GPU": str(rank)}

        self.same_everywhere(" on stand-in GPUs", (2, 4), variables)

        def refused(name, size, reason, of_rank, ranks=None):
            def with_own(rank):
                return {**variables(rank), **of_rank(rank)}
            results = Launch(self.program, size, [self.tokens, self.path(name), STEPS, 1e-3],
                             variables=with_own).end(40)
            problems = []
            for rank in ranks or range(size):
                status, _, errors = results[rank]
                lines = [line for line in errors.splitlines() if line.startswith("error: ")]
                if status != 1 or len(lines) != 1 or reason not in lines[0]:
                    problems.append(f"rank {rank}: expected '{reason}', got {status}: {errors[-300:]}")
            self.check(name, problems)

        refused("two ranks on one GPU", 2, "ranks 0 and 1 have the same GPU, GPU-",
                lambda rank: {"POSTTRAIN_STAND_IN_GPU": "3"})
        refused("versions of NCCL that differ", 2, "rank 0 has 2.28.9, rank 1 has 2.27.3",
                lambda rank: {"POSTTRAIN_STAND_IN_NCCL_VERSION": str(22809 - rank * 106)})
        refused("an operation of NCCL that fails", 2, "remote process exited or there was a network error",
                lambda rank: {"POSTTRAIN_STAND_IN_NCCL_FAILS": "9"} if rank == 1 else {})
        launch = Launch(self.program, 3, [self.tokens, self.path("gpu-kill"), STEPS, 1e-3, "kill", 1, 6],
                        variables=variables)
        results = launch.end(40)
        self.check("rank 1 and kill on stand-in GPUs", [
            f"rank {rank}: {results[rank][0]}, {results[rank][2][-300:]}" for rank in (0, 2)
            if results[rank][0] != 1 or "rank 1 has given no sign of life" not in results[rank][2]])


def main():
    with tempfile.TemporaryDirectory() as folder:
        test = Test(os.path.join(sys.argv[1], "ranks_run"), folder)
        if sys.argv[2] == "--gpus":
            test.same_everywhere(" on GPUs", range(2, int(sys.argv[3]) + 1), lambda rank: {"POSTTRAIN_TEST_DEVICE": "cuda"})
            print(f"{test.passed} passed, {test.failed} failed")
            return test.failed != 0
        test.exactness()
        test.resume()
        test.stop_by_signal()
        test.faults()
        test.full_disk(os.path.join(sys.argv[1], "libfaults.so"))
        test.differences()
        test.launchers()
        test.hosts(cut=False)
        test.hosts(cut=True)
        test.recipes(os.path.join(sys.argv[1], "recipe_run"))
        test.gpus(sys.argv[2])
    print(f"{test.passed} passed, {test.failed} failed")
    return test.failed != 0


if __name__ == "__main__":
    sys.exit(main())
