# SPDX-License-Identifier: Apache-2.0
"""Runs parity scripts in processes that share one import of the Python peers.

torch, transformers, PEFT and TRL take seconds to import, and every script needs some of them. This
process imports them once and forks for each script: what one does to a library no other sees.

Standard input: a JSON line {"id", "command", "environment", "output"} for each script, `command` its
path and arguments, `output` the file for both its streams; or {"kill": ID}. Standard output: {"id",
"status"} when one has ended (128 + the signal that ended it).
"""

import importlib
import json
import os
import runpy
import select
import signal
import sys
import traceback

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("RUST_BACKTRACE", "0")
PEERS = ("numpy", "torch", "safetensors.torch", "tokenizers", "transformers", "peft", "trl", "gguf")


def run(request):
    """In the child: becomes the script."""
    output = os.open(request["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = request["command"]
    sys.path.insert(0, os.path.dirname(sys.argv[0]))
    status = 0
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def main():
    for name in PEERS:
        try:
            importlib.import_module(name)
        except Exception:
            pass  # the script that needs it says so
    wake, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(woken)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    running, pending, open_input = {}, b"", True
    while open_input or running:
        ready, _, _ = select.select([wake, *([0] if open_input else [])], [], [])
        if wake in ready:
            os.read(wake, 4096)
        if 0 in ready:
            data = os.read(0, 1 << 16)
            open_input = bool(data)
            *lines, pending = (pending + data).split(b"\n")
            for line in lines:
                request = json.loads(line)
                if "kill" in request:
                    for child, name in running.items():
                        if name == request["kill"]:
                            os.kill(child, signal.SIGKILL)
                    continue
                child = os.fork()
                if child == 0:
                    signal.set_wakeup_fd(-1)
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    run(request)
                running[child] = request["id"]
        while running:
            child, status = os.waitpid(-1, os.WNOHANG)
            if child == 0:
                break
            code = os.waitstatus_to_exitcode(status)
            print(json.dumps({"id": running.pop(child), "status": code if code >= 0 else 128 - code}),
                  flush=True)


if __name__ == "__main__":
    main()
