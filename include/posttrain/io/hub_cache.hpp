// SPDX-License-Identifier: Apache-2.0
// Models by their names on the Hugging Face Hub, found in the cache of its client.
//
//   io::find_model("org/name");
//   → ~/.cache/huggingface/hub/models--org--name/snapshots/<hash>, of the branch main
//
// Nothing is downloaded: a name that is not there is an error with the command that fetches it.
// Found is what huggingface_hub.snapshot_download(name, local_files_only=True) finds.
#pragma once

#include <string>
#include <string_view>

#include "posttrain/base/environment_variables.hpp"
#include "posttrain/io/file.hpp"

namespace posttrain::io {

/// Whether a text may be a model's name: "org/name", or "name" alone as the oldest models have it.
/// Each part has 1 to 96 letters, digits, '_', '-' and '.', of which the first and the last are
/// neither '-' nor '.'; "--", ".." and an end in ".git" occur in no name.
bool is_hub_name(std::string_view text);

/// The folder of the client's cache: HF_HUB_CACHE, else HUGGINGFACE_HUB_CACHE (its former name),
/// else hub/ in HF_HOME, else huggingface/hub/ in XDG_CACHE_HOME, else ~/.cache/huggingface/hub. In
/// variables, a '~' that is the first part of the path, $NAME and ${NAME} are replaced.
fs::path hub_cache(const EnvironmentVariables& environment = {});

/// The path of a model: `model` itself where there is such a file or folder; else, of a name, the
/// snapshot of its branch main in the cache. Throws where "org/name" is neither, and where the
/// client's own listing says that a file of the configuration, the tokenizer or its templates is
/// missing: reading goes on without some of them, to another model. Any other path is returned as
/// it is.
fs::path find_model(const fs::path& model, const EnvironmentVariables& environment = {});

/// The name of a model whose snapshot a folder is, in whatever cache: the other way round. Empty
/// for any other folder.
std::string hub_name_of(const fs::path& folder);

}  // namespace posttrain::io

#ifndef POSTTRAIN_COMPILED
#include "posttrain/io/impl/hub_cache.ipp"
#endif
