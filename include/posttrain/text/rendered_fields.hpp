// SPDX-License-Identifier: Apache-2.0
// Whether what a conversation holds reaches its text: a chat template leaves out what it does not
// know (calls of tools, reasoning, a role), and the model would learn to say nothing there.
//
// A field is proved by a sentinel in its place, once for each kind of field and role: TRL checks
// its own templates so. Errors name the field and the message.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "posttrain/base/json.hpp"
#include "posttrain/text/chat_renderer.hpp"

namespace posttrain::text {

class RenderedFields {
 public:
  /// Checks the content and the known fields of every message, tools, and the template's variable
  /// "documents". An error for one that the rendering does not show.
  void check(const ChatRenderer& renderer, const Json& messages, const Json& tools,
             const Json& documents) const;

 private:
  /// An error for a null or missing content that the template cannot take, or beside which the
  /// message says nothing, and for parts that are no texts.
  void check_content(const ChatRenderer& renderer, const Json& messages, const Json& tools,
                     std::size_t i, const std::string& kind) const;

  void check_message(const ChatRenderer& renderer, const Json& messages, const Json& tools,
                     std::size_t i, const std::string& kind) const;

  /// Kinds that have been proved; shared by copies, which differ in variables alone.
  struct Proved {
    std::mutex mutex;
    std::set<std::string> kinds;
  };
  bool is_proved(const std::string& kind) const;
  void prove(const std::string& kind) const;

  std::shared_ptr<Proved> proved_ = std::make_shared<Proved>();
};

}  // namespace posttrain::text

#ifndef POSTTRAIN_COMPILED
#include "posttrain/text/impl/rendered_fields.ipp"
#endif
