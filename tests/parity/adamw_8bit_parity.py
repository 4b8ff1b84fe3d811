# SPDX-License-Identifier: Apache-2.0
"""AdamW8bit against its formula in float64 and against bitsandbytes' AdamW8bit on the CPU.

  python tests/parity/adamw_8bit_parity.py --optimizer build/tests/programs/optimizer

Formula: every step of the program is recomputed in float64 from the program's own state before it,
with bitsandbytes' maps. Masters and scales must agree to float32's rounding; codes must be the
nearest entries of the map, exactly, unless the value lies within rounding of the middle between
two, and no positive second moment may have the code of 0.

bitsandbytes: the first step must be the same. Afterwards both are compared with AdamW in float64:
bitsandbytes on the CPU looks codes up in a grid of 65,536 points in [-1, 1], so that a second moment
below 1.5e-5 of its block's largest becomes 0 and the next step too long. The program must be near
bitsandbytes where no block holds such moments, and nearer to AdamW where blocks do.

One line per case, then `N passed, M failed`.
"""

import argparse
import os
import shlex
import subprocess
import sys
import tempfile

import torch
from bitsandbytes import functional
from bitsandbytes.optim import AdamW8bit
from safetensors.torch import load_file, save_file

LR, BETA1, BETA2, EPS = 1e-3, 0.9, 0.999, 1e-8
SIGNED = functional.create_dynamic_map(signed=True).to(torch.float64)
UNSIGNED = functional.create_dynamic_map(signed=False).to(torch.float64)
STEPS = 12


def gradients(kind, n):
    """Even: magnitudes of one order. Wide: three orders in every block."""
    generator = torch.Generator().manual_seed(n)
    sizes = torch.ones(n)
    if kind == "wide":
        sizes = torch.exp(-6.5 * torch.rand(n, generator=generator))
    slope = (1 + torch.rand(n, generator=generator)) * torch.sign(
        torch.randn(n, generator=generator))
    noise = torch.rand(STEPS, n, generator=generator)
    return torch.randn(n, generator=generator), (slope + 0.5 * noise) * sizes * 1e-2


def blocks(x, size):
    padded = torch.nn.functional.pad(x, (0, -len(x) % size))
    return padded.view(-1, size)


def values(codes, absmax, table, size):
    return (blocks(table[codes.long()], size) * absmax.double().unsqueeze(1)).flatten()[:len(codes)]


def wrong_codes(x, codes, table, size, above_zero=False):
    """How many codes are not the nearest of x, those within rounding of a middle not counted."""
    largest = blocks(x.abs(), size).amax(1)
    scaled = (blocks(x, size) / largest.clamp_min(1e-300).unsqueeze(1)).flatten()[:len(x)]
    middles = (table[1:] + table[:-1]) / 2
    slack = 3e-7 * scaled.abs()
    low = torch.searchsorted(middles, scaled - slack)
    high = torch.searchsorted(middles, scaled + slack)
    if above_zero:
        low, high = (c.clamp_min(1) * (x > 0) + c * ~(x > 0) for c in (low, high))
    codes = codes.long()
    return int(((codes < low) | (codes > high)).sum())


def run_ours(program, start, grads, decay, factor, size):
    with tempfile.TemporaryDirectory() as folder:
        source, target = os.path.join(folder, "in"), os.path.join(folder, "out")
        save_file({"start": start.clone(), "gradients": grads.contiguous()}, source)
        subprocess.run([*program, "--input", source, "--output", target, "--lr", str(LR),
                        "--weight-decay", str(decay), "--grad-factor", str(factor),
                        "--block-size", str(size)], check=True)
        return load_file(target)


