# SPDX-License-Identifier: Apache-2.0
"""Random small models of every family and the oracle that their results are compared with.

The oracle is transformers with eager attention on the same fp32 weights, run in double precision:
norms, soft-max and everything else in float64, except the rotary angles, whose fp32 rounding is
part of the models' definition. The same code in fp32 is run beside it, to show what rounding alone
does. Each sequence is run alone and without padding, with a fresh rotary module, because the
frequencies of `dynamic` depend in transformers on what ran before.
"""

import atexit
import contextlib
import copy
import dataclasses
import json
import math
import os
import shlex
import struct
import subprocess
import sys
import tempfile

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import safetensors.torch
import torch
import transformers

transformers.utils.logging.disable_progress_bar()


@dataclasses.dataclass
class Case:
    name: str
    config: transformers.PretrainedConfig
    lengths: tuple = (7, 40, 2, 23)


SIZES = dict(vocab_size=131, hidden_size=48, intermediate_size=80, num_hidden_layers=2,
             num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=160,
             pad_token_id=None, bos_token_id=1, eos_token_id=2)
GPT2_SIZES = dict(vocab_size=131, n_embd=48, n_layer=2, n_head=4, n_positions=160, bos_token_id=1,
                  eos_token_id=2)

LLAMA3 = dict(rope_type="llama3", rope_theta=10000.0, factor=8.0, low_freq_factor=1.0,
              high_freq_factor=4.0, original_max_position_embeddings=32)
YARN = dict(rope_type="yarn", rope_theta=10000.0, factor=4.0, original_max_position_embeddings=16)


