variable "project_id" {
  description = "The project of the files."
  type        = string
}

variable "region" {
  description = "The only region that they are kept in."
  type        = string
}

variable "metrics_image" {
  description = "Google's sidecar that sends a function's /metrics to Managed Service for Prometheus."
  type        = string
  default     = "us-docker.pkg.dev/cloud-ops-agents-artifacts/cloud-run-gmp-sidecar/cloud-run-gmp-sidecar:1.2.0"
}

variable "collector_image" {
  description = "Google's build of the OpenTelemetry collector, which sends traces to Cloud Trace."
  type        = string
  default     = "us-docker.pkg.dev/cloud-ops-agents-artifacts/google-cloud-opentelemetry-collector/otelcol-google:0.156.0"
}

variable "scrape_seconds" {
  description = "How often metrics are read. Alerts look at a minute: two values at least."
  type        = number
  default     = 15
  validation {
    condition     = var.scrape_seconds >= 5 && var.scrape_seconds <= 30
    error_message = "scrape_seconds is 5 to 30."
  }
}
