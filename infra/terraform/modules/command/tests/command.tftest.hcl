mock_provider "google" {}

variables {
  project_id  = "tollgate-test"
  region      = "asia-northeast1"
  name        = "migrate"
  image       = "registry/tollgate:v1"
  environment = { STORE_URL = "spanner:projects/p/instances/i/databases/d" }
  database    = { instance = "tollgate", name = "tollgate", role = "roles/spanner.databaseAdmin" }
}

run "it_runs_once_as_itself" {
  command = apply
  assert {
    condition     = google_cloud_run_v2_job.this.template[0].template[0].containers[0].args == tolist(["migrate"]) && google_cloud_run_v2_job.this.template[0].template[0].max_retries == 0
    error_message = "another command, or one that is tried again without anybody having looked"
  }
  assert {
    condition     = google_service_account.this.account_id == "tollgate-migrate" && google_spanner_database_iam_member.uses[0].role == "roles/spanner.databaseAdmin"
    error_message = "it has no account of its own, or may not change tables"
  }
}

run "the_verifier_comes_from_inside_and_has_no_database" {
  command = apply
  variables {
    name               = "verify"
    environment        = {}
    database           = null
    secret_environment = { VERIFY_API_KEY = "tollgate-verify-api-key" }
    network            = { network = "tollgate", subnetwork = "tollgate-functions" }
  }
  assert {
    condition     = google_cloud_run_v2_job.this.template[0].template[0].vpc_access[0].egress == "ALL_TRAFFIC" && length(google_spanner_database_iam_member.uses) == 0
    error_message = "it cannot reach what is internal, or may read payments"
  }
}

run "no_role_beyond_a_database" {
  command = plan
  variables {
    database = { instance = "tollgate", name = "tollgate", role = "roles/spanner.admin" }
  }
  expect_failures = [var.database]
}
