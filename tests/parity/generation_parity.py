# SPDX-License-Identifier: Apache-2.0
"""Samples of our generator against transformers' generate, on every family.

  python tests/parity/generation_parity.py --probe build/tests/programs/probe_generate
  python tests/parity/generation_parity.py --probe "bash tests/probe.sh generate" --only gemma

For each case of common.py a random small model is saved; prompts of several lengths, some with a common
beginning, are continued greedily by transformers, one by one in float32, and by ours, all together. Ids
must be equal token by token, and log-probabilities to 1e-5. Prints one line per case and ends with
`N passed, M failed`; the exit status is 1 if any failed.
"""

import argparse
import json
import tempfile

import torch

import common

LENGTHS = (1, 5, 11, 18)
NEW_TOKENS = 24


def prompts(vocabulary, seed):
    draw = torch.Generator().manual_seed(seed)
    common_start = torch.randint(vocabulary, (4,), generator=draw).tolist()
    own = [torch.randint(vocabulary, (length,), generator=draw).tolist() for length in LENGTHS]
    return own + [common_start + each for each in own[:2]]


def continued(model, prompt, processors):
    """Greedy ids and their log-probabilities, by transformers."""
    common.reset_rotary(model)  # dynamic scaling would remember earlier prompts' lengths
    with torch.no_grad():
        result = model.generate(torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt)),
                                max_new_tokens=NEW_TOKENS, do_sample=False, pad_token_id=0,
                                return_dict_in_generate=True, output_logits=True, **processors)
    ids = result.sequences[0, len(prompt):]
    logps = torch.log_softmax(torch.cat(result.logits).float(), 1)
    return ids.tolist(), logps.gather(1, ids.unsqueeze(1)).squeeze(1)


def ours(command, folder, lines, **options):
    request = {"requests": [{"ids": prompt, "samples": samples, "sampling": sampling}
                            for prompt, samples, sampling in lines], "ends": [], **options}
    done = common.call(command, "--model", folder, given=json.dumps(request) + "\n")
    reply = json.loads(done.stdout) if done.returncode == 0 else {"error": done.stderr.strip()}
    if "error" in reply:
        raise RuntimeError(reply["error"])
    return [each["samples"] for each in reply["replies"]]


def check(case, seed, options):
    model = common.random_model(case, seed).float().eval()
    model.generation_config.eos_token_id = None
    model.config.eos_token_id = None
    vocabulary = model.get_input_embeddings().weight.shape[0]
    worst, compared = 0.0, 0
    with tempfile.TemporaryDirectory() as folder:
        common.save(model, folder, common.random_batch(case, seed))
        for penalty in (1.0, 1.3):
            sampling = {"temperature": 0.0, "max_new_tokens": NEW_TOKENS, "repetition_penalty": penalty}
            texts = prompts(vocabulary, seed)
            replies = ours(options.probe, folder, [(text, 2, sampling) for text in texts])
            for prompt, samples in zip(texts, replies):
                ids, logps = continued(model, prompt, {"repetition_penalty": penalty})
                for sample in samples:
                    if sample["ids"] != ids:
                        return f"prompt of {len(prompt)}: {sample['ids']} instead of {ids}", False
                    plain = torch.tensor(sample.get("plain_logps", sample["logps"]))
                    error = (plain - logps).abs() / logps.abs().clamp_min(1.0)
                    worst = max(worst, error.max().item())
                    compared += len(ids)
    return f"{compared} tokens equal, log-probabilities to {worst:.1e}", worst <= options.tolerance


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--probe", default="bash tests/probe.sh generate")
    parser.add_argument("--only", default="", help="cases whose name contains this")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tolerance", type=float, default=1e-5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    common.check_cases(check, options)


if __name__ == "__main__":
    main()
