// The nouns of `sluice`: each adds its commands to the program.
#pragma once

#include "rollout_engine/cli/session.h"

namespace sluice {

void AddKeyCommands(CLI::App& app, Session& session);
void AddRootCommands(CLI::App& app, Session& session);
void AddReleaseCommands(CLI::App& app, Session& session);
void AddRolloutCommands(CLI::App& app, Session& session);
/// Commands of the noun `rollout` that need no engine.
void AddJudgeCommand(CLI::App& rollout, Session& session);
void AddSimulateCommand(CLI::App& rollout, Session& session);
void AddDeviceCommands(CLI::App& app, Session& session);
void AddDeltaCommands(CLI::App& app, Session& session);
void AddEngineCommands(CLI::App& app, Session& session);
void AddRuleCommands(CLI::App& app, Session& session);
void AddStoreCommands(CLI::App& app, Session& session);
void AddBrokerCommands(CLI::App& app, Session& session);

}  // namespace sluice
