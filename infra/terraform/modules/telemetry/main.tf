locals {
  files = {
    metrics-config = yamlencode({
      apiVersion = "monitoring.googleapis.com/v1beta"
      kind       = "RunMonitoring"
      metadata   = { name = "tollgate" }
      spec = {
        endpoints = [{ port = 8080, path = "/metrics", interval = "${var.scrape_seconds}s", timeout = "5s" }]
        # Which revision a figure comes from: a canary is compared with what runs beside it.
        targetLabels = { metadata = ["instance", "revision", "service"] }
      }
    })
    collector-config = yamlencode({
      receivers = { otlp = { protocols = { http = { endpoint = "127.0.0.1:4318" } } } }
      processors = {
        # Spans are lost before the sidecar is: it shares the instance with payments.
        memory_limiter    = { check_interval = "1s", limit_percentage = 65, spike_limit_percentage = 20 }
        resourcedetection = { detectors = ["gcp"], timeout = "10s" }
        batch             = { send_batch_size = 200, send_batch_max_size = 200, timeout = "5s" }
      }
      exporters = { googlecloud = {} }
      service = {
        pipelines = {
          traces = {
            receivers  = ["otlp"]
            processors = ["memory_limiter", "resourcedetection", "batch"]
            exporters  = ["googlecloud"]
          }
        }
      }
    })
  }
}

# No secrets: it is the only way that Cloud Run mounts a small file.
resource "google_secret_manager_secret" "this" {
  for_each  = local.files
  project   = var.project_id
  secret_id = "tollgate-${each.key}"
  replication {
    user_managed {
      replicas {
        location = var.region
      }
    }
  }
}

resource "google_secret_manager_secret_version" "this" {
  for_each    = local.files
  secret      = google_secret_manager_secret.this[each.key].id
  secret_data = each.value
}
