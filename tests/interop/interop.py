#!/usr/bin/env python3
"""Runs the MQTT 5 tests of the Eclipse Paho interoperability suite against a Mosquitto without and with the plugin.

Each test is a call of its own against two brokers of its own, both on loopback. Prints a table, writes it to --table, and
exits 1 if a test that passes on the bare broker does not pass with the plugin.
"""
import argparse
import concurrent.futures
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

TEST_TIMEOUT_S = 120
START_TIMEOUT_S = 10
WORKERS = 4  # the tests sleep most of their time


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def accepts(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Broker:
    """Debian's Mosquitto in a folder of its own, the plugin added as an operator adds it."""

    def __init__(self, folder, bin_folder, with_plugin):
        self.port = free_port()
        etc = pathlib.Path(folder) / "etc"
        (etc / "mosquitto" / "conf.d").mkdir(parents=True)
        config = etc / "mosquitto" / "mosquitto.conf"
        config.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence false\nuser root\n"
            f"set_tcp_nodelay true\ninclude_dir {etc}/mosquitto/conf.d\n")
        if with_plugin:
            subprocess.run([bin_folder / "sluice", "broker", "init", "--prefix", etc, "--no-listener"], check=True,
                           capture_output=True)
        self.process = subprocess.Popen([shutil.which("mosquitto") or "/usr/sbin/mosquitto", "-c", config],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + START_TIMEOUT_S
        while not accepts(self.port):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"E_TIMEOUT: mosquitto does not start with {config}")
            time.sleep(0.01)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def run_test(suite, name, bin_folder, with_plugin):
    """'pass', 'fail', 'timeout', or 'broker died'."""
    with tempfile.TemporaryDirectory(prefix="sluice-interop-") as folder, Broker(folder, bin_folder, with_plugin) as broker:
        command = [sys.executable, "client_test5.py", "--port", str(broker.port), f"Test.{name}"]
        try:
            done = subprocess.run(command, cwd=suite / "interoperability", capture_output=True, timeout=TEST_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            return "timeout"
        if broker.process.poll() is not None:
            return "broker died"
        return "pass" if done.returncode == 0 else "fail"


def table(rows):
    lines = ["| test | bare broker | with the plugin |", "|---|---|---|"]
    lines += [f"| {name} | {bare} | {plugin} |" for name, bare, plugin in rows]
    counts = [sum(row[column] == "pass" for row in rows) for column in (1, 2)]
    lines.append(f"| **passed of {len(rows)}** | {counts[0]} | {counts[1]} |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--suite", type=pathlib.Path, required=True, help="a checkout of eclipse/paho.mqtt.testing")
    parser.add_argument("--bin", type=pathlib.Path, required=True, help="the built programs")
    parser.add_argument("--table", type=pathlib.Path, help="also write the table to this file")
    arguments = parser.parse_args()
    tests_file = arguments.suite / "interoperability" / "client_test5.py"
    if not tests_file.is_file():
        raise SystemExit(f"E_NOT_FOUND: {tests_file}; --suite is a checkout of eclipse/paho.mqtt.testing")
    names = re.findall(r"^    def (test_\w+)", tests_file.read_text(), re.MULTILINE)
    rows = []
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        results = {
            (name, with_plugin): pool.submit(run_test, arguments.suite, name, arguments.bin.resolve(), with_plugin)
            for name in names for with_plugin in (False, True)
        }
        for name in names:
            rows.append((name, results[name, False].result(), results[name, True].result()))
            print(f"{name:40} {rows[-1][1]:10} {rows[-1][2]}", flush=True)
    if arguments.table:
        arguments.table.write_text(table(rows))
    lost = [name for name, bare, plugin in rows if bare == "pass" and plugin != "pass"]
    print(f"{len(rows)} tests; passed on the bare broker {sum(r[1] == 'pass' for r in rows)}, with the plugin "
          f"{sum(r[2] == 'pass' for r in rows)}; lost by the plugin: {', '.join(lost) or 'none'}")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
