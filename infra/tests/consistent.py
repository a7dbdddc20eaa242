#!/usr/bin/env python3
"""Holds the Terraform files against the rest of the repository: what no schema knows.

Usage: infra/tests/consistent.py [FOLDER]     FOLDER is the repository, or a copy of it (the one that this file is in)

Every rule that is broken is said in one line; the exit code is then 1. It reads files, and runs nothing.
"""
import json
import pathlib
import re
import sys

ROOT = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[2])
TERRAFORM = ROOT / "infra" / "terraform"
MODULES = sorted(p for p in (TERRAFORM / "modules").iterdir() if p.is_dir())
ENVIRONMENTS = sorted(p for p in (TERRAFORM / "environments").iterdir() if p.is_dir())
# Whose secrets are what they look like.
LOOKS_SECRET = re.compile(r"sk_live_\w|sk_test_\w|whsec_\w|rk_live_\w|-----BEGIN|AIza[\w-]{30}|\"private_key\"")
wrong = []


def say(text):
    wrong.append(text)


def tf(folder):
    return sorted(folder.glob("*.tf"))


def without_comments(text):
    return re.sub(r"^\s*#.*$", "", text, flags=re.M)


def blocks(text, kind):
    """Each block of `kind`: its label and what is in it. terraform fmt puts the closing brace at a line's beginning."""
    return re.findall(rf'^{kind} "([^"]+)" \{{\n(.*?)^\}}', text, flags=re.M | re.S)


def table():
    """README's configuration table: variable -> its row."""
    readme = (ROOT / "README.md").read_text()
    section = re.search(r"^## Configuration\n(.*?)^## ", readme, flags=re.M | re.S).group(1)
    rows = {}
    for line in section.splitlines():
        if line.startswith("| `"):
            for name in re.findall(r"`([A-Z][A-Z0-9_]+)`", line.split("|")[1]):
                rows[name] = line
    return rows


def environment_variables():
    known = table()
    given = {}
    for module in MODULES:
        for file in tf(module):
            for name in re.findall(r"^\s*\{?\s*([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)\s*=", without_comments(file.read_text()), flags=re.M):
                given[name] = file
            # Several in one line.
            for name in re.findall(r"[{,]\s*([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)\s*=", without_comments(file.read_text())):
                given[name] = file
    for name, file in sorted(given.items()):
        if name not in known:
            say(f"{file.relative_to(ROOT)} sets {name}, which README's table does not know")
    for name, row in sorted(known.items()):
        if "| must be set |" in row and name not in given:
            say(f"README says that {name} must be set, and Terraform sets it nowhere")
    if len(given) < 20:
        say("the environment variables in Terraform were not found")


def secrets():
    for folder in MODULES + ENVIRONMENTS:
        for file in sorted(folder.rglob("*.tf*")) + sorted(folder.rglob("*.example")):
            for number, line in enumerate(file.read_text().splitlines(), 1):
                if LOOKS_SECRET.search(line):
                    say(f"{file.relative_to(ROOT)}:{number} holds what looks like a secret")
        for file in tf(folder):
            for name, body in blocks(file.read_text(), "variable"):
                default = re.search(r"^  default\s*=\s*(.+)$", body, flags=re.M)
                secret = re.search(r"password|token|credential|(api|secret|signing|private|client)_?(key|secret)$|_secret$", name)
                if secret and default and default.group(1).strip() != "null":
                    say(f"{file.relative_to(ROOT)}: the variable {name} has a default: a secret's value is in no file")
            if re.search(r"secret_data\s*=\s*\"", file.read_text()):
                say(f"{file.relative_to(ROOT)}: a secret's value is written out")


