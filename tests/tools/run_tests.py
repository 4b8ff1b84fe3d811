# SPDX-License-Identifier: Apache-2.0
"""Builds and runs the tests that Meson knows; counts cases of real runs.

A Catch2 executable counts each of its test cases. A script counts what its last line
"N passed, M failed[, K skipped]" says, otherwise itself (exit status 77: skipped).
The last line printed is the sum in the same form.
"""

import argparse
import concurrent.futures
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
import xml.etree.ElementTree as ElementTree

import find_tests

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
SUMMARY = re.compile(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?\s*$")


class Total:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.failures = []
        self.times = []  # (seconds, name) of each part
        self.lock = threading.Lock()

    def add(self, name, passed, failed, skipped, seconds, notes=""):
        with self.lock:
            self._add(name, passed, failed, skipped, seconds, notes)

    def _add(self, name, passed, failed, skipped, seconds, notes):
        if notes:
            print(notes)
        self.times.append((seconds, name))
        self.passed += passed
        self.failed += failed
        self.skipped += skipped
        if failed:
            self.failures.append(name)
        word = "FAILED" if failed else "ok"
        extra = f", {skipped} skipped" if skipped else ""
        print(f"{word:6} {name}: {passed} passed, {failed} failed{extra} ({seconds:.1f} s)",
              flush=True)


def tail(text, lines=60):
    return "\n".join(text.splitlines()[-lines:])


def indent(text):
    return "\n".join("    " + line for line in text.splitlines())


def run(command, timeout, env=None, cwd=ROOT):
    """Exit status (None after a timeout) and the combined output."""
    try:
        done = subprocess.run(command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, text=True,
                              errors="replace", stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=timeout)
        return done.returncode, done.stdout
    except subprocess.TimeoutExpired as expired:
        out = expired.stdout or b""
        if isinstance(out, bytes):
            out = out.decode(errors="replace")
        return None, out + f"\nstopped after {timeout} s"
    except OSError as error:
        return 127, str(error)


class ParityRunner:
    """`run` for the scripts that need the Python peers, which are imported once for all of them
    (parity_runner.py)."""

    def __init__(self, python, env):
        self.lock, self.ended, self.status = threading.Lock(), threading.Condition(), {}
        self.process = subprocess.Popen(
            [python, os.path.join(HERE, "parity_runner.py")], env=env, cwd=ROOT, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.count = 0
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        for line in self.process.stdout:
            answer = json.loads(line)
            with self.ended:
                self.status[answer["id"]] = answer["status"]
                self.ended.notify_all()
        with self.ended:
            self.process = None
            self.ended.notify_all()

    def send(self, request):
        with self.lock:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()

    def run(self, command, timeout, env):
        with tempfile.TemporaryDirectory() as folder:
            output = os.path.join(folder, "output")
            with self.lock:
                self.count += 1
                own = self.count
            self.send({"id": own, "command": command, "environment": env, "output": output})
            with self.ended:
                self.ended.wait_for(lambda: own in self.status or not self.process, timeout)
                status = self.status.get(own)
            if status is None and self.process:
                self.send({"kill": own})
            text = ""
            if os.path.exists(output):
                with open(output, encoding="utf-8", errors="replace") as file:
                    text = file.read()
            return status, text if status is not None else text + f"\nstopped after {timeout} s"


def reasons_of(case):
    """What failed in a test case of a Catch2 XML report, up to ten places."""
    found = []

    def visit(node, where, notes):
        where = where + [node.get("name")] if node.tag == "Section" else where
        for child in node:
            text = (child.text or "").strip()
            if child.tag == "Info":
                notes = notes + [text]
            if child.tag == "Expression" and child.get("success") != "true":
                thrown = child.find("Exception")
                lines = [f"{child.get('filename')}:{child.get('line')}: {child.get('type')}( "
                         f"{(child.findtext('Original') or '').strip()} )",
                         "  with " + (child.findtext("Expanded") or "").strip()]
                if thrown is not None:
                    lines.append("  threw " + (thrown.text or "").strip())
            elif child.tag in ("Exception", "Failure", "FatalErrorCondition"):
                lines = [f"{child.get('filename')}:{child.get('line')}: {child.tag}: {text}"]
            else:
                visit(child, where, notes)
                continue
            if where:
                lines.append("  in section " + " / ".join(filter(None, where)))
            found.append("\n".join(lines + ["  note: " + note for note in notes]))
            notes = []

    visit(case, [], [])
    return "\n".join(found[:10]) + (f"\n… {len(found) - 10} more" if len(found) > 10 else "")


def run_catch(total, name, command, timeout, env, report, spec):
    if os.path.exists(report):
        os.remove(report)
    os.makedirs(os.path.dirname(report), exist_ok=True)
    started = time.time()
    arguments = ["--filenames-as-tags", spec] if spec else []
    status, output = run(command + arguments + ["-r", "xml", "-o", report], timeout, env)
    seconds = time.time() - started
    passed = failed = skipped = 0
    complete = False
    lines = []
    try:
        for case in ElementTree.parse(report).getroot().iter("TestCase"):
            result = case.find("OverallResult")
            if result is None or result.get("success") != "true":
                failed += 1
                lines.append(f"       failed: {case.get('name')}\n"
                             + indent(indent(reasons_of(case))))
                continue
            notes = [(node.text or "").strip() for node in case.iter("Warning")]
            notes += [(node.text or "").strip() for node in case.iter("Skip")]
            reasons = [note for note in notes if note.startswith("skipped: ")]
            if reasons or result.get("skips", "0") != "0":
                skipped += 1
                lines.append(f"       {reasons[0] if reasons else 'skipped'}: {case.get('name')}")
            else:
                passed += 1
        complete = True
    except (OSError, ElementTree.ParseError):
        pass
    # A crash, a sanitizer report or a timeout leaves no complete report or a bad status.
    if not complete or (status != 0 and failed == 0):
        failed += 1
    if failed:
        lines.append(f"       exit status {status}\n" + indent(tail(output)))
        if not complete and os.path.exists(report):
            with open(report, errors="replace") as file:
                lines.append(indent(tail(file.read(), 20)))
    total.add(name, passed, failed, skipped, seconds, "\n".join(lines))
    return passed + failed + skipped


def run_script(total, name, command, timeout, env, run=run):
    started = time.time()
    status, output = run(command, timeout, env)
    seconds = time.time() - started
    lines = [line for line in output.splitlines() if line.strip()]
    match = SUMMARY.match(lines[-1]) if lines else None
    if match:
        passed, failed, skipped = (int(group or 0) for group in match.groups())
        if status != 0 and failed == 0 and not (status == 77 and skipped):
            failed = 1
    elif status == 77:
        passed, failed, skipped = 0, 0, 1
    else:
        passed, failed, skipped = (1, 0, 0) if status == 0 else (0, 1, 0)
    notes = ""
    if failed:
        notes = f"       exit status {status}\n" + indent(tail(output))
    elif skipped and lines:
        notes = indent(tail("\n".join(line for line in lines if "skip" in line.lower()), 10))
    total.add(name, passed, failed, skipped, seconds, notes)


def suites_of(test):
    return [suite.split(":")[-1] for suite in test["suite"]]


def needed(build, tests):
    """Ninja's names of what these tests depend on."""
    listed = json.loads(subprocess.run(["meson", "introspect", "--targets", build], check=True,
                                       stdout=subprocess.PIPE, text=True).stdout)
    outputs = {target["id"]: target["filename"] for target in listed}
    return sorted({os.path.relpath(name, build) for test in tests for target in test["depends"]
                   for name in outputs.get(target, [])})


def run_test(total, test, env, build, spec, parity=None):
    """How many cases ran, counting a script as one."""
    test_env = dict(env, **test["env"])
    timeout = test["timeout"] or None
    if "catch" in suites_of(test):
        report = os.path.join(build, "reports", test["name"] + ".xml")
        return run_catch(total, test["name"], test["cmd"], timeout, test_env, report, spec)
    command = test["cmd"]
    if "parity" in suites_of(test) and parity is not None:
        run_script(total, test["name"], command[1:], timeout, test_env, parity.run)
        return 1
    if "parity" in suites_of(test):
        command = [env["POSTTRAIN_PYTHON"], *command[1:]]
    run_script(total, test["name"], command, timeout, test_env)
    return 1


def run_side_by_side(total, tests, env, build, spec, jobs):
    """Several at a time, the first ones first; how many cases ran.

    Each has one thread, unless its own environment says otherwise, and a part of the compilers: what
    one leaves idle, others use.
    """
    compilers = max(1, jobs // min(4, max(1, len(tests))))
    shared = dict(env, OMP_NUM_THREADS="1", POSTTRAIN_JOBS=str(compilers))
    several = sum("parity" in suites_of(test) for test in tests) > 1
    parity = ParityRunner(env["POSTTRAIN_PYTHON"], shared) if several else None
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        return sum(pool.map(lambda test: run_test(total, test, shared, build, spec, parity), tests))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--filter", default="")
    parser.add_argument("--jobs", default="1")
    options = parser.parse_args()
    build = os.path.abspath(options.build)
    total = Total()

    started = time.time()
    def introspect():
        return json.loads(subprocess.run(["meson", "introspect", "--tests", build], check=True,
                                         stdout=subprocess.PIPE, text=True).stdout)
    # Meson knows the test files that were there when it was run.
    found = os.path.join(build, "tests", "found_tests.txt")
    if os.path.exists(found):
        with open(found, encoding="utf-8") as file:
            if file.read() != find_tests.listing():
                subprocess.run(["meson", "setup", "--reconfigure", build], cwd=ROOT,
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    # Ninja reconfigures first where a meson.build changed; only then is the list of tests current.
    status = subprocess.run(["ninja", "-C", build, "build.ninja"], stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if status.returncode != 0:
        print(tail(status.stdout))
        total.add("configure", 0, 1, 0, time.time() - started)
    tests = introspect()
    if not options.peers:
        tests = [test for test in tests if "parity" not in suites_of(test)]

    spec = ""
    targets = []  # none named: all
    nothing_to_build = False
    if options.filter:
        named = [test for test in tests if options.filter in test["name"]]
        if named:  # names of executables and scripts
            tests = named
            targets = needed(build, tests)
            nothing_to_build = not targets
        else:  # names of test cases, their tags or their files
            name = options.filter
            spec = f"*{name}*,[{name}],[#{name}],[#{name}_test]"
            tests = [test for test in tests if "catch" in suites_of(test)]

    if not nothing_to_build:
        print("building", flush=True)
        status = subprocess.run(["ninja", "-C", build, "-j", options.jobs, "-k", "0", *targets],
                                stdin=subprocess.DEVNULL)
    if nothing_to_build:
        pass
    elif status.returncode == 0:
        print(f"ok     build ({time.time() - started:.1f} s)", flush=True)
        total.times.append((time.time() - started, "build"))
    else:  # what could not be rebuilt still runs below, so this must count by itself
        total.add("build", 0, 1, 0, time.time() - started)
    env = dict(os.environ, POSTTRAIN_BUILD=build, POSTTRAIN_SOURCE_ROOT=ROOT)
    env.setdefault("POSTTRAIN_PYTHON", sys.executable)
    tests.sort(key=lambda test: -test["priority"])  # the longest first: all processors end together
    ran = run_side_by_side(total, tests, env, build, spec, max(1, int(options.jobs)))
    if not ran:
        print(f"nothing ran; hint: no test has \"{options.filter}\" in its name")
        total.failed += 1
        total.failures.append("filter")

    print("slowest parts: " + ", ".join(f"{name} {seconds:.0f} s" for seconds, name in
                                        sorted(total.times, reverse=True)[:10]))
    if total.failures:
        print("failed: " + ", ".join(total.failures))
    extra = f", {total.skipped} skipped" if total.skipped else ""
    print(f"{total.passed} passed, {total.failed} failed{extra}", flush=True)
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
