mock_provider "google" {}

variables {
  project_id = "tollgate-test"
  region     = "asia-northeast1"
  names      = ["secrets-key", "stripe-key"]
}

run "secrets_are_made_empty_and_stay" {
  command = apply
  assert {
    condition     = output.ids == { secrets-key = "tollgate-secrets-key", stripe-key = "tollgate-stripe-key" }
    error_message = "other names than functions ask for"
  }
  assert {
    condition     = alltrue([for it in google_secret_manager_secret.this : it.version_destroy_ttl == "86400s" && it.deletion_protection])
    error_message = "a version that is destroyed by mistake is gone at once"
  }
  assert {
    condition     = alltrue([for it in google_secret_manager_secret.this : it.replication[0].user_managed[0].replicas[0].location == "asia-northeast1"])
    error_message = "a secret is kept anywhere"
  }
}