def folders():
    for folder in MODULES + ENVIRONMENTS:
        name = folder.relative_to(ROOT)
        for needed in ("variables.tf", "outputs.tf", "versions.tf"):
            if not (folder / needed).is_file():
                say(f"{name} has no {needed}")
        if folder.name != "observability" and not list(folder.glob("tests/*.tftest.hcl")):
            say(f"{name} has no tests")
        for file in tf(folder):
            for kind in ("variable", "output"):
                for label, body in blocks(file.read_text(), kind):
                    if not re.search(r"^  description\s*=", body, flags=re.M):
                        say(f"{file.relative_to(ROOT)}: {kind} {label} has no description")
                    if kind == "variable" and not re.search(r"^  type\s*=", body, flags=re.M):
                        say(f"{file.relative_to(ROOT)}: variable {label} has no type")
    for module in MODULES:
        readme = module / "README.md"
        if not readme.is_file():
            say(f"{module.relative_to(ROOT)} has no README.md")
        elif "Must not know" not in readme.read_text():
            say(f"{readme.relative_to(ROOT)} does not say what the module must not know")
    for environment in ENVIRONMENTS:
        for file in tf(environment):
            if re.search(r'^(resource|data) "', file.read_text(), flags=re.M):
                say(f"{file.relative_to(ROOT)} makes something itself: an environment only calls modules")


def ownership():
    text = (TERRAFORM / "modules/function/main.tf").read_text()
    service = re.search(r'^resource "google_cloud_run_v2_service" "this" \{\n(.*?)^\}', text, flags=re.M | re.S).group(1)
    ignored = re.search(r"ignore_changes = \[([^\]]*)\]", service)
    if not ignored or not {"template", "traffic"} <= {it.strip() for it in ignored.group(1).split(",")}:
        say("infra/terraform/modules/function/main.tf: an apply would take back what Cloud Deploy has put there")


def everybody():
    """allUsers and the like stand in one place."""
    for folder in MODULES + ENVIRONMENTS:
        for file in tf(folder):
            text = without_comments(file.read_text())
            text = re.sub(r'^\s*(condition|error_message)\s*=.*$', "", text, flags=re.M)
            found = len(re.findall(r"allUsers|allAuthenticatedUsers", text))
            if found and (folder.name, file.name, found) != ("function", "main.tf", 1):
                say(f"{file.relative_to(ROOT)} lets everybody in")
            if re.search(r"roles/(owner|editor|viewer)\"|\.admin\"", text):
                say(f"{file.relative_to(ROOT)} gives a role that may do everything")


def messages():
    """The schema of messages is what the code writes: Pub/Sub refuses all else."""
    schema = json.loads((TERRAFORM / "modules/gateway/message.avsc").read_text())
    code = (ROOT / "shared/messaging/src/wire.rs").read_text()
    fields = re.search(r"struct Wire \{\n(.*?)^\}", code, flags=re.M | re.S).group(1)
    written = re.findall(r"^    (\w+): (\w+),", fields, flags=re.M)
    avro = {"String": "string", "u32": "long", "u64": "long", "Kind": "enum"}
    said = [(it["name"], it["type"]["type"] if isinstance(it["type"], dict) else it["type"]) for it in schema["fields"]]
    if [(name, avro.get(kind, kind)) for name, kind in written] != said:
        say(f"message.avsc has {said}, and wire.rs writes {written}")
    kinds = re.findall(r"^    (\w+),", re.search(r"enum Kind \{\n(.*?)^\}", code, flags=re.M | re.S).group(1), flags=re.M)
    kinds = [re.sub(r"(?<!^)(?=[A-Z])", "_", kind).lower() for kind in kinds]
    symbols = schema["fields"][0]["type"]["symbols"]
    if kinds != symbols:
        say(f"message.avsc knows the kinds {symbols}, and wire.rs writes {kinds}")


