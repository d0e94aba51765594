# Folder -> what of ours it may include, beside itself. Nothing else is allowed. Tests may include anything.
set(LAYERS
    common/base common/contract common/crypto common/mqtt common/payload
    device_sdk/include device_sdk/core device_sdk/slots device_sdk/agent device_sdk/daemon device_sdk/examples
    rollout_engine/core rollout_engine/snapshot rollout_engine/simulate
    rollout_engine/config rollout_engine/store rollout_engine/registry rollout_engine/payload
    rollout_engine/rules rollout_engine/engine rollout_engine/api rollout_engine/daemon rollout_engine/cli
    broker_plugin demo)

set(common_base "")
set(common_contract common/base)
set(common_crypto common/base common/contract)
set(common_mqtt common/base common/contract)
set(common_payload common/base common/contract)

set(device_sdk_include "")
set(device_sdk_core common/base common/contract)
set(device_sdk_slots common/base common/contract common/crypto common/payload device_sdk/core)
set(device_sdk_agent common/base common/contract common/crypto common/mqtt common/payload
    device_sdk/include device_sdk/core device_sdk/slots)
set(device_sdk_daemon ${device_sdk_agent} device_sdk/agent)
set(device_sdk_examples ${device_sdk_agent} device_sdk/agent)

set(rollout_engine_core common/base common/contract)
set(rollout_engine_snapshot common/base rollout_engine/core)
set(rollout_engine_simulate common/base rollout_engine/core)
set(rollout_engine_config common/base common/contract rollout_engine/core)
set(rollout_engine_store common/base common/contract)
set(rollout_engine_registry common/base common/contract common/crypto rollout_engine/store)
set(rollout_engine_payload common/base common/contract common/crypto common/payload)
set(rollout_engine_rules common/base common/contract common/crypto rollout_engine/config)
set(rollout_engine_engine common/base common/contract common/crypto common/mqtt common/payload rollout_engine/core
    rollout_engine/snapshot rollout_engine/config rollout_engine/store rollout_engine/registry rollout_engine/payload
    rollout_engine/rules)
set(rollout_engine_api ${rollout_engine_engine} rollout_engine/engine)
set(rollout_engine_daemon ${rollout_engine_api} rollout_engine/api)
set(rollout_engine_cli ${rollout_engine_api} rollout_engine/api rollout_engine/simulate)

# Runs inside the broker: nothing of ours but the contract.
set(broker_plugin common/base common/contract)

# The demo plays a user: it starts the programs and reads what they print.
set(demo common/base)

# Third-party header (regex) -> the only folders that may include it.
set(THIRD_PARTY
    "wolfssl/:common/crypto"
    "mqtt/|MQTT:common/mqtt"
    "openssl/:common/mqtt"
    "flatbuffers/|_generated\\.h:common/contract"
    "rocksdb/:rollout_engine/store"
    "librsync\\.h:common/payload,rollout_engine/payload"
    "zstd\\.h:common/payload,rollout_engine/payload"
    "yaml-cpp/:rollout_engine/config,rollout_engine/registry"
    "re2/|rapidjson/:rollout_engine/rules"
    "httplib\\.h:rollout_engine/api,rollout_engine/cli,demo"
    "mosquitto:broker_plugin"
    "CLI/:rollout_engine/cli,rollout_engine/daemon,device_sdk/daemon,device_sdk/examples,demo")