def check_formula(out, start, grads, decay, factor, size):
    """Largest errors of masters (over the step's length) and scales, and the wrong codes."""
    p = start.double()
    m = v = torch.zeros_like(p)
    worst, scales, wrong = 0.0, 0.0, 0
    for s in range(len(grads)):
        g = grads[s].double() * factor
        m = BETA1 * m + (1 - BETA1) * g
        v = BETA2 * v + (1 - BETA2) * g * g
        m_hat, v_hat = m / (1 - BETA1**(s + 1)), v / (1 - BETA2**(s + 1))
        expected = p * (1 - LR * decay) - LR * m_hat / (v_hat.sqrt() + EPS)
        master = out[f"master.{s}"].double()
        # A master is rounded once.
        error = ((master - expected).abs() / (2**-24 * expected.abs() + 1e-5 * LR)).max().item()
        worst = max(worst, error)
        for name, x, table in (("exp_avg", m, SIGNED), ("exp_avg_sq", v, UNSIGNED)):
            absmax = out[f"{name}_absmax.{s}"].double()
            scales = max(scales, (absmax / blocks(x.abs(), size).amax(1) - 1).abs().max().item())
            wrong += wrong_codes(x, out[f"{name}_codes.{s}"], table, size, name == "exp_avg_sq")
        p = master
        m = values(out[f"exp_avg_codes.{s}"], out[f"exp_avg_absmax.{s}"], SIGNED, size)
        v = values(out[f"exp_avg_sq_codes.{s}"], out[f"exp_avg_sq_absmax.{s}"], UNSIGNED, size)
    return worst, scales, wrong


def run_theirs(start, grads, decay):
    """Masters after every step."""
    p = torch.nn.Parameter(start.clone())
    optimizer = AdamW8bit([p], lr=LR, betas=(BETA1, BETA2), eps=EPS, weight_decay=decay)
    masters = []
    for g in grads:
        p.grad = g.clone()
        optimizer.step()
        masters.append(p.detach().clone())
    assert optimizer.state[p]["state1"].dtype == torch.uint8
    return masters


def run_adamw(start, grads, decay):
    p = torch.nn.Parameter(start.double())
    optimizer = torch.optim.AdamW([p], lr=LR, betas=(BETA1, BETA2), eps=EPS, weight_decay=decay)
    for g in grads:
        p.grad = g.double()
        optimizer.step()
    return p.detach()


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--optimizer", required=True)
    program = shlex.split(parser.parse_args().optimizer)
    passed = failed = 0

    def check(name, holds, detail):
        nonlocal passed, failed
        passed, failed = passed + bool(holds), failed + (not holds)
        print(f"{'ok    ' if holds else 'FAILED'} {name}: {detail}")

    maps = (functional.create_dynamic_map(signed=s) for s in (True, False))
    check("maps have 256 entries", all(len(m) == 256 for m in maps), "")
    for kind, n, decay, factor, size in (("even", 4096, 0.0, 1.0, 256), ("even", 10007, 0.1, 0.3, 256),
                                         ("wide", 8192, 0.1, 1.0, 256), ("wide", 5000, 0.0, 0.7, 64),
                                         ("wide", 12345, 0.0, 1.0, 4096)):
        start, grads = gradients(kind, n)
        out = run_ours(program, start, grads, decay, factor, size)
        worst, scales, wrong = check_formula(out, start, grads, decay, factor, size)
        check(f"formula, {kind} gradients, {n} parameters in blocks of {size}",
              worst <= 1 and scales < 1e-6 and wrong == 0,
              f"masters {worst:.2f} of the tolerance, scales {scales:.1e}, wrong codes {wrong}")

    for kind in ("even", "wide"):
        decay = 0.1
        start, grads = gradients(kind, 8192)
        out = run_ours(program, start, grads, decay, 1.0, 256)
        theirs = run_theirs(start, grads, decay)
        first = (out["master.0"] - theirs[0]).abs().max().item()
        check(f"bitsandbytes, {kind} gradients, first step", first < 1e-6, f"difference {first:.1e}")
        exact = run_adamw(start, grads, decay)
        length = (exact - start).norm()
        ours = out[f"master.{STEPS - 1}"]
        to_theirs = ((ours - theirs[-1]).norm() / length).item()
        error = ((ours - exact).norm() / length).item()
        their_error = ((theirs[-1] - exact).norm() / length).item()
        detail = (f"of the change, ours is {error:.1e} from AdamW, bitsandbytes {their_error:.1e}, "
                  f"{to_theirs:.1e} apart")
        if kind == "even":
            check("bitsandbytes, even gradients, 12 steps", to_theirs < 0.02 and error < 0.02, detail)
        else:
            check("bitsandbytes, wide gradients, 12 steps", error < 0.08 and their_error > 3 * error,
                  detail)
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
