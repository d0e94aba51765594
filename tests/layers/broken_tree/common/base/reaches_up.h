// Read by the layer test only: an include that must be refused.
#pragma once
#include "rollout_engine/core/rollout.h"
