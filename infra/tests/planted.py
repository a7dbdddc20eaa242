#!/usr/bin/env python3
"""Plants mistakes into a copy of the Terraform files, one at a time, and sees that the checks find each, for the right reason.

Usage: infra/tests/planted.py [NAME]...     those whose names hold one of these words; all without

Needs terraform, with a provider that it can initialise (scripts/check-infra sees to that).
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).parents[2]
M = "infra/terraform/modules/"
# name, file, what stands there, what is planted, the folder whose tests must fail (or "consistent"), what they must say
PLANTED = [
    ("an internal function is anybody's", M + "gateway/main.tf",
     "webhook-delivery = {\n      is_public       = false", "webhook-delivery = {\n      is_public       = true", "modules/gateway", "allUsers may call another function"),
    ("everybody is an invoker", M + "function/main.tf",
     "count    = var.is_public ? 1 : 0", "count    = 1", "modules/function", "anybody may call it"),
    ("a function is reached past the load balancer", M + "function/main.tf",
     "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER", "INGRESS_TRAFFIC_ALL", "modules/function", "reached past the load balancer"),
    ("allUsers in another place", M + "edge/main.tf",
     'resource "google_compute_global_address" "this" {', 'locals {\n  x = "allUsers"\n}\n\nresource "google_compute_global_address" "this" {', "consistent", "lets everybody in"),
    ("a push without a dead letter", M + "queue/main.tf",
     "  dead_letter_policy {\n    dead_letter_topic     = var.dead_letter_topic\n    max_delivery_attempts = var.max_delivery_attempts\n  }\n", "", "modules/queue", "no dead letter"),
    ("dead letters that Pub/Sub may not publish", M + "queue/main.tf",
     'role    = "roles/pubsub.publisher"', 'role    = "roles/pubsub.viewer"', "modules/queue", "Pub/Sub may not publish dead letters"),
    ("dead letters that nobody keeps", M + "gateway/queues.tf",
     "  name           = \"undeliverable\"\n  retention_days = 31\n", "  name           = \"undeliverable\"\n  retention_days = 31\n  dead_letter_topic = module.dead_letter.topic\n  push = { endpoint = local.urls[\"payments\"], audience = \"x\", account = \"x\" }\n", "modules/gateway", "messages end in several places"),
    ("a provider's event is given up after a hundred pushes", M + "gateway/queues.tf",
     "dead_letter_topic     = module.provider_events_late.topic", "dead_letter_topic     = module.undeliverable.topic", "modules/gateway", "a provider's event is given up"),
    ("no token on pushes", M + "queue/main.tf",
     "      audience              = var.push.audience\n", "", "modules/queue", "a push without a token"),
    ("the ack deadline is a default of 10 s", M + "queue/variables.tf",
     "default     = 60", "default     = 10", "modules/queue", "the ack deadline is 60 s"),
    ("a database that can be dropped", M + "database/main.tf",
     "  enable_drop_protection   = var.is_protected\n", "", "modules/database", "drop protection is off"),
    ("an hour of point in time recovery", M + "database/variables.tf",
     "condition     = var.point_in_time_recovery_hours >= 72 &&", "condition     = var.point_in_time_recovery_hours >= 1 &&", "modules/database", "a_window_below_three_days_is_refused"),
    ("no daily backup", M + "database/main.tf",
     "  full_backup_spec {}\n", "  incremental_backup_spec {}\n", "modules/database", "no daily full backup"),
    ("Terraform makes tables", M + "database/main.tf",
     "  version_retention_period =", '  ddl                      = ["CREATE TABLE t (id INT64) PRIMARY KEY (id)"]\n  version_retention_period =', "modules/database", "tollgate migrate owns the tables"),
    ("functions share an account", M + "function/main.tf",
     "    service_account                  = google_service_account.this.email", '    service_account                  = "tollgate@project.iam.gserviceaccount.com"', "modules/function", "no account of its own"),
    ("a function may change tables", M + "function/main.tf",
     "roles/spanner.databaseUser", "roles/spanner.databaseAdmin", "modules/function", "it may change tables"),
    ("a function may read every secret", M + "function/main.tf",
     '"roles/cloudtrace.agent"', '"roles/cloudtrace.agent", "roles/secretmanager.secretAccessor"', "modules/function", "more in the project than write metrics"),
    ("a readiness probe", M + "function/main.tf",
     "      liveness_probe {\n", '      readiness_probe {\n        http_get {\n          path = "/health/ready"\n        }\n      }\n\n      liveness_probe {\n', "modules/function", "takes every instance out"),
    ("a liveness probe that asks the store", M + "function/main.tf",
     'path = "/health/live"', 'path = "/health/ready"', "modules/function", "a probe asks for more"),
    ("the CPU is taken away after the answer", M + "function/main.tf",
     "        # What a request began may be ended after its answer, so the CPU must not be taken away then.\n        cpu_idle          = false", "        cpu_idle          = true", "modules/function", "needs CPU after its answer"),
    ("the release says something else than Terraform", M + "function/manifest.tf",
     "containerConcurrency = var.concurrency", "containerConcurrency = 80", "modules/function", "another concurrency"),
    ("the release forgets a secret", M + "function/manifest.tf",
     "for name, secret in var.secret_environment :", "for name, secret in {} :", "modules/function", "other variables"),
    ("an apply takes back what Cloud Deploy put there", M + "function/main.tf",
     "ignore_changes = [template, traffic,", "ignore_changes = [", "consistent", "take back what Cloud Deploy"),
    ("a secret in a variable's default", M + "gateway/variables.tf",
     'variable "stripe" {', 'variable "signing_key" {\n  description = "x"\n  type        = string\n  default     = "made-up"\n}\n\nvariable "stripe" {', "consistent", "a secret's value is in no file"),
    ("the project's number comes late", M + "project/main.tf",
     "  project_id = var.project_id\n}\n\n# Who", "  project_id = var.project_id\n  depends_on = [google_project_service.this]\n}\n\n# Who", "modules/project", "Unknown condition value"),
    ("a key written out", "infra/terraform/environments/staging/main.tf",
     "stripe = var.stripe", 'stripe = var.stripe # sk_live_' + "abcdef", "consistent", "looks like a secret"),
    ("a variable that the code does not know", M + "gateway/main.tf",
     "      PUBLIC_URL ", "      PUBLIC_HOST_URL ", "consistent", "PUBLIC_HOST_URL, which README's table does not know"),
    ("a job that the function does not have", M + "gateway/schedules.tf",
     "    invariants     = {", "    audits         = {", "consistent", "/jobs/audits called"),
    ("a push to a route that is not there", M + "gateway/queues.tf",
     "${local.push.webhook-delivery}/payment-events", "${local.push.webhook-delivery}/events", "consistent", "/pubsub/events called"),
    ("a schema that refuses the gateway's own messages", M + "gateway/message.avsc",
     '"name": "attempt", "type": "long"', '"name": "attempts", "type": "long"', "consistent", "message.avsc has"),
    ("/metrics is routed", M + "edge/main.tf",
     '"/return/*"]', '"/return/*", "/metrics"]', "modules/edge", "nobody's business outside"),
    ("other paths reach payments", M + "edge/main.tf",
     "        http_status = 404\n        percentage  = 100", "        http_status = 404\n        percentage  = 0", "modules/edge", "is answered"),
    ("no Cloud Armor", M + "edge/main.tf",
     "  security_policy       = google_compute_security_policy.this.id\n", "", "modules/edge", "without Cloud Armor"),
    ("Redis without a password", M + "counters/main.tf",
     "auth_enabled            = true", "auth_enabled            = false", "modules/counters", "anybody in the network"),
    ("Redis refuses counters when it is full", M + "counters/main.tf",
     'maxmemory-policy = "volatile-lru"', 'maxmemory-policy = "noeviction"', "modules/counters", "counters are refused"),
    ("webhooks reach private addresses", M + "network/main.tf",
     "  priority           = 1000", "  priority           = 65001", "modules/network", "more than Redis is in reach"),
    ("tags that can be moved", M + "registry/main.tf",
     "immutable_tags = true", "immutable_tags = false", "modules/registry", "a tag can be moved"),
    ("everything to everybody at once", M + "delivery/variables.tf",
     "default     = [10, 50]", "default     = [50]", "modules/delivery", "10, 50 and 100"),
    ("a canary that nobody watches", M + "delivery/main.tf",
     "for_each = length(var.production.alert_policies) == 0 ? [] : [var.production.alert_policies]", "for_each = []", "modules/delivery", "a step that no alert ends"),
    ("production without an approval", M + "delivery/main.tf",
     "  require_approval = true\n", "", "modules/delivery", "nobody is asked before production"),
    ("the settlement by another clock", M + "schedule/main.tf",
     "time_zone        = var.time_zone", 'time_zone        = "Etc/UTC"', "modules/schedule", "another clock"),
    ("a settlement that is cut off after three minutes", M + "gateway/schedules.tf",
     "deadline = 1800", "deadline = 180", "modules/gateway", "a job is called at another time"),
    ("provider-webhooks takes anybody's pushes", M + "gateway/main.tf",
     'oidc_mode    = "verify"', 'oidc_mode    = "cloud-run-iam"', "modules/gateway", "check tokens itself"),
    ("Cloud Run's line before ours", M + "gateway/main.tf",
     "concurrency     = 1000\n      timeout_seconds = 60\n      callers         = []", "concurrency     = 80\n      timeout_seconds = 60\n      callers         = []", "modules/gateway", "Cloud Run's line comes before ours"),
    ("addresses of callers are the load balancer's", M + "gateway/main.tf",
     'each.value.is_public ? "2" : "1"', '"1"', "modules/gateway", "two entries"),
    ("production with fewer instances than planned", "infra/terraform/environments/production/main.tf",
     "min_instances = 3", "min_instances = 1", "environments/production", "than docs/capacity.md says"),
    ("Redis smaller than planned", "infra/terraform/environments/production/main.tf",
     "memory_gb = 2", "memory_gb = 1", "consistent", "docs/capacity.md says 2 GiB standard"),
    ("a first apply that ends at a metric without a value", M + "observability/main.tf",
     "disable_metric_validation = true", "disable_metric_validation = false", "modules/observability", "a first apply ends at a metric"),
    ("an environment that makes something itself", "infra/terraform/environments/production/outputs.tf",
     'output "registry" {', 'resource "google_pubsub_topic" "x" {\n  name = "x"\n}\n\noutput "registry" {', "consistent", "an environment only calls modules"),
    ("an output that is not there", "infra/terraform/environments/staging/outputs.tf",
     "module.gateway.address", "module.gateway.ip", "environments/staging", "Unsupported attribute"),
]


def copied(to):
    for name in ("infra/terraform", "scripts", "shared/messaging/src"):
        shutil.copytree(ROOT / name, to / name, ignore=shutil.ignore_patterns(".terraform*", "*.tfvars", "*.tfstate*"))
    for source in (ROOT / "functions").glob("*/src"):
        shutil.copytree(source, to / source.relative_to(ROOT))
    shutil.copy(ROOT / "README.md", to)
    (to / "docs").mkdir()
    shutil.copy(ROOT / "docs/capacity.md", to / "docs")


def terraform(folder, *arguments):
    return subprocess.run(["terraform", f"-chdir={folder}", *arguments, "-no-color"], capture_output=True, text=True)


def checked(copy, folder, ready):
    """What a check says, and whether it was content."""
    if folder == "consistent":
        done = subprocess.run([sys.executable, ROOT / "infra/tests/consistent.py", copy], capture_output=True, text=True)
        return done.returncode == 0, done.stdout + done.stderr
    path = copy / "infra/terraform" / folder
    if folder not in ready:
        done = terraform(path, "init", "-backend=false", "-input=false")
        if done.returncode:
            sys.exit(f"terraform init in {folder}:\n{done.stdout}{done.stderr}")
        ready.add(folder)
    text = ""
    for arguments in (("validate",), ("test",)):
        done = terraform(path, *arguments)
        text += done.stdout + done.stderr
        if done.returncode:
            # Terraform wraps its lines.
            return False, " ".join(text.replace("│", " ").split())
    return True, text


def main():
    words = sys.argv[1:]
    if "-h" in words or "--help" in words:
        print(__doc__)
        return 0
    missed, ready = [], set()
    chosen = [it for it in PLANTED if not words or any(word in it[0] for word in words)]
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder)
        copied(copy)
        content, text = checked(copy, "consistent", ready)
        if not content:
            sys.exit(f"without a mistake the check must be content:\n{text}")
        for name, file, there, planted, where, says in sorted(chosen, key=lambda it: it[4]):
            path = copy / file
            good = path.read_text()
            if there not in good:
                missed.append(f"{name}: {file} has changed, so that it cannot be planted")
                continue
            path.write_text(good.replace(there, planted))
            content, text = checked(copy, where, ready)
            path.write_text(good)
            if content:
                missed.append(f"{name}: nobody noticed")
            elif says not in text:
                missed.append(f"{name}: noticed, but not for the reason that it should ({says}):\n{text[:2000]}")
            else:
                print(f"found: {name}", flush=True)
    for line in missed:
        print(f"MISSED: {line}", file=sys.stderr)
    print(f"{len(chosen) - len(missed)} of {len(chosen)} planted mistakes were found")
    return 1 if missed or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
