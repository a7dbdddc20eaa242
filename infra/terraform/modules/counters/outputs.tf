output "instance" {
  description = "The instance's name."
  value       = google_redis_instance.this.name
}

output "url_secret" {
  description = "The secret that holds COUNTERS_URL, with its password."
  value       = google_secret_manager_secret.this["counters-url"].secret_id
  depends_on  = [google_secret_manager_secret_version.this]
}

output "certificates_secret" {
  description = "The secret that holds the certificates to trust; null where connections are not encrypted."
  value       = try(google_secret_manager_secret.this["counters-ca"].secret_id, null)
  depends_on  = [google_secret_manager_secret_version.this]
}
