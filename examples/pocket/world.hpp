// SPDX-License-Identifier: Apache-2.0
// The pocket world: a deterministic generator of everything the pocket model is trained on.
//
//   pocket::World world;
//   std::string text = pocket::document(world, 17);     // documents.hpp: pre-training corpus
//   auto chats = pocket::conversations(world);          // chats.hpp: SFT, questions, preferences
//   auto three = pocket::tasks();                       // tasks.hpp: tasks learned in sequence
#pragma once

#include "arithmetic.hpp"
#include "chats.hpp"
#include "documents.hpp"
#include "facts.hpp"
#include "random.hpp"
#include "tasks.hpp"
