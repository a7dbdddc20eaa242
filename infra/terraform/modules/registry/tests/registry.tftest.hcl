mock_provider "google" {}

variables {
  project_id = "tollgate-test"
  region     = "asia-northeast1"
  readers    = { staging = "serviceAccount:service-1@serverless-robot-prod.iam.gserviceaccount.com" }
}

run "a_tag_means_the_same_for_ever" {
  command = apply
  assert {
    condition     = google_artifact_registry_repository.this.docker_config[0].immutable_tags
    error_message = "a tag can be moved: a rollback would get something else"
  }
  assert {
    condition     = length([for it in google_artifact_registry_repository.this.cleanup_policies : it if it.action == "KEEP"]) == 1
    error_message = "what runs may be deleted"
  }
  assert {
    condition     = output.address == "asia-northeast1-docker.pkg.dev/tollgate-test/tollgate"
    error_message = "images are elsewhere"
  }
}

run "images_are_not_for_everybody" {
  command = plan
  variables {
    readers = { all = "allUsers" }
  }
  expect_failures = [var.readers]
}
