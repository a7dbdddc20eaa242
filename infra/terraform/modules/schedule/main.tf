resource "google_cloud_scheduler_job" "this" {
  project          = var.project_id
  region           = var.region
  name             = "tollgate-${var.name}"
  schedule         = var.schedule
  time_zone        = var.time_zone
  attempt_deadline = "${var.attempt_deadline_seconds}s"

  retry_config {
    retry_count          = var.retries
    min_backoff_duration = "10s"
    max_backoff_duration = "120s"
    max_doublings        = 3
  }

  http_target {
    http_method = "POST"
    uri         = "${var.function_url}/jobs/${var.name}"
    oidc_token {
      service_account_email = var.account
      audience              = var.function_url
    }
  }
}