def cases():
    """Every family, tied and untied, with each switch of its mathematics on in some case."""
    t = transformers
    made = []

    def add(name, config_class, sizes=SIZES, lengths=None, **changes):
        config = config_class(**{**sizes, **changes})
        kwargs = {} if lengths is None else {"lengths": lengths}
        made.append(Case(name, config, **kwargs))

    for tied in (False, True):
        suffix = "tied" if tied else "untied"
        tie = dict(tie_word_embeddings=tied)
        add(f"llama {suffix}", t.LlamaConfig, lengths=(9, 1, 150, 33), **tie)
        add(f"mistral {suffix}", t.MistralConfig, sliding_window=9, **tie)
        add(f"qwen2 {suffix}", t.Qwen2Config, use_sliding_window=True, sliding_window=7,
            max_window_layers=1, **tie)
        add(f"qwen3 {suffix}", t.Qwen3Config, head_dim=16, **tie)
        add(f"smollm3 {suffix}", t.SmolLM3Config, no_rope_layers=[1, 0], **tie)
        add(f"granite {suffix}", t.GraniteConfig, embedding_multiplier=3.0, logits_scaling=2.0,
            residual_multiplier=0.6, attention_multiplier=0.15, **tie)
        add(f"phi3 {suffix}", t.Phi3Config, sliding_window=11, **tie)
        add(f"gemma2 {suffix}", t.Gemma2Config, head_dim=16, sliding_window=9,
            attn_logit_softcapping=4.0, final_logit_softcapping=3.0, query_pre_attn_scalar=20,
            **tie)
        add(f"gemma3 {suffix}", t.Gemma3TextConfig, head_dim=16, sliding_window=9,
            query_pre_attn_scalar=20, layer_types=["sliding_attention", "full_attention"], **tie)
        add(f"gpt2 {suffix}", t.GPT2Config, GPT2_SIZES, lengths=(9, 150, 33), **tie)

    add("llama biases, one key head", t.LlamaConfig, num_key_value_heads=1, attention_bias=True,
        mlp_bias=True)
    add("llama no sharing of key heads, wide heads", t.LlamaConfig, num_key_value_heads=4,
        head_dim=24)
    # Sizes of real models' heads, and more rows and keys than one block of any kernel.
    add("llama heads of 64, many tokens", t.LlamaConfig, hidden_size=128, num_attention_heads=2,
        num_key_value_heads=1, max_position_embeddings=1024, lengths=(600, 65, 129))
    add("mistral heads of 128, window over blocks", t.MistralConfig, head_dim=128,
        sliding_window=100, max_position_embeddings=1024, lengths=(300, 64))
    add("gemma2 heads of 256, window over blocks", t.Gemma2Config, head_dim=256,
        sliding_window=70, attn_logit_softcapping=4.0, final_logit_softcapping=3.0,
        max_position_embeddings=1024, lengths=(200, 71))
    add("phi3 heads of 96", t.Phi3Config, hidden_size=192, num_attention_heads=2,
        max_position_embeddings=1024, lengths=(200, 71))
    add("llama rope linear", t.LlamaConfig,
        rope_parameters=dict(rope_type="linear", rope_theta=10000.0, factor=3.0))
    add("llama rope dynamic", t.LlamaConfig, max_position_embeddings=16,
        rope_parameters=dict(rope_type="dynamic", rope_theta=10000.0, factor=2.0),
        lengths=(7, 40, 16, 17, 64))
    add("llama rope llama3", t.LlamaConfig, head_dim=32, rope_parameters=dict(LLAMA3),
        lengths=(7, 120, 33))
    add("llama rope yarn", t.LlamaConfig, head_dim=32, rope_parameters=dict(YARN),
        lengths=(7, 60, 33))
    add("llama rope yarn with mscale", t.LlamaConfig, head_dim=32,
        rope_parameters=dict(YARN, mscale=0.7, mscale_all_dim=1.3, truncate=False, beta_fast=16,
                             beta_slow=2))
    add("llama padding row", t.LlamaConfig, pad_token_id=5)
    add("llama padding row, tied", t.LlamaConfig, pad_token_id=5, tie_word_embeddings=True)
    add("mistral no window, head_dim", t.MistralConfig, sliding_window=None, head_dim=20)
    add("qwen2 layer types", t.Qwen2Config, use_sliding_window=True, sliding_window=5,
        layer_types=["sliding_attention", "full_attention"])
    add("qwen3 biases, window", t.Qwen3Config, head_dim=16, attention_bias=True,
        use_sliding_window=True, sliding_window=6, max_window_layers=0)
    add("smollm3 windows, biases", t.SmolLM3Config, no_rope_layers=[1, 0], attention_bias=True,
        mlp_bias=True, use_sliding_window=True, sliding_window=6)
    add("granite biases, yarn", t.GraniteConfig, attention_bias=True, mlp_bias=True,
        attention_multiplier=0.2, rope_parameters=dict(YARN))
    add("phi3 partial rotation", t.Phi3Config, hidden_size=64, partial_rotary_factor=0.5)
    add("phi3 longrope", t.Phi3Config, original_max_position_embeddings=24,
        rope_parameters=dict(rope_type="longrope", rope_theta=10000.0,
                             short_factor=[1.0, 1.1, 1.2, 1.3, 1.4, 1.5],
                             long_factor=[2.0, 3.0, 4.0, 5.0, 6.0, 7.0]),
        lengths=(24, 25, 60, 5))
    add("gemma2 no caps, biases", t.Gemma2Config, head_dim=16, attn_logit_softcapping=None,
        final_logit_softcapping=None, attention_bias=True)
    add("gemma3 rope linear, final cap", t.Gemma3TextConfig, head_dim=16, sliding_window=9,
        final_logit_softcapping=3.0, layer_types=["sliding_attention", "full_attention"],
        rope_parameters=dict(
            full_attention=dict(rope_type="linear", factor=8.0, rope_theta=1e6),
            sliding_attention=dict(rope_type="default", rope_theta=1e4)))
    add("gpt2 inner size, unscaled scores, gelu", t.GPT2Config, GPT2_SIZES, n_inner=72,
        scale_attn_weights=False, activation_function="gelu")
    return made


def random_model(case, seed, auto_class=transformers.AutoModelForCausalLM):
    """A model of the family in fp32, every parameter random, norms and biases too."""
    config = copy.deepcopy(case.config)
    config._attn_implementation = "eager"
    torch.manual_seed(seed)
    model = auto_class.from_config(config, attn_implementation="eager")
    model = model.float().eval()
    plus_one = config.model_type.startswith("gemma")
    with torch.no_grad():
        for name, p in model.named_parameters():
            noise = torch.randn(p.shape)
            is_norm = "norm" in name or ".ln_" in name
            if p.dim() == 1:
                centre = 1.0 if is_norm and not plus_one and name.endswith("weight") else 0.0
                p.copy_(centre + 0.2 * noise)
            elif "embed" in name or "wte" in name or "wpe" in name:
                p.copy_(0.3 * noise)
            else:
                head = name in ("lm_head.weight", "score.weight")
                fan_in = p.shape[0] if config.model_type == "gpt2" and not head else p.shape[1]
                p.copy_(1.2 / math.sqrt(fan_in) * noise)
    return model


