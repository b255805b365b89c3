"""`make check-deploy`: lint and dry-check every deploy file, each with its own tool.

Tools come from this environment (the extra `deploy`) or from the machine; one that is
missing is named, and what it would have judged is not counted as good. Nothing is
started, and nothing outside a temporary folder is written.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import yaml

DEPLOY = Path(__file__).parent
ROOT = DEPLOY.parent
BIN = Path(sys.executable).parent
PACKAGES = {"promtool": "prometheus", "systemd-analyze": "systemd"}
"""Debian's package of what no wheel brings."""
EXPOSED_AT_MOST = 20
"""Of systemd's hundred points, in which a service without any limits has 96."""
NO_SCHEMA = {"ScaledObject"}
"""Kinds that are no part of Kubernetes."""
BACKLOG = (("acme", 70), ("paused", 500))
"""Contacts of each connection that wait, as each of two receivers tells it."""


class Skipped(Exception):
    """There is no tool for it here; says which."""


class Failed(Exception):
    """What the tool said."""


def main() -> int:
    """Run every check; the exit code is 1 if one failed."""
    ends = {"ok": 0, "failed": 0, "skipped": 0}
    for check in CHECKS:
        name = check.__name__.replace("_", " ")
        try:
            end, why = "ok", check()
        except Skipped as error:
            end, why = "skipped", str(error)
        except Failed as error:
            end, why = "failed", f"\n{error}"
        ends[end] += 1
        print(f"{end:8} {name}: {why}", flush=True)
    print(", ".join(f"{count} {end}" for end, count in ends.items()))
    return 1 if ends["failed"] else 0


def dockerfile() -> str:
    run("hadolint", DEPLOY / "Dockerfile")
    return "hadolint has nothing to say"


def compose() -> str:
    """Both with and without the local vendors, on the settings of the example."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(DEPLOY, Path(folder, "deploy"))
        env = (ROOT / ".env.example").read_text("utf-8")
        env += "REDIS_PASSWORD=x\nGRAFANA_PASSWORD=x\n"
        Path(folder, ".env").write_text(env, "utf-8")
        command = ("docker-compose", "-f", f"{folder}/deploy/compose.yaml")
        command += ("--env-file", f"{folder}/.env")
        run(*command, "config", "--quiet")
        run(*command, "--profile", "sandbox", "config", "--quiet")
    return "docker compose config takes it, with and without the profile sandbox"


def systemd_units() -> str:
    with tempfile.TemporaryDirectory() as folder:
        units = list(_units_beside_what_they_start(Path(folder)))
        # What systemd does not know it passes over, and says so.
        if said := run("systemd-analyze", "verify", "--man=no", *units):
            raise Failed(said)
    return f"systemd-analyze verify takes {len(units)} units"


def systemd_hardening() -> str:
    for unit in sorted((DEPLOY / "systemd").glob("*.service")):
        most = f"--threshold={EXPOSED_AT_MOST}"
        run("systemd-analyze", "security", "--offline=yes", most, unit)
    return f"every service is exposed by {EXPOSED_AT_MOST / 10} of 10 at most"


def install_script() -> str:
    run("shellcheck", DEPLOY / "systemd" / "install.sh")
    return "shellcheck has nothing to say"


def kubernetes() -> str:
    """What kustomize makes of the example, against the schemas of Kubernetes."""
    known = [each for each in _manifests() if each["kind"] not in NO_SCHEMA]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "all.yaml")
        path.write_text(yaml.safe_dump_all(known), "utf-8")
        run("kubernetes-validate", "--strict", "--quiet", path)
    return f"kustomize builds it, and {len(known)} objects fit their schemas"


def keda_schema() -> str:
    raise Skipped("no package has the schema of KEDA's ScaledObject")


def keda_query() -> str:
    """Two receivers count once, and who is paused waits for no worker."""
    series = [
        {"series": f'{name},connection="{connection}"}}', "values": str(value)}
        for connection, contacts in BACKLOG
        for instance in ("a", "b")
        for name, value in (
            (f'ghl_mailjet_waiting_contacts{{lane="bulk",job="{instance}"', contacts),
            (f'ghl_mailjet_paused{{job="{instance}"', int(connection == "paused")),
        )
    ]
    (scaled,) = (each for each in _manifests() if each["kind"] == "ScaledObject")
    query = scaled["spec"]["triggers"][0]["metadata"]["query"]
    tests = [
        {"input_series": told, "promql_expr_test": [_expects(query, value)]}
        for told, value in ((series, 70), ([], 0))
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "test.yml")
        path.write_text(yaml.safe_dump({"tests": tests}), "utf-8")
        run("promtool", "test", "rules", path)
    return "counts each connection once, and none that is paused"


def prometheus() -> str:
    run("promtool", "check", "config", DEPLOY / "prometheus" / "prometheus.yml")
    return "promtool takes the configuration and its rules"


def prometheus_rules() -> str:
    tests = sorted((DEPLOY / "prometheus" / "tests").glob("*.yml"))
    if not tests:
        raise Skipped("there is none in prometheus/tests/")
    run("promtool", "test", "rules", *tests)
    return f"{len(tests)} files of promtool's tests pass"


def grafana() -> str:
    """Whether every dashboard is JSON; Grafana itself is the judge of more."""
    paths = sorted((DEPLOY / "grafana").rglob("*.json"))
    if not paths:
        raise Skipped("there is no dashboard in grafana/")
    for path in paths:
        try:
            json.loads(path.read_text("utf-8"))
        except ValueError as error:
            raise Failed(f"{path.name}: {error}") from error
    return f"{len(paths)} dashboards can be read"


CHECKS: tuple[Callable[[], str], ...] = (
    dockerfile,
    compose,
    systemd_units,
    systemd_hardening,
    install_script,
    kubernetes,
    keda_schema,
    keda_query,
    prometheus,
    prometheus_rules,
    grafana,
)


def run(tool: str, *words: str | Path) -> str:
    """What a tool prints, to whichever output.

    Raises:
        Skipped: it is not here.
        Failed: it ended with another code than 0.
    """
    path = shutil.which(tool, path=f"{BIN}:{os.environ['PATH']}:/usr/sbin")
    if path is None:
        package = PACKAGES.get(tool)
        where = f"Debian's package {package}" if package else "the extra `deploy`"
        raise Skipped(f"{tool} is not here; it is in {where}")
    done = subprocess.run(  # noqa: S603 - our own words, of tools found on the path
        [path, *map(str, words)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise Failed((done.stdout + done.stderr).strip())
    return done.stdout or done.stderr


def _units_beside_what_they_start(folder: Path) -> Iterator[Path]:
    """Copies of the units whose programs exist, as they will once installed."""
    for program in ("celery", "gunicorn"):
        (folder / program).write_text("#!/bin/sh\n")
        (folder / program).chmod(0o755)
    for unit in sorted((DEPLOY / "systemd").glob("ghl-mailjet*")):
        text = unit.read_text("utf-8")
        copy = folder / unit.name
        copy.write_text(text.replace("/usr/local/lib/ghl-mailjet/bin", str(folder)))
        yield copy


def _manifests() -> list[dict[str, object]]:
    built = run("kubectl", "kustomize", DEPLOY / "kubernetes" / "overlays" / "example")
    return list(yaml.safe_load_all(built))


def _expects(query: str, value: int) -> dict[str, object]:
    samples = [{"labels": "{}", "value": value}]
    return {"expr": query, "eval_time": "0m", "exp_samples": samples}


if __name__ == "__main__":
    sys.exit(main())
