# SPDX-License-Identifier: Apache-2.0
"""What a program says where a CUDA device can be had and where it cannot: one line each.

usage: device_test.py PROGRAMS STAND_IN EXAMPLES FLAGS
"""

import os
import shutil
import subprocess
import sys
import tempfile

PROGRAMS, STAND_IN, EXAMPLES, FLAGS = map(os.path.abspath, sys.argv[1:5])
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
passed = failed = 0


def check(name, holds, got):
    global passed, failed
    passed, failed = passed + bool(holds), failed + (not holds)
    if not holds:
        print(f"{name}: got {got!r}")


def run(arguments, folder=STAND_IN, program=os.path.join(PROGRAMS, "device"), **variables):
    env = {name: value for name, value in os.environ.items() if name != "LOCAL_RANK"}
    env.pop("POSTTRAIN_TEST_DEVICE", None)
    if folder:
        env["LD_LIBRARY_PATH"] = folder
    env.update(variables)
    done = subprocess.run([program, *arguments], env=env, cwd=ROOT, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return done.returncode, done.stdout, done.stderr.strip()


def says(name, arguments, expected, **options):
    status, _, error = run(arguments, **options)
    check(name, status == 1 and error == "error: " + expected, (status, error))


def refuses(name, arguments, parts, **options):
    status, _, error = run(arguments, **options)
    check(name, status == 1 and "\n" not in error and all(part in error for part in parts),
          (status, error))


check("cpu", run(["cpu"])[1] == "cpu 3\n", run(["cpu"]))
check("cuda", run(["cuda"])[1] == "cuda:0 3\n", run(["cuda"]))
check("an index", run(["cuda:0"])[1] == "cuda:0 3\n", run(["cuda:0"]))
check("a rank", run(["cuda"], LOCAL_RANK="0")[1] == "cuda:0 3\n", run(["cuda"], LOCAL_RANK="0"))
says("an index beyond the count", ["cuda:3"],
     "expected a GPU below cuda:1, got cuda:3; hint: CUDA_VISIBLE_DEVICES limits what a program sees")
says("a rank beyond the count", ["cuda"],
     "expected a GPU below cuda:2, got cuda:2 from LOCAL_RANK=2; hint: CUDA_VISIBLE_DEVICES limits "
     "what a program sees", LOCAL_RANK="2", POSTTRAIN_STAND_IN_DEVICES="2")
says("a rank that is no number", ["cuda"],
     'expected a number in LOCAL_RANK, got "two"; hint: unset it, or name a device with its index '
     "(cuda:0)", LOCAL_RANK="two")
says("no GPU", ["cuda"],
     "expected a GPU for device cuda, the NVIDIA driver shows none; hint: device cpu; nvidia-smi "
     "lists GPUs", POSTTRAIN_STAND_IN_DEVICES="0")
refuses("no visible GPU", ["cuda"], ["the NVIDIA driver shows none with CUDA_VISIBLE_DEVICES=7;"],
        POSTTRAIN_STAND_IN_DEVICES="0", CUDA_VISIBLE_DEVICES="7")
says("an old GPU", ["cuda"],
     "expected a GPU of compute capability 8.0 (Ampere, 2020) or newer, cuda:0 has 7.5; hint: another "
     "GPU, or device cpu", POSTTRAIN_STAND_IN_CAPABILITY="75")
says("too late", ["cuda", "late"],
     "device cuda was asked for after LibTorch had begun to work without CUDA; hint: call "
     "posttrain::use_cuda() in the first line of main")

check("a kernel", run(["cuda", "norm"]) == (0, "cuda:0 3\n", ""), run(["cuda", "norm"]))
with tempfile.TemporaryDirectory() as folder:
    for name in ("libtorch_cuda.so", "libcuda.so.1"):
        shutil.copy(os.path.join(STAND_IN, name), folder)
    for name in ("libnvrtc.so.13", "libnvrtc.so.12"):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write("no library")
    status, out, error = run(["cuda", "norm"], folder=folder)
    check("no compiler: plain operations, said once",
          (status, out) == (0, "cuda:0 3\n") and error.count("\n") == 0 and error.startswith(
              "posttrain: no kernels of its own on CUDA, plain operations instead: ") and
          error.endswith("; hint: pip install nvidia-cuda-nvrtc"), (status, out, error))
    got = run(["cuda", "norm"], folder=folder, POSTTRAIN_KERNELS="generic")
    check("plain operations asked for", got == (0, "cuda:0 3\n", ""), got)

with tempfile.TemporaryDirectory() as folder:
    with open(os.path.join(folder, "libtorch_cuda.so"), "w", encoding="utf-8") as file:
        file.write("no library")
    # What the loader says of the library that stands beside LibTorch's own, or of this one.
    refuses("a library that does not load", ["cuda"],
            ["for device cuda", "; hint: device cpu"], folder=folder)
    shutil.copy(os.path.join(STAND_IN, "libtorch_cuda.so"), folder)
    refuses("no driver", ["cuda"],
            ["expected an NVIDIA driver for device cuda, it cannot be loaded: libcuda.so.1",
             "nvidia-smi shows whether it works"],
            folder=folder, POSTTRAIN_STAND_IN_DEVICES="0")

status, _, error = run(["cuda", "touch"])
check("a touch of the stand-in's memory", status < 0 and error.startswith(
    "the host touched memory of the stand-in CUDA device:\n"), (status, error))

# A program without CUDA.
with open(FLAGS, encoding="utf-8") as file:
    flags = dict(line.rstrip("\n").split(" ", 1) for line in file if " " in line)
with tempfile.TemporaryDirectory() as folder:
    program = os.path.join(folder, "device")
    words = [word for name in ("compiler", "host", "torch") for word in flags[name].split("\t")]
    subprocess.run([*words, "-O0", "-DPOSTTRAIN_NO_CUDA",
                    os.path.join(ROOT, "tests/programs/device.cpp"), "-o", program,
                    *flags["link"].split("\t")], check=True)
    check("compiled without CUDA: cpu", run(["cpu"], program=program)[1] == "cpu 3\n", "cpu")
    says("compiled without CUDA: cuda", ["cuda"],
         "expected a device of this program, which was compiled without CUDA, got cuda; hint: device "
         "cpu, or compile with -Dcuda=auto", program=program)

# An example trains, saves and generates there.
with tempfile.TemporaryDirectory() as folder:
    data = os.path.join(folder, "chats.jsonl")
    with open(data, "w", encoding="utf-8") as file:
        for a in range(8):
            file.write('{"messages": [{"role": "user", "content": "How much is %d + 1?"}, '
                       '{"role": "assistant", "content": "%d"}]}\n' % (a, a + 1))
    arguments = ["--model", "examples/pocket/model", "--data", data, "--output",
                 os.path.join(folder, "tuned"), "--max-steps", "2", "--effective-batch-size", "4",
                 "--ask", "How much is 1 + 1?"]
    losses = {}
    for device in ("cpu", "cuda"):
        status, output, error = run([*arguments, "--device", device],
                                    program=os.path.join(EXAMPLES, "01_sft"))
        check(f"01_sft on {device}", status == 0 and "after" in output, (status, error[-500:]))
        losses[device] = [line for line in (output + error).splitlines() if "loss" in line]
        shutil.rmtree(os.path.join(folder, "tuned-run"), ignore_errors=True)
    check("the same answers on both", losses["cpu"] and len(losses["cpu"]) == len(losses["cuda"]),
          losses)

print(f"{passed} passed, {failed} failed")
sys.exit(1 if failed else 0)
