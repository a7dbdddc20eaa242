mock_provider "google" {}

variables {
  project_id        = "tollgate-test"
  unaudited_readers = ["serviceAccount:tollgate-payments@tollgate-test.iam.gserviceaccount.com"]
}

# Else a service that is added would plan every push, every role of Pub/Sub's and every variable with an address anew.
run "its_number_is_known_before_anything_is_made" {
  command = plan
  assert {
    condition     = output.number != "" && output.project_id == "tollgate-test"
    error_message = "everything else would wait for it"
  }
}

run "as_it_comes" {
  command = apply

  # What people read is logged.
  assert {
    condition     = toset(keys(google_project_iam_audit_config.this)) == toset(["secretmanager.googleapis.com", "spanner.googleapis.com"])
    error_message = "nobody sees who reads secrets or payments"
  }

  # Services stay on.
  assert {
    condition     = alltrue([for it in google_project_service.this : it.disable_on_destroy == false])
    error_message = "a destroy takes a service away from the project"
  }
}

run "people_are_not_exempt" {
  command = plan
  variables {
    unaudited_readers = ["user:ann@example.com"]
  }
  expect_failures = [var.unaudited_readers]
}

run "a_number_is_no_project_id" {
  command = plan
  variables {
    project_id = "123456789012"
  }
  expect_failures = [var.project_id]
}
