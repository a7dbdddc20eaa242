mock_provider "google" {}

variables {
  project_id   = "tollgate-test"
  region       = "asia-northeast1"
  name         = "settlement"
  schedule     = "0 2-23 * * *"
  function_url = "https://settlement.example"
  account      = "tollgate-schedule@tollgate-test.iam.gserviceaccount.com"
}

run "the_call_is_a_post_with_a_token_by_tokyos_clock" {
  command = apply
  assert {
    condition     = google_cloud_scheduler_job.this.http_target[0].uri == "https://settlement.example/jobs/settlement" && google_cloud_scheduler_job.this.http_target[0].http_method == "POST"
    error_message = "another route"
  }
  assert {
    condition     = google_cloud_scheduler_job.this.http_target[0].oidc_token[0].audience == "https://settlement.example" && google_cloud_scheduler_job.this.http_target[0].oidc_token[0].service_account_email == "tollgate-schedule@tollgate-test.iam.gserviceaccount.com"
    error_message = "a call without a token, or for somebody else"
  }
  assert {
    condition     = google_cloud_scheduler_job.this.time_zone == "Asia/Tokyo"
    error_message = "another clock: the day ends at 02:00 in Tokyo"
  }
  assert {
    condition     = google_cloud_scheduler_job.this.attempt_deadline == "180s" && google_cloud_scheduler_job.this.retry_config[0].retry_count == 3
    error_message = "another deadline, or no retries"
  }
}

run "a_deadline_beyond_cloud_schedulers_is_refused" {
  command = plan
  variables {
    attempt_deadline_seconds = 1801
  }
  expect_failures = [var.attempt_deadline_seconds]
}

run "a_function_without_tls_is_refused" {
  command = plan
  variables {
    function_url = "http://settlement.example"
  }
  expect_failures = [var.function_url]
}