def routes():
    """What is pushed to and called is a route of that function."""
    queues = (TERRAFORM / "modules/gateway/queues.tf").read_text()
    pushed = [(f, f"/pubsub/{r}") for f, r in re.findall(r'endpoint\s*=\s*"\$\{local\.push\.([a-z-]+)\}/([a-z-]+)"', queues)]
    schedules = (TERRAFORM / "modules/gateway/schedules.tf").read_text()
    called = [(f, f"/jobs/{job}") for job, f in re.findall(r'^\s+([a-z-]+)\s+= \{ function = "([a-z-]+)"', schedules, flags=re.M)]
    if len(pushed) < 5 or len(called) < 5:
        say("the pushes and the jobs in Terraform were not found")
    for function, route in pushed + called:
        code = "".join(file.read_text() for file in (ROOT / "functions" / function / "src").rglob("*.rs"))
        if f'"{route}"' not in code:
            say(f"Terraform has {route} called, which the function {function} does not have")


def services():
    """The list of Google's services in scripts/bootstrap is Terraform's."""
    project = (TERRAFORM / "modules/project/main.tf").read_text()
    bootstrap = (ROOT / "scripts/bootstrap").read_text()
    ours = set(re.findall(r'"([a-z]+\.googleapis\.com)",$', project, flags=re.M))
    theirs = set(re.findall(r"^ +([a-z]+)\.googleapis\.com", bootstrap, flags=re.M))
    theirs = {f"{name}.googleapis.com" for name in theirs}
    if ours - theirs or not ours:
        say(f"scripts/bootstrap does not switch on {', '.join(sorted(ours - theirs)) or 'anything'}")


def capacity():
    """What Terraform is given is what docs/capacity.md says, in its table "What Terraform uses"."""
    plan = (ROOT / "docs/capacity.md").read_text().split("## What Terraform uses", 1)[-1]
    rows = {}
    for line in plan.splitlines():
        cells = [cell.strip().replace("**", "").replace(",", "") for cell in line.strip("|").split("|")]
        if line.startswith("| ") and len(cells) == 5:
            rows[cells[0]] = dict(zip(("staging", "production"), cells[1:3]))
    network = (TERRAFORM / "modules/network/variables.tf").read_text()
    compared = 0
    for environment in ENVIRONMENTS:
        text = "\n".join(file.read_text() for file in tf(environment))
        sizes = {name: (least, most) for name, least, most in re.findall(
            r"^ +([a-z-]+) += \{ min_instances = (\d+), max_instances = (\d+)", text, flags=re.M)}

        def figure(pattern):
            found = re.search(pattern, text, flags=re.M | re.S)
            return found[1] if found else "nothing"

        least, most = figure(r"min_processing_units = (\d+)"), figure(r"max_processing_units = (\d+)")
        has = {f"`{name}`: min max": " ".join(size) for name, size in sizes.items()}
        has["Spanner min and max processing units"] = f"{least} and {most}"
        has["Redis"] = f"{figure(r'memory_gb = ([0-9]+)')} GiB {'basic' if 'has_standby = false' in text else 'standard'}"
        has["`capacity_per_second`"] = figure(r'capacity_per_second(?: += |".*?default += )(\d+)')
        has["subnet for the functions"] = "/" + re.search(r'default += "[\d.]+/(\d+)"', network)[1]
        for what, value in has.items():
            row = next((row for name, row in rows.items() if name.startswith(what)), None)
            if row is None:
                say(f"docs/capacity.md does not say what {what} is, which {environment.relative_to(ROOT)} has")
            elif row[environment.name] != value:
                say(f"{environment.relative_to(ROOT)}: {what} is {value}, and docs/capacity.md says {row[environment.name]}")
            compared += 1
    if compared < 18:
        say("the capacity plan's figures were not found in Terraform")


for rule in (environment_variables, secrets, folders, ownership, everybody, messages, routes, services, capacity):
    rule()
for line in wrong:
    print(line, file=sys.stderr)
if wrong:
    sys.exit(1)
print(f"{len(MODULES)} modules and {len(ENVIRONMENTS)} environments agree with the README, the code and the scripts")
