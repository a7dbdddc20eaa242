output "sidecars" {
  description = "What the module function needs to know of the sidecars."
  value = {
    metrics_image           = var.metrics_image
    metrics_config_secret   = google_secret_manager_secret.this["metrics-config"].secret_id
    collector_image         = var.collector_image
    collector_config_secret = google_secret_manager_secret.this["collector-config"].secret_id
  }
  depends_on = [google_secret_manager_secret_version.this]
}
