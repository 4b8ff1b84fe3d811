# SPDX-License-Identifier: Apache-2.0
"""Where the large test data stand that are not part of the repository."""

import os
import pathlib


def add_shared_option(parser):
    """`--shared DIR`: $POSTTRAIN_SHARED, else the folder `shared` beside the repository."""
    beside = pathlib.Path(__file__).resolve().parents[3] / "shared"
    parser.add_argument("--shared", type=pathlib.Path,
                        default=pathlib.Path(os.environ.get("POSTTRAIN_SHARED") or beside))
