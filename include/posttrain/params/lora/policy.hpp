// SPDX-License-Identifier: Apache-2.0
// Hyperparameters of the LoRA family (params/lora.hpp says what they do).
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "posttrain/concepts/layout.hpp"
#include "posttrain/params/lora/options.hpp"
#include "posttrain/params/weights/model_weights.hpp"
#include "posttrain/params/weights/pattern_check.hpp"
#include "posttrain/storage/dense.hpp"

namespace posttrain {

template <class Storage>
class LoraState;

template <class Storage = Dense>
struct BasicLora {
  using State = LoraState<Storage>;
  static constexpr bool has_reference = true;

  std::int64_t rank = 8;                        // r
  double alpha = 8.0;                           // s = alpha / r
  double dropout = 0.0;                         // of what A sees
  LiteralString target_modules = "all-linear";  // patterns of matrices and tables; the default is
                                                // all matrices but the LM head
  LiteralString exclude_modules = "";
  LiteralString rank_pattern = "";    // "down_proj=4, layers.0-3=32": another rank there
  LiteralString alpha_pattern = "";   // likewise
  bool use_rslora = false;            // s = alpha / √r
  bool use_dora = false;              // magnitude and direction apart
  LoraInit init = LoraInit::kaiming;  // of matrices; tables: A zero, B normal
  std::int64_t loftq_iter = 1;        // LoftQ's alternations of quantising and factoring
  LoraBias bias = LoraBias::none;
  LiteralString modules_to_save = "";  // patterns of tensors that are trained fully
  bool ensure_weight_tying = false;    // a tied head stays tied to an embedding that is trained
                                       // fully; false: each is a matrix of its own from then on
  LiteralString trainable_token_indices = "";  // "3, 7-9": rows of the token embedding that train,
                                               // and of a head tied to it; "lm_head=3": of another
                                               // matrix
  double loraplus_lr_ratio = 1.0;  // learning rate of B over that of A (2402.12354); tables
                                   // have the plain one
  std::uint64_t seed = 0;          // of A
  Storage storage{};

  constexpr void validate() const {
    if (!(rank >= 1)) fail("posttrain: Lora.rank must be at least 1");
    if (!(alpha > 0.0)) fail("posttrain: Lora.alpha must be positive");
    if (!(dropout >= 0.0 && dropout < 1.0)) fail("posttrain: Lora.dropout must be in [0, 1)");
    if (!(loraplus_lr_ratio > 0.0)) fail("posttrain: Lora.loraplus_lr_ratio must be positive");
    if (target_modules.view().empty()) fail("posttrain: Lora.target_modules must select something");
    if (!(loftq_iter >= 1)) fail("posttrain: Lora.loftq_iter must be at least 1");
    if (Storage::dense && init == LoraInit::loftq) {
      fail("posttrain: LoraInit::loftq needs a quantised base, such as QLora's");
    }
    storage.validate();
  }

  /// Whether a part of a site gets an adapter.
  bool targets(const SiteSpec& site, std::string_view part) const {
    const bool wanted = (!site.head && detail::lists(target_modules.view(), "all-linear")) ||
                        matches_any(target_modules.view(), part);
    return wanted && !matches_any(exclude_modules.view(), part);
  }
  bool targets(const TableSpec& table) const {
    const std::string_view module = detail::module_of(table.name);
    return matches_any(target_modules.view(), module) &&
           !matches_any(exclude_modules.view(), module);
  }
  /// Whether the first values of the adapters replace a part of the base.
  constexpr bool moves_base() const { return init == LoraInit::olora || init == LoraInit::pissa; }

  std::int64_t rank_of(std::string_view part) const {
    return detail::number_for(rank_pattern.view(), part, rank);
  }
  double alpha_of(std::string_view part) const {
    return detail::number_for(alpha_pattern.view(), part, alpha);
  }
  double scale_of(std::string_view part) const {
    const double a = alpha_of(part);
    const auto r = static_cast<double>(rank_of(part));
    return use_rslora ? a / std::sqrt(r) : a / r;
  }

  /// Throws for a pattern that selects nothing of the model: it would be an option that is ignored.
  void check_patterns(const Layout& layout) const {
    const std::vector<std::string> modules = detail::module_names(layout);
    detail::check_patterns("Lora.target_modules", target_modules.view(), modules, "of the model",
                           "all-linear");
    detail::check_patterns("Lora.exclude_modules", exclude_modules.view(), modules);
    std::vector<std::string> adapted;
    for (const SiteSpec& site : layout.sites) {
      for (const MatrixSpec& part : site.parts) {
        if (targets(site, part.name)) adapted.push_back(part.name);
      }
    }
    for (const TableSpec& table : layout.tables) {
      if (targets(table)) adapted.emplace_back(detail::module_of(table.name));
    }
    constexpr std::string_view kAdapted = "of what has an adapter";
    detail::check_patterns("Lora.rank_pattern", rank_pattern.view(), adapted, kAdapted);
    detail::check_patterns("Lora.alpha_pattern", alpha_pattern.view(), adapted, kAdapted);
    std::vector<std::string> tables;
    for (const TableSpec& table : layout.tables) {
      tables.emplace_back(detail::module_of(table.name));
    }
    for (const SiteSpec& site : layout.sites) {
      if (site.head) tables.push_back(site.parts[0].name);
    }
    for (const detail::RowRange& rows : detail::row_ranges(trainable_token_indices.view())) {
      if (rows.module.empty()) continue;
      detail::check_patterns("Lora.trainable_token_indices", rows.module, tables,
                             "among embeddings and LM head");
    }
    if (ensure_weight_tying) {  // a tied head's name is as good as its embedding's
      std::vector<std::string> names = detail::tensor_names(layout);
      for (const SiteSpec& site : layout.sites) {
        if (site.shares >= 0) names.push_back(site.parts[0].name + ".weight");
      }
      detail::check_patterns("Lora.modules_to_save", modules_to_save.view(), names);
    } else {
      detail::check_tensor_patterns(
          "Lora.modules_to_save", modules_to_save.view(), layout,
          "\"embed_tokens\" with ensure_weight_tying trains both as one matrix, \"embed_tokens, "
          "lm_head\" each as a matrix of its own");
    }
  }

  State attach(const auto& model) const {
    const WeightSource source = WeightSource::of(model);
    check_patterns(source.layout);
    return State(source, *this);
  }
};

/// An adapter's options on a base in another form, since a folder says nothing of the storage.
template <class Storage>
BasicLora<Storage> with_storage(const BasicLora<Dense>& lora, const Storage& storage) {
  return {.rank = lora.rank,
          .alpha = lora.alpha,
          .dropout = lora.dropout,
          .target_modules = lora.target_modules,
          .exclude_modules = lora.exclude_modules,
          .rank_pattern = lora.rank_pattern,
          .alpha_pattern = lora.alpha_pattern,
          .use_rslora = lora.use_rslora,
          .use_dora = lora.use_dora,
          .init = lora.init,
          .loftq_iter = lora.loftq_iter,
          .bias = lora.bias,
          .modules_to_save = lora.modules_to_save,
          .ensure_weight_tying = lora.ensure_weight_tying,
          .trainable_token_indices = lora.trainable_token_indices,
          .loraplus_lr_ratio = lora.loraplus_lr_ratio,
          .seed = lora.seed,
          .storage = storage};
}

}  // namespace posttrain