def random_batch(case, seed):
    """Ragged sequences and weights; some weights are zero, the first of each is ignored."""
    generator = torch.Generator().manual_seed(seed)
    vocab = case.config.vocab_size
    sequences, weights = [], []
    for length in case.lengths:
        ids = torch.randint(0, vocab, (length,), generator=generator)
        if case.config.pad_token_id is not None and length > 4:
            ids[2] = case.config.pad_token_id  # the row without a gradient must matter
        w = 0.1 + torch.rand(length, generator=generator)
        w[torch.rand(length, generator=generator) < 0.3] = 0.0
        sequences.append(ids.tolist())
        weights.append([round(x, 6) for x in w.tolist()])
    return {"sequences": sequences, "weights": weights}


@contextlib.contextmanager
def double_precision(model, *modules):
    """Lets a transformers model, and modules of a peer, compute in float64 where their code says float32.

    The modeling files cast to `torch.float32` (norms, soft-max) or call `.float()`. Inside, the
    first name means float64 in that file and the second leaves doubles alone; rotary angles say
    `torch.float` and integers' `.float()`, and stay fp32.
    """

    class Torch:
        float32 = torch.float64

        def __getattr__(self, name):
            return getattr(torch, name)

    patched = [sys.modules[type(model).__module__], *modules]
    original_float = torch.Tensor.float
    for module in patched:
        module.torch = Torch()
    torch.Tensor.float = lambda self: self if self.dtype == torch.float64 else original_float(self)
    try:
        yield
    finally:
        for module in patched:
            module.torch = torch
        torch.Tensor.float = original_float


def reset_rotary(model):
    body = getattr(model, "model", None)
    if body is not None and hasattr(body, "rotary_emb"):
        body.rotary_emb = type(body.rotary_emb)(model.config)


def evaluate(model, batch):
    """loss = sum of weights * nll / sum of weights, all next-token log-probabilities, gradients."""
    model.zero_grad(set_to_none=True)
    dtype = next(model.parameters()).dtype
    total = torch.zeros((), dtype=dtype)
    weight_sum = torch.zeros((), dtype=torch.float64)
    logps = []
    for ids, weights in zip(batch["sequences"], batch["weights"]):
        if len(ids) < 2:
            continue
        reset_rotary(model)
        inputs = torch.tensor([ids])
        logits = model(input_ids=inputs, use_cache=False).logits[0, :-1]
        logp = torch.log_softmax(logits.to(dtype), dim=-1)
        logp = logp.gather(1, inputs[0, 1:, None]).squeeze(1)
        w = torch.tensor(weights[1:], dtype=torch.float64)
        total = total - (w.to(dtype) * logp).sum()
        weight_sum += w.sum()
        logps.append(logp.detach())
    loss = total / weight_sum.to(dtype)
    loss.backward()
    gradients = {name: p.grad.detach() if p.grad is not None else torch.zeros_like(p)
                 for name, p in model.named_parameters()}
    return {"loss": loss.detach(), "logps": torch.cat(logps), **gradients}


def oracle(model, batch):
    """The results in double precision."""
    doubled = copy.deepcopy(model).double()
    with double_precision(doubled):
        return evaluate(doubled, batch)


def relative_errors(result, expected):
    """max|a - b| / max|b| per tensor. A gradient that is zero in exact arithmetic (of a key bias
    without rotation) has no scale of its own: it is measured against the largest gradient."""
    largest = max(v.abs().max().item() for k, v in expected.items() if k not in ("loss", "logps"))
    errors = {}
    for name, b in expected.items():
        a = result[name].double().reshape(b.shape)
        scale = b.abs().max().item()
        if scale < 1e-10 * largest:
            scale = largest
        error = (a - b.double()).abs().max().item() / scale
        errors[name] = error if math.isfinite(error) else math.inf
    return errors


