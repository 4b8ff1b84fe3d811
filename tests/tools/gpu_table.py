# SPDX-License-Identifier: Apache-2.0
"""What tests/tools/gpu.py makes of the results of its jobs: ratios between rows, speeds that are missed, the
table."""

GPU_OF_TARGETS = "H200"  # by a part of its name


def line_of(all_jobs, name, **members):
    for job in all_jobs:
        if job.name == name:
            for line in job.lines:
                if all(line.get(key) == value for key, value in members.items()):
                    return line
    return None


def best(job):
    lines = [line for line in job.lines if "tokens_per_second" in line]
    return max(lines, key=lambda line: line["tokens_per_second"]) if lines else None


def ratios(all_jobs):
    """(name, value, at least) of what is compared with another row of this run."""
    def of(name, key="tokens_per_second", **members):
        line = line_of(all_jobs, name, **members)
        return line[key] if line else None

    qlora, full = line_of(all_jobs, "QLoRA Qwen3-8B"), of("Full Qwen3-1.7B, 7 layers")
    pairs = [("DPO + LoRA, prompts shared / not", 1.45,
              of("DPO + LoRA Qwen3-1.7B", "samples_per_second", shared=True),
              of("DPO + LoRA Qwen3-1.7B", "samples_per_second", shared=False)),
             ("OSFT / Full", 0.9, of("OSFT Qwen3-1.7B, 7 layers"), full),
             ("GRPO, prompt shared / not", None, of("GRPO + LoRA Qwen3-1.7B", "samples_per_second",
                                                    shared=True),
              of("GRPO + LoRA Qwen3-1.7B", "samples_per_second", shared=False))]
    if qlora:
        pairs.append(("QLoRA / LoRA, 8B", 0.92, qlora["tokens_per_second"],
                      of("LoRA Qwen3-8B", tokens=qlora["tokens"])))
    for model in ("Qwen3-0.6B", "Qwen3-8B"):
        theirs = [best(job) for job in all_jobs if job.part == "peers" and f"LoRA {model}" in job.name]
        theirs = [line["tokens_per_second"] for line in theirs if line]
        ours = next((best(job) for job in all_jobs if job.name == f"LoRA {model}"), None)
        if theirs and ours:
            pairs.append((f"LoRA {model} / transformers + PEFT", None, ours["tokens_per_second"],
                          max(theirs)))
    return [(name, a / b, least) for name, least, a, b in pairs if a and b]


def judge(all_jobs, gpu):
    """Adds speeds that are missed, on the GPU that they were asked of."""
    if GPU_OF_TARGETS not in gpu:
        return []
    missed = []
    for job in all_jobs:
        line = best(job)
        if job.must and line and line["tokens_per_second"] < job.must:
            missed.append(f"{job.name}: {line['tokens_per_second']:,.0f} tokens/s, expected {job.must:,.0f}")
    return missed + [f"{name}: {value:.2f}, expected {least}" for name, value, least in ratios(all_jobs)
                     if least and value < least]


def print_table(head, rows):
    rows = [[str(cell) for cell in row] for row in [head, *rows]]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    for row in rows:
        print("  " + "  ".join(cell.ljust(width) if i == 0 else cell.rjust(width)
                               for i, (cell, width) in enumerate(zip(row, widths))))
    print()


def number(value, digits=3):
    return "" if value is None else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.{digits}g}"


def report(all_jobs, gpu, libtorch, seconds, missed):
    print(f"\n{gpu}, LibTorch {libtorch}, {seconds:.0f} s\n")
    lines = [(job, line) for job in all_jobs for line in job.lines]
    ceilings = [(line["ceiling"], line) for _, line in lines if "ceiling" in line]
    product = next((line["value"] for name, line in ceilings if name.startswith("product")), None)
    copy = next((line["value"] for name, line in ceilings if name == "copy"), None)

    def share(value, most):
        return number(value / most, 2) if value and most else ""

    if ceilings:
        print_table(["ceiling", "", ""], [(name, number(line["value"]), line["unit"])
                                          for name, line in ceilings])
    rates = [line for _, line in lines if "kernel" in line]
    if rates:
        print_table(["kernel", "GB/s forward", "share of copy", "GB/s with backward", "share"],
                    [(line["kernel"], number(line["forward_gb_per_s"]),
                      share(line["forward_gb_per_s"], copy), number(line.get("both_gb_per_s")),
                      share(line.get("both_gb_per_s"), copy)) for line in rates])
    rates = [line for _, line in lines if "attention" in line]
    if rates:
        print_table(["attention", "TFLOP/s forward", "backward"],
                    [(line["attention"], number(line["forward_tflops"]),
                      number(line["backward_tflops"])) for line in rates])
    training = [(job, line) for job, line in lines if "training" in line]
    if training:
        print_table(
            ["training", "tokens", "tokens/s", "must", "TFLOP/s", "of product", "GiB", "reads", "uploads",
             "published"],
            [(job.name + {True: ", shared", False: ", not shared"}.get(line.get("shared"), ""),
              line["tokens"], number(line["tokens_per_second"]), number(job.must),
              number(line.get("tflops")), share(line.get("tflops"), product), number(line["peak_gib"]),
              line["device_reads"], line["device_uploads"], job.published) for job, line in training])
    decoding = [line for _, line in lines if "decode" in line]
    if decoding:
        print_table(["decoding", "rows", "ms/step", "tokens/s", "of bandwidth", "reads", "uploads"],
                    [(line["decode"], line["rows"], number(line["step_ms"]),
                      number(line["tokens_per_second"]), number(line["share_of_bandwidth"], 2),
                      number(line["device_reads"]), number(line["device_uploads"])) for line in decoding])
    grpo = [(job, line) for job, line in lines if "grpo" in line]
    if grpo:
        print_table(["step of a group", "samples/s", "sampling", "GiB", "reads"],
                    [(job.name + (", shared" if line["shared"] else ", not shared"),
                      number(line["samples_per_second"]), number(line["generate_share"], 2),
                      number(line["peak_gib"]), line["device_reads"]) for job, line in grpo])
    peers = [(job, line) for job, line in lines if "peer" in line]
    if peers:
        print_table(["peer", "tokens", "tokens/s", "GiB"],
                    [(job.name, line["tokens"], number(line["tokens_per_second"]),
                      number(line["peak_gib"])) for job, line in peers])
    compared = ratios(all_jobs)
    if compared:
        print_table(["ratio", "", "must"], [(name, f"{value:.2f}", least or "")
                                            for name, value, least in compared])
    checks = [(job.part, line["ok"]) for job, line in lines if "check" in line]
    summary = []
    for part in dict.fromkeys(job.part for job in all_jobs):
        own = [job for job in all_jobs if job.part == part]
        held = [ok for name, ok in checks if name == part]
        state = "failed" if any(job.problems for job in own) else \
            "missing" if all(job.missing for job in own) else "ok"
        summary.append((part, state, f"{sum(held)} of {len(held)}" if held else "",
                        f"{sum(job.seconds for job in own):.0f} s"))
    print_table(["part", "", "checks", ""], summary)
    for job in all_jobs:
        if job.missing:
            print(f"missing: {job.name}: {job.missing}")
    for job in all_jobs:
        for problem in job.problems:
            print(f"failed: {job.name}: {problem}")
    for miss in missed:
        print(f"missed: {miss}")
