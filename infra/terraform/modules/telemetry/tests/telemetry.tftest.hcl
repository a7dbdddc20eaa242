mock_provider "google" {}

variables {
  project_id = "tollgate-test"
  region     = "asia-northeast1"
}

run "as_it_comes" {
  command = apply

  # Metrics are read where functions show them.
  assert {
    condition     = yamldecode(google_secret_manager_secret_version.this["metrics-config"].secret_data).spec.endpoints[0] == { port = 8080, path = "/metrics", interval = "15s", timeout = "5s" }
    error_message = "metrics are read elsewhere"
  }
  assert {
    condition     = contains(yamldecode(google_secret_manager_secret_version.this["metrics-config"].secret_data).spec.targetLabels.metadata, "revision")
    error_message = "a canary's figures cannot be told from the others"
  }

  # Spans are taken where functions send them.
  assert {
    condition     = yamldecode(google_secret_manager_secret_version.this["collector-config"].secret_data).receivers.otlp.protocols.http.endpoint == "127.0.0.1:4318"
    error_message = "the collector listens elsewhere"
  }
  assert {
    condition     = yamldecode(google_secret_manager_secret_version.this["collector-config"].secret_data).service.pipelines.traces.processors[0] == "memory_limiter"
    error_message = "spans can take the function's memory"
  }
}