def save(model, folder, batch):
    model.save_pretrained(folder)
    with open(os.path.join(folder, "batch.json"), "w") as f:
        json.dump(batch, f)


def error_of(a, b):
    """max |a - b| / max |b|."""
    return ((a - b).abs().max() / b.abs().max()).item()


class Served:
    """A program of ours that is started once and forks for each call (tests/programs/served.cpp)."""

    def __init__(self, program):
        self.program = program
        self.process = subprocess.Popen([program], env=dict(os.environ, POSTTRAIN_SERVED="1"),
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __call__(self, arguments, given):
        with tempfile.TemporaryDirectory() as folder:
            streams = [os.path.join(folder, name) for name in ("input", "output", "errors")]
            with open(streams[0], "w") as file:
                file.write(given)
            strings = [string.encode() for string in (*streams, self.program, *arguments)]
            parts = b"".join(struct.pack("=I", len(string)) + string for string in strings)
            self.process.stdin.write(struct.pack("=I", len(strings)) + parts)
            self.process.stdin.flush()
            answer = self.process.stdout.read(4)
            if len(answer) != 4:
                raise RuntimeError(f"{self.program} ended with status {self.process.wait()}")
            output, errors = (open(stream, errors="replace").read() for stream in streams[1:])
            return subprocess.CompletedProcess([self.program, *arguments],
                                               struct.unpack("=i", answer)[0], output, errors)


SERVED = {}


@atexit.register
def end_served():
    for served in SERVED.values():
        served.process.stdin.close()
        served.process.wait()


def call(command, *arguments, given=""):
    """A program of tests/programs that uses LibTorch, or a command line that starts one, with standard
    input `given`: what subprocess.run returns."""
    words, arguments = shlex.split(command), [str(argument) for argument in arguments]
    if len(words) > 1:
        return subprocess.run([*words, *arguments], input=given, capture_output=True, text=True)
    if words[0] not in SERVED:
        SERVED[words[0]] = Served(words[0])
    return SERVED[words[0]](arguments, given)


def run(program, *arguments):
    """What a program of ours prints; its last line is the error if it fails."""
    done = call(program, *arguments)
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise RuntimeError(lines[-1] if lines else f"exit status {done.returncode}")
    return done.stdout


def run_on(program, folder, *arguments):
    """The tensors that a program of ours writes for what `save` put into a folder."""
    out = os.path.join(folder, "out.safetensors")
    run(program, "--model", folder, "--batch", os.path.join(folder, "batch.json"), "--out", out,
        *arguments)
    return safetensors.torch.load_file(out)


class Attempts:
    """Checks that return (what, error): each is a line, counted against a tolerance."""

    def __init__(self, tolerance, only=""):
        self.tolerance, self.only = tolerance, only
        self.passed = self.failed = 0

    def __call__(self, name, check, tolerance=None):
        if self.only not in name:
            return
        try:
            what, error = check()
            good = error <= (tolerance or self.tolerance)
            line = f"worst {error:.1e} ({what})"
        except (RuntimeError, OSError, KeyError, ValueError, AttributeError) as problem:
            good, line = False, (str(problem) or repr(problem)).splitlines()[0]
        self.passed += good
        self.failed += not good
        print(f"{'ok  ' if good else 'FAIL'} {name}: {line}", flush=True)

    def finish(self):
        print(f"{self.passed} passed, {self.failed} failed")
        sys.exit(1 if self.failed or not self.passed else 0)


def check_cases(check, options):
    """Runs check(case, seed, options), which returns a line and whether it passed, for every case whose
    name contains options.only; prints the lines and the counts, and ends the script."""
    passed = failed = 0
    for index, case in enumerate(cases()):
        if options.only not in case.name:
            continue
        try:
            line, good = check(case, options.seed + index, options)
        except (RuntimeError, OSError, KeyError, ValueError) as error:
            line, good = (str(error) or repr(error)).splitlines()[0], False
        passed += good
        failed += not good
        print(f"{'ok  ' if good else 'FAIL'} {case.name}: {line}", flush=True)
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed or not passed else 0)
