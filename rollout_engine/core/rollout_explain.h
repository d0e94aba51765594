// Why a rollout is where it is: what it waits for and what would lift it, in sentences for people.
#pragma once

#include <string>
#include <vector>

#include "rollout_engine/core/rollout.h"

namespace sluice {

/// One sentence per thing that it waits for, the most urgent first. Empty when it is over.
std::vector<std::string> WhatIsMissing(const Rollout& rollout, BootMs now);

}  // namespace sluice
