// SPDX-License-Identifier: Apache-2.0
// Nothing of this file is needed: see distributed/impl/gloo.ipp.
#pragma once
