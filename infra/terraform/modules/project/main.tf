# The same list is in scripts/bootstrap, which needs the first of them before Terraform can run.
resource "google_project_service" "this" {
  for_each = toset([
    "artifactregistry.googleapis.com",
    "cloudbuild.googleapis.com",
    "clouddeploy.googleapis.com",
    "cloudresourcemanager.googleapis.com",
    "cloudscheduler.googleapis.com",
    "cloudtrace.googleapis.com",
    "compute.googleapis.com",
    "containerscanning.googleapis.com",
    "iam.googleapis.com",
    "logging.googleapis.com",
    "monitoring.googleapis.com",
    "pubsub.googleapis.com",
    "redis.googleapis.com",
    "run.googleapis.com",
    "secretmanager.googleapis.com",
    "servicenetworking.googleapis.com",
    "spanner.googleapis.com",
  ])
  project = var.project_id
  service = each.value
  # Taking a service away from a project takes what was made with it.
  disable_on_destroy = false
}

# Without depends_on, on purpose: it would be read late whenever a service is added, and whatever holds the number (pushes, roles,
# addresses) would be planned anew. scripts/bootstrap has switched on what this needs.
data "google_project" "this" {
  project_id = var.project_id
}

# Who read which secret, and who read payments past the gateway: the operator's command works on the database itself.
resource "google_project_iam_audit_config" "this" {
  for_each = toset(["secretmanager.googleapis.com", "spanner.googleapis.com"])
  project  = var.project_id
  service  = each.value
  audit_log_config {
    log_type = "DATA_READ"
    # The functions read all the time, which nobody wants to pay for; people do not.
    exempted_members = var.unaudited_readers
  }
  audit_log_config {
    log_type         = "DATA_WRITE"
    exempted_members = var.unaudited_readers
  }
}
